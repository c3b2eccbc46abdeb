// Package lane runs work one piece at a time, in order, on a goroutine that
// exists only while there is work.
//
// It is the way in which one goroutine hands work to another here: a socket
// handles its events through a lane. An idle lane costs a few words.
package lane

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is returned for work that comes after [Lane.Close].
var ErrClosed = errors.New("lane: closed")

// keep is the capacity of a queue that an idle lane does not give back.
const keep = 16

// A Lane is a bounded queue with at most one goroutine that empties it. Its
// methods may be called by many goroutines at once.
type Lane[T any] struct {
	run  func([]T)
	loop func() // work, bound once, as binding it allocates; nil with a crew
	size int
	crew *Crew

	mu      sync.Mutex
	queue   []T
	load    int // cost of what is in queue
	spare   []T // the array of the batch before, to be used again
	running bool
	closed  bool
	space   chan struct{} // closed when a place becomes free; nil when nobody waits
	idle    chan struct{} // closed when the work is done; nil when nobody waits
}

// New returns a lane in which pieces of a cost of at most size together wait,
// besides those that run has been handed. run gets as many as wait, in order,
// and must not keep the slice.
func New[T any](size int, run func([]T)) *Lane[T] {
	l := &Lane[T]{}
	l.Init(size, run, nil)
	return l
}

// Init makes a zero Lane that is part of another struct usable. Its work is
// done by crew; without one, on a goroutine of its own.
func (l *Lane[T]) Init(size int, run func([]T), crew *Crew) {
	l.size, l.run, l.crew = max(size, 1), run, crew
	if crew == nil {
		l.loop = l.work
	}
}

// A Job is a lane that has work, as a [Host] sees it. One of its methods is
// called, once.
type Job = interface {
	Do()   // does the work
	Pass() // leaves it to the crew
}

// A Host may do the work of a lane where its caller is, instead of its crew.
type Host interface {
	// Defer has the job done soon and reports whether it will. Who calls Do
	// waits for that before it waits for the crew.
	Defer(job Job) bool
}

// Put queues v. It waits until there is room for its cost, or until ctx is
// done; a piece that costs more than the lane's size fits into an empty queue.
func (l *Lane[T]) Put(ctx context.Context, v T, cost int) error {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return ErrClosed
		}
		if l.fits(cost) {
			l.add(v, cost, nil)
			l.mu.Unlock()
			return nil
		}
		if l.space == nil {
			l.space = make(chan struct{})
		}
		space := l.space
		l.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TryPut queues v if there is room and reports whether there was. If nobody
// works yet, host is asked to; nil is nobody.
func (l *Lane[T]) TryPut(v T, cost int, host Host) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.fits(cost) {
		return false
	}
	l.add(v, cost, host)
	return true
}

// Force queues v whether or not there is room, and even when the lane is closed.
func (l *Lane[T]) Force(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(v, 1, nil)
}

func (l *Lane[T]) fits(cost int) bool { return l.load == 0 || l.load+cost <= l.size }

func (l *Lane[T]) add(v T, cost int, host Host) {
	if l.queue == nil {
		l.queue, l.spare = l.spare, nil
	}
	l.queue = append(l.queue, v)
	l.load += cost
	if !l.running {
		l.running = true
		switch {
		case l.crew == nil:
			go l.loop()
		case host == nil || !host.Defer(lent[T]{l}):
			l.crew.do(l)
		}
	}
}

// A lent is the job of a lane.
type lent[T any] struct{ *Lane[T] }

// Do implements Job. The crew waits for it as for its own.
func (l lent[T]) Do() {
	l.crew.running.Add(1)
	defer l.crew.running.Done()
	l.work()
}

// Pass implements Job.
func (l lent[T]) Pass() { l.crew.do(l.Lane) }

// Len returns the number of pieces that wait.
func (l *Lane[T]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// Close refuses new work and waits until what is queued is done, or until ctx
// is. It must not be called by the work itself.
func (l *Lane[T]) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.wake(&l.space)
	if !l.running {
		l.mu.Unlock()
		return nil
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	idle := l.idle
	l.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// work empties the queue and ends.
func (l *Lane[T]) work() {
	l.mu.Lock()
	for len(l.queue) > 0 {
		batch := l.queue
		l.queue, l.load = nil, 0
		l.wake(&l.space)
		l.mu.Unlock()

		l.run(batch)

		clear(batch)
		l.mu.Lock()
		if cap(batch) <= keep && l.spare == nil {
			l.spare = batch[:0]
		}
	}
	l.running = false
	l.wake(&l.idle)
	l.mu.Unlock()
}

func (l *Lane[T]) wake(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}
