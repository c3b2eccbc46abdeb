package queue

import "sync"

// A line calls functions of many goroutines one at a time, in the order in
// which they took their turns.
type line struct {
	mu   sync.Mutex
	last chan struct{} // closed when the last one in line has returned
}

// A turn is a place in a line. Whoever took one must run it.
type turn struct {
	before <-chan struct{} // nil: nobody is before
	done   chan struct{}   // nil: not taken
}

func (l *line) take() turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := turn{before: l.last, done: make(chan struct{})}
	l.last = t.done
	return t
}

// run calls f, if ok, when it is its turn.
func (t turn) run(ok bool, f func()) {
	defer close(t.done)
	if t.before != nil {
		<-t.before
	}
	if ok {
		f()
	}
}
