package ws

import (
	"io"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/roomwire/roomwire/internal/poller"
)

// A Conn is one WebSocket connection. One goroutine may read and one write at
// the same time; Close may be called by any, also from within a [Handler].
type Conn struct {
	fd       *poller.Conn    // nc, if a poller reads it; else nil
	raw      syscall.RawConn // of nc without a poller; nil as well: nc alone reads and writes
	state    atomic.Uint32
	client   bool
	compress bool
	nc       net.Conn
	limit    atomic.Uint64 // bytes of a message
	early    string        // what came together with the handshake, until it is served; a string takes less room
	shift    *shift        // nil: nothing is deferred
}

// Bits of Conn.state.
const (
	stateServing = 1 << iota
	stateServed  // Serve has returned
	stateClosed
)

// aged is a deadline that has passed.
var aged = time.Unix(1, 0)

func newConn(nc net.Conn, o *Options, client, compress bool, early []byte) *Conn {
	c := &Conn{nc: nc, client: client, compress: compress, early: string(early)}
	c.SetLimit(o.MaxMessage)
	if o.Poller != nil {
		if c.fd = o.Poller.Adopt(nc); c.fd != nil {
			c.nc = c.fd
			return c
		}
	}
	c.raw = rawConn(nc)
	if o.Defer && c.raw != nil {
		c.shift = &shift{}
	}
	return c
}

// SetLimit makes bytes what [Options].MaxMessage was, for the frames that come
// from now on. It may be called at any time.
func (c *Conn) SetLimit(bytes int) {
	if bytes <= 0 {
		bytes = math.MaxInt
	}
	c.limit.Store(uint64(bytes))
}

// rawConn returns the descriptor of a connection that is known to hide nothing
// between it and the descriptor.
func rawConn(nc net.Conn) syscall.RawConn {
	if !canRaw {
		return nil
	}
	var raw syscall.RawConn
	var err error
	switch nc := nc.(type) {
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	case *net.UnixConn:
		raw, err = nc.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// Polled reports whether a poller reads the connection.
func (c *Conn) Polled() bool { return c.fd != nil }

// CanTryWrite reports whether TryWrite can write at all: a plain TCP or Unix
// connection, but not TLS or a foreign kind of connection.
func (c *Conn) CanTryWrite() bool { return c.fd != nil || c.raw != nil }

// TryWrite writes as much of b, whole frames, as the kernel takes at once, and
// never waits, whatever the write deadline is. n < len(b) with a nil error:
// the kernel would block. Where CanTryWrite is false it writes nothing.
func (c *Conn) TryWrite(b []byte) (n int, err error) {
	if c.closed() {
		return 0, c.opError("write", net.ErrClosed)
	}
	switch {
	case len(b) == 0:
		return 0, nil
	case c.fd != nil:
		n, err = c.fd.TryWrite(b)
	case c.raw != nil:
		n, err = tryWrite(c.raw, b)
	}
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// Plan has a batch write data, whole frames, as TryWrite would. It reports
// false, and plans nothing, where that is not possible.
func (c *Conn) Plan(b *poller.Batch, data []byte) bool {
	return c.fd != nil && len(data) > 0 && !c.closed() && b.Plan(c.fd, data)
}

// Write writes all of b, waiting as long as the write deadline allows.
func (c *Conn) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if c.closed() {
		return c.opError("write", net.ErrClosed)
	}
	_, err := c.nc.Write(b)
	return err
}

// SetWriteDeadline bounds Write, also one that waits already. The zero time
// means no bound.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.nc.SetWriteDeadline(t) }

// Compress reports whether permessage-deflate was negotiated.
func (c *Conn) Compress() bool { return c.compress }

// Client reports whether this end dialled, and must mask what it sends.
func (c *Conn) Client() bool { return c.client }

// NetConn returns the connection below.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Close closes the connection below, without a close frame. Serve returns soon
// after, once the handler it may be in has returned, and nothing more is
// delivered. Only the first call does anything.
func (c *Conn) Close() error {
	old := c.state.Or(stateClosed)
	if old&stateClosed != 0 {
		return nil
	}
	if c.raw == nil || old&stateServing == 0 {
		return c.nc.Close()
	}
	// A net.Conn waits in Close until its readers have left, and a handler is
	// called from within a read: it would wait for itself. So wake whoever
	// waits and let Serve close when it leaves. The peer learns it now.
	_ = c.nc.SetDeadline(aged)
	if c.shift != nil {
		c.shift.wake()
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	return nil
}

// Linger says that nothing more comes and discards what the peer still sends,
// until its end, or for as long as t: closing with unread bytes would reset the
// connection, and the peer might never see what was written last. It may be
// called once Serve has returned, or by what Start calls at the end.
func (c *Conn) Linger(t time.Duration) {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	var in interface {
		io.Reader
		SetReadDeadline(time.Time) error
	} = c.nc
	if c.shift != nil {
		if file := c.shift.reads(); file != nil {
			in = file
		}
	}
	_ = in.SetReadDeadline(time.Now().Add(t))
	_, _ = io.CopyN(io.Discard, in, maxLinger)
}

// maxLinger bounds what is discarded.
const maxLinger = 4 << 20

func (c *Conn) closed() bool { return c.state.Load()&stateClosed != 0 }

// begin marks the connection as being served, unless it is or was, or is closed.
func (c *Conn) begin() bool { return c.state.CompareAndSwap(0, stateServing) }

// end follows begin, and closes if Close left it to Serve.
func (c *Conn) end() {
	c.state.Or(stateServed)
	if c.state.And(^uint32(stateServing))&stateClosed != 0 && c.raw != nil {
		_ = c.nc.Close()
	}
}

func (c *Conn) opError(op string, err error) error {
	e := &net.OpError{Op: op, Source: c.nc.LocalAddr(), Addr: c.nc.RemoteAddr(), Err: err}
	if e.Addr != nil {
		e.Net = e.Addr.Network()
	}
	return e
}
