package adapter

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/roomwire/roomwire/parser"
)

// Memory returns the adapter of a single node, the counterpart of Socket.IO's
// built-in Adapter.
//
// It keeps everything in memory and waits for nothing, so that a ctx that is
// done makes no difference but to BroadcastCall. Beyond what [Adapter] says:
//
//   - Join, Leave and Remove for a member that is not known do nothing.
//     Adding a known member again joins what is missing, its own room too;
//     adding another member with the ID of a known one returns [ErrTaken].
//   - A member may leave the room of its own ID, and join those of others.
//   - A broadcast is for those who are in the rooms when it begins. Other calls
//     wait for at most 64 deliveries of it, not for all. When no socket is
//     chosen, Local is not called.
//   - BroadcastCall and Sockets do their work each time they are ranged over,
//     and nothing before. Leaving the loop early ends the call: what comes
//     later is dropped. A done ctx counts as time that is up.
//   - ServerEmit yields [ErrAlone], and Nodes is 1.
//   - Room events come after the change, in the order of the changes, one at
//     a time, from one of the goroutines that change rooms: a call may return
//     while another goroutine still tells what it did, and may tell what others
//     did. A Local that is a [RoomWatcher] can say that it does not listen.
//   - After Close, which tells no room events, every method does nothing and
//     returns no error.
//
// The order of sockets in a broadcast is not defined. Names of a [Selector] that
// are no room are no error.
func Memory() Factory {
	return func(_ string, local Local) (Adapter, error) {
		if local == nil {
			return nil, errors.New("adapter: local is nil")
		}
		m := &memory{local: local, byID: map[string]*entry{}, rooms: map[string]*room{}}
		m.watcher, _ = local.(RoomWatcher)
		m.batches.New = func() any { return newBatch(m) }
		return m, nil
	}
}

// memory is the adapter of one node. Who changes anything holds mu; who
// delivers to a member holds it for reading, which is what gives Leave and Remove
// their promise.
type memory struct {
	local   Local
	watcher RoomWatcher // local, when it is one
	batches sync.Pool   // of *batch
	events  eventQueue

	mu      sync.RWMutex
	closed  bool
	telling bool   // events of the change in progress are wanted
	left    uint64 // counts what a broadcast in progress has to look out for: leaves and removals
	byID    map[string]*entry
	all     []*entry
	rooms   map[string]*room // without the membership of sockets in the rooms of their own IDs
}

// lock begins a change.
func (m *memory) lock() {
	wanted := m.watcher == nil || m.watcher.WantsRoomEvents()
	m.mu.Lock()
	m.telling = wanted
}

// unlock ends a change and tells of it.
func (m *memory) unlock() {
	telling := m.telling
	m.mu.Unlock()
	if telling {
		m.events.drain(m.local)
	}
}

// find returns the entry of a member, nil when it is not known. The caller
// holds mu in either way.
func (m *memory) find(member Member, id string) *entry {
	if e := m.byID[id]; e != nil && e.member == member {
		return e
	}
	return nil
}

func (m *memory) Add(_ context.Context, member Member, rooms ...string) error {
	id := member.ID()
	m.lock()
	defer m.unlock()
	if m.closed {
		return nil
	}
	e := m.byID[id]
	switch {
	case e == nil:
		e = &entry{member: member, pos: int32(len(m.all))}
		if len(rooms) > 0 {
			e.places = make([]place, 0, len(rooms))
		}
		m.byID[id] = e
		m.all = append(m.all, e)
	case e.member != member:
		return ErrTaken
	}
	m.join(e, id, id)
	for _, name := range rooms {
		m.join(e, id, name)
	}
	return nil
}

func (m *memory) Join(_ context.Context, member Member, rooms ...string) error {
	id := member.ID()
	m.lock()
	defer m.unlock()
	if e := m.find(member, id); e != nil {
		for _, name := range rooms {
			m.join(e, id, name)
		}
	}
	return nil
}

