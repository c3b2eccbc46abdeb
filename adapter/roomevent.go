package adapter

import "sync"

// A RoomWatcher is a [Local] that can say whether anybody listens to room
// events. An adapter asks at each change, from any goroutine, and spares itself
// [Local.RoomEvent] when the answer is false. A Local that is no RoomWatcher gets all
// events.
type RoomWatcher interface {
	WantsRoomEvents() bool
}

// tellJoined notes a join for who listens; created: it made the room.
func (m *memory) tellJoined(created bool, name string, e *entry) {
	if !m.telling {
		return
	}
	if created {
		m.events.push(RoomEvent{Kind: RoomCreated, Room: name})
	}
	m.events.push(RoomEvent{Kind: RoomJoined, Room: name, Member: e.member})
}

// tellLeft notes a leave for who listens; deleted: nobody is in the room any
// more.
func (m *memory) tellLeft(deleted bool, name string, e *entry) {
	if !m.telling {
		return
	}
	m.events.push(RoomEvent{Kind: RoomLeft, Room: name, Member: e.member})
	if deleted {
		m.events.push(RoomEvent{Kind: RoomDeleted, Room: name})
	}
}

// An eventQueue carries room events out of the lock in the order of the changes.
// Whoever finds nobody draining drains all, so that order needs no
// goroutine and nobody waits for another's listener.
type eventQueue struct {
	mu       sync.Mutex
	queue    []RoomEvent
	head     int
	draining bool
}

// push appends an event; callers hold the adapter's lock, which orders them.
func (q *eventQueue) push(e RoomEvent) {
	q.mu.Lock()
	q.queue = append(q.queue, e)
	q.mu.Unlock()
}

func (q *eventQueue) pop() (e RoomEvent, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.queue) {
		q.draining = false
		if q.queue = q.queue[:0]; cap(q.queue) > 256 {
			q.queue = nil
		}
		q.head = 0
		return RoomEvent{}, false
	}
	e = q.queue[q.head]
	q.queue[q.head] = RoomEvent{}
	q.head++
	return e, true
}

// drain tells local everything that is queued, unless another goroutine is at
// it.
func (q *eventQueue) drain(local Local) {
	q.mu.Lock()
	idle := !q.draining && q.head < len(q.queue)
	if idle {
		q.draining = true
	}
	q.mu.Unlock()
	if !idle {
		return
	}
	done := false
	defer func() {
		if !done { // local panicked: the next change goes on with the rest
			q.mu.Lock()
			q.draining = false
			q.mu.Unlock()
		}
	}()
	for {
		e, ok := q.pop()
		if !ok {
			done = true
			return
		}
		local.RoomEvent(e)
	}
}
