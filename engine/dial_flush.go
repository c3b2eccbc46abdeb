package engine

import (
	"context"
	"encoding/binary"
	"slices"
)

// A flush waits for the pong to a ping of WebSocket.
type flush struct {
	n    uint64 // of the ping
	done chan struct{}
}

// Flush waits until the server has read everything that was sent before, which
// is not to say that it has handled it: that takes an acknowledgement. Over
// polling, the server answers each request that it has read; over WebSocket,
// Flush sends a ping and waits for its pong (RFC 6455, section 5.5.3). It ends
// when ctx is done, as not every server may send pongs, and with [ErrClosed]
// when the connection ends.
func (c *ClientConn) Flush(ctx context.Context) error {
	if err := c.Wait(ctx, 0); err != nil {
		return err
	}
	done := c.ping()
	if done == nil {
		return nil // all went over polling, and was answered
	}
	defer c.forget(done)
	select {
	case <-done:
		return nil
	case <-c.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ping sends a ping and returns what is closed by its pong, or nil if the
// transport is not WebSocket.
func (c *ClientConn) ping() chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws == nil {
		return nil
	}
	c.pings++
	f := flush{n: c.pings, done: make(chan struct{})}
	c.flushes = append(c.flushes, f)
	data := binary.BigEndian.AppendUint64(nil, f.n)
	c.queue = append(c.queue, outgoing{kind: 'N', data: data})
	c.queued += len(data) + perPacket
	if !c.writing {
		c.startWriterLocked()
	}
	return f.done
}

// pong ends the waiting for the ping that data is of, and for those before.
func (c *ClientConn) pong(data []byte) {
	if len(data) != 8 {
		return // nobody asked for it
	}
	n := binary.BigEndian.Uint64(data)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.pings {
		return // nor for this
	}
	c.flushes = slices.DeleteFunc(c.flushes, func(f flush) bool {
		if f.n <= n {
			close(f.done)
		}
		return f.n <= n
	})
}

// forget lets nobody wait for a pong any more.
func (c *ClientConn) forget(done chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushes = slices.DeleteFunc(c.flushes, func(f flush) bool { return f.done == done })
}