func (m *memory) Leave(_ context.Context, member Member, rooms ...string) error {
	id := member.ID()
	m.lock()
	defer m.unlock()
	if e := m.find(member, id); e != nil {
		for _, name := range rooms {
			m.leave(e, id, name)
		}
	}
	return nil
}

func (m *memory) Remove(_ context.Context, member Member) error {
	id := member.ID()
	m.lock()
	defer m.unlock()
	e := m.find(member, id)
	if e == nil {
		return nil
	}
	m.leave(e, id, id)
	for _, p := range e.places {
		m.drop(e, p)
	}
	e.places = nil
	last := len(m.all) - 1
	m.all[e.pos] = m.all[last]
	m.all[e.pos].pos = e.pos
	m.all = cut(m.all)
	e.pos = gone
	delete(m.byID, id)
	m.left++
	return nil
}

func (m *memory) Rooms(member Member) []string {
	id := member.ID()
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.find(member, id)
	if e == nil {
		return nil
	}
	return e.names(id)
}

func (m *memory) AllRooms(context.Context) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	names := make([]string, 0, len(m.rooms)+len(m.byID))
	for name := range m.rooms {
		names = append(names, name)
	}
	for id, e := range m.byID {
		if e.own && m.rooms[id] == nil {
			names = append(names, id)
		}
	}
	return names, nil
}

func (m *memory) Broadcast(_ context.Context, p *parser.Packet, to Selector, f Flags) error {
	b := m.choose(to)
	defer b.release()
	if len(b.targets) > 0 {
		m.local.Deliver(b.groups, p, f)
	}
	return nil
}

func (m *memory) Sockets(_ context.Context, to Selector) iter.Seq2[Socket, error] {
	return func(yield func(Socket, error) bool) {
		b := m.choose(to)
		defer b.release()
		v := b.view()
		defer v.close()
		for i := range b.targets {
			member, rooms, ok := v.look(i)
			if !ok {
				continue
			}
			s := m.local.Describe(member)
			s.ID, s.Node, s.Member, s.Rooms = member.ID(), "", member, rooms
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (m *memory) JoinAll(_ context.Context, to Selector, rooms ...string) error {
	m.changeAll(to, rooms, m.join)
	return nil
}

func (m *memory) LeaveAll(_ context.Context, to Selector, rooms ...string) error {
	m.changeAll(to, rooms, m.leave)
	return nil
}

// changeAll does one change for all rooms of all sockets chosen, at once for
// everybody else.
func (m *memory) changeAll(to Selector, rooms []string, change func(e *entry, id, name string)) {
	if len(rooms) == 0 {
		return
	}
	b := m.batches.Get().(*batch)
	defer b.release()
	m.lock()
	defer m.unlock()
	b.fill(to)
	for _, e := range b.targets {
		id := e.member.ID()
		for _, name := range rooms {
			change(e, id, name)
		}
	}
}

func (m *memory) DisconnectAll(_ context.Context, to Selector, closeConn bool) error {
	b := m.choose(to)
	defer b.release()
	v := b.view()
	defer v.close()
	for i := range b.targets {
		if member, ok := v.still(i); ok {
			m.local.Disconnect(member, closeConn)
		}
	}
	return nil
}

func (m *memory) ServerEmit(context.Context, *parser.Packet) iter.Seq2[Reply, error] {
	return func(yield func(Reply, error) bool) { yield(Reply{}, ErrAlone) }
}

func (m *memory) Nodes(context.Context) (int, error) { return 1, nil }

func (m *memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.all {
		e.pos, e.own, e.places = gone, false, nil
	}
	m.closed = true
	m.left++
	m.all, m.byID, m.rooms = nil, nil, nil
	return nil
}

// cut takes the last element off s, and gives memory back when most of it is
// unused.
func cut(s []*entry) []*entry {
	last := len(s) - 1
	s[last] = nil
	s = s[:last]
	if cap(s) > 64 && last < cap(s)/4 {
		s = slices.Clone(s)
	}
	return s
}
