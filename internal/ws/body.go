package ws

import (
	"io"
	"net"
	"sync"
	"time"
)

// A bodyConn is the connection of a client whose transport gives no net.Conn,
// but only the body of a response that can be written. The first deadline that
// passes ends it.
type bodyConn struct {
	io.ReadWriteCloser

	mu     sync.Mutex
	timers [2]*time.Timer // for reading and writing
	closed bool
}

// Close closes the body.
func (c *bodyConn) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, t := range c.timers {
		if t != nil {
			t.Stop()
		}
	}
	c.mu.Unlock()
	return c.ReadWriteCloser.Close()
}

// LocalAddr is not known.
func (c *bodyConn) LocalAddr() net.Addr { return bodyAddr{} }

// RemoteAddr is not known either.
func (c *bodyConn) RemoteAddr() net.Addr { return bodyAddr{} }

// SetDeadline closes the connection at t.
func (c *bodyConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline closes the connection at t.
func (c *bodyConn) SetReadDeadline(t time.Time) error { return c.set(0, t) }

// SetWriteDeadline closes the connection at t.
func (c *bodyConn) SetWriteDeadline(t time.Time) error { return c.set(1, t) }

func (c *bodyConn) set(i int, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if c.timers[i] != nil {
		c.timers[i].Stop()
		c.timers[i] = nil
	}
	if !t.IsZero() {
		c.timers[i] = time.AfterFunc(time.Until(t), func() { _ = c.Close() })
	}
	return nil
}

type bodyAddr struct{}

func (bodyAddr) Network() string { return "http" }
func (bodyAddr) String() string  { return "unknown" }
