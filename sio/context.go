package sio

import (
	"context"
	"time"
)

// A socketContext is the context of a socket. It costs the socket nothing
// until somebody waits for it.
type socketContext Socket

var closedDone = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Deadline implements context.Context.
func (c *socketContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (c *socketContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
	}
	return c.done
}

// Err implements context.Context.
func (c *socketContext) Err() error {
	if c.state.Load() == closed {
		return context.Canceled
	}
	return nil
}

// Value implements context.Context.
func (c *socketContext) Value(key any) any { return c.eng.Context().Value(key) }

// AfterFunc lets the context package derive contexts without a goroutine each.
// It never calls fn itself: the context package holds the lock that fn wants.
func (c *socketContext) AfterFunc(fn func()) (stop func() bool) {
	c.mu.Lock()
	if c.state.Load() == closed {
		c.mu.Unlock()
		time.AfterFunc(0, fn)
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = make(map[*func()]struct{})
	}
	c.after[&fn] = struct{}{}
	c.mu.Unlock()
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, ok := c.after[&fn]
		delete(c.after, &fn)
		return ok
	}
}

// waiting reports whether ctx is that of a socket for which more events wait,
// so that what is sent now should be written together with what they send.
func waiting(ctx context.Context) bool {
	c, ok := ctx.(*socketContext)
	return ok && c.more.Load()
}

// A connContext is done when a connection is.
type connContext struct{ done <-chan struct{} }

// Deadline implements context.Context.
func (connContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (c connContext) Done() <-chan struct{} { return c.done }

// Err implements context.Context.
func (c connContext) Err() error {
	select {
	case <-c.done:
		return ErrClosed
	default:
		return nil
	}
}

// Value implements context.Context.
func (connContext) Value(any) any { return nil }
