package engine

import (
	"sync"
	"time"
)

// The bounds of the step in which deadlines are noticed.
const (
	minTick = 5 * time.Millisecond
	maxTick = 250 * time.Millisecond
)

// A wheel tells when the deadlines of all connections pass, by one timer that
// runs only while there are any. A deadline is noticed up to one tick late,
// never early.
type wheel struct {
	tick    time.Duration
	start   time.Time
	running *sync.WaitGroup // has one more while the timer is set

	mu    sync.Mutex
	slots [256]*timer
	done  int64 // the last tick that was handled
	n     int
	armed bool
	clock *time.Timer
	due   []*timer // scratch of advance
}

// A timer is one deadline. It is part of what it belongs to.
type timer struct {
	next, prev *timer
	owner      interface{ expire() }
	at         int64 // tick
	set        bool
}

func (w *wheel) init(interval, timeout time.Duration, running *sync.WaitGroup) {
	w.tick = min(max(min(interval, timeout)/20, minTick), maxTick)
	w.start = time.Now()
	w.running = running
}

// now is the time since the wheel was made.
func (w *wheel) now() time.Duration { return time.Since(w.start) }

// schedule makes t's owner expire at the time at, and not before; an earlier
// schedule of t is forgotten. Expire may come although t was cancelled
// meanwhile, so the owner has to know its own deadline.
func (w *wheel) schedule(t *timer, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(t)
	if !w.armed {
		w.arm()
	}
	t.at = max(int64((at+w.tick-1)/w.tick), w.done+1)
	slot := &w.slots[t.at%int64(len(w.slots))]
	t.prev, t.next = nil, *slot
	if t.next != nil {
		t.next.prev = t
	}
	*slot = t
	t.set = true
	w.n++
}

// cancel forgets t.
func (w *wheel) cancel(t *timer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(t)
	if w.n == 0 && w.armed && w.clock.Stop() {
		w.armed = false
		w.running.Done()
	}
}

func (w *wheel) unlink(t *timer) {
	if !t.set {
		return
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		w.slots[t.at%int64(len(w.slots))] = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev, t.set = nil, nil, false
	w.n--
}

func (w *wheel) arm() {
	w.armed = true
	w.running.Add(1)
	w.done = int64(w.now() / w.tick)
	if w.clock == nil {
		w.clock = time.AfterFunc(w.tick, w.turn)
	} else {
		w.clock.Reset(w.tick)
	}
}

// turn runs on the goroutine of the timer.
func (w *wheel) turn() {
	w.mu.Lock()
	due := w.advance()
	w.mu.Unlock()
	for _, t := range due {
		t.owner.expire()
	}
	w.mu.Lock()
	clear(due)
	w.due = due[:0]
	if cap(w.due) > 1024 {
		w.due = nil
	}
	if w.n > 0 {
		w.clock.Reset(w.tick)
		w.mu.Unlock()
		return
	}
	w.armed = false
	w.mu.Unlock()
	w.running.Done()
}

// advance unlinks the timers whose time has come.
func (w *wheel) advance() []*timer {
	due := w.due
	now := int64(w.now() / w.tick)
	for at := max(w.done+1, now-int64(len(w.slots))+1); at <= now; at++ {
		for t := w.slots[at%int64(len(w.slots))]; t != nil; {
			next := t.next
			if t.at <= now {
				w.unlink(t)
				due = append(due, t)
			}
			t = next
		}
	}
	w.done = now
	return due
}
