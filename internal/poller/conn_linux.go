package poller

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/roomwire/roomwire/internal/stack"
)

// A Conn is a connection of a Poller. It is a net.Conn, whose Read is for what
// comes after the handler's End, or without a Start.
type Conn struct {
	uses atomic.Int32  // of the descriptor, under way; and closed
	turn atomic.Uint32 // who reads
	fd   int32
	loop *loop
	h    Handler
	slow atomic.Pointer[slow] // nil: nobody ever waited

	local, remote net.Addr
}

// closed is the bit of Conn.uses that no use begins after.
const closed = 1 << 30

// Bits of Conn.turn.
const (
	reading = 1 << iota // somebody does, or nobody ever will again
	again               // and has to look once more: something has come
	ending              // nothing comes after what is there now
)

// turnReads is how often one connection is read while others wait.
const turnReads = 4

// Start has the poller read for h, after early, which came before. It is
// called once; after Close, h learns of that.
func (c *Conn) Start(h Handler, early []byte) {
	c.h = h
	if len(early) == 0 && c.turn.CompareAndSwap(reading, 0) {
		return
	}
	c.loop.p.run(func() {
		stack.Large()
		if len(early) > 0 {
			if err := h.Receive(early); err != nil {
				c.end(err)
				return
			}
		}
		buf := buffers.Get().(*[buffer]byte)
		c.read(buf[:], nil)
		buffers.Put(buf)
	})
}

// told notes what the kernel said and reports whether the caller is to read.
// loop.mu is held.
func (c *Conn) told(ev uint32) bool {
	if s := c.slow.Load(); s != nil {
		s.told(ev)
	}
	if ev&toRead == 0 {
		return false
	}
	set := uint32(reading | again)
	if ev&hungUp != 0 {
		set |= ending
	}
	return c.turn.Or(set)&reading == 0
}

// read reads until nothing is left. While d leads, it leaves what is much for
// later; d may be nil.
func (c *Conn) read(buf []byte, d *leader) {
	for reads := 1; ; reads++ {
		before := c.turn.And(^uint32(again))
		n, wait, err := c.tryRead(buf)
		switch {
		case err != nil:
			c.end(err)
			return
		case wait:
		case n == 0:
			c.end(io.EOF)
			return
		default:
			if err := c.h.Receive(buf[:n]); err != nil {
				c.end(err)
				return
			}
		}
		// What did not fill the buffer was all, and the kernel tells of what
		// comes next; but of the end it has told already.
		more := !wait && (n == len(buf) || before&ending != 0)
		if !more && c.rest() {
			return
		}
		if reads >= turnReads && d != nil {
			if d.leave(c) {
				return
			}
			d = nil
		}
	}
}

// rest ends the turn of the caller, unless something has come.
func (c *Conn) rest() bool {
	for {
		t := c.turn.Load()
		if t&again != 0 {
			return false
		}
		if c.turn.CompareAndSwap(t, t&^reading) {
			return true
		}
	}
}

// end tells the handler. The turn is never given back.
func (c *Conn) end(err error) { c.loop.p.run(func() { stack.Small(); c.h.End(err) }) }

// Block tells that the handler, which is in Receive, will take long or wait.
// Other connections need not wait for it then; else they may for some 20 ms.
func (c *Conn) Block() { c.loop.blocked(c) }

// use begins a use of the descriptor, unless it is closed.
func (c *Conn) use() bool {
	for {
		n := c.uses.Load()
		if n&closed != 0 {
			return false
		}
		if c.uses.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (c *Conn) used() {
	if c.uses.Add(-1) == closed {
		c.free()
	}
}

// free closes the descriptor, after its last use.
func (c *Conn) free() {
	c.loop.remove(c)
	_ = syscall.Close(int(c.fd))
}

// Fetch looks at what TryWrite will look at, which changes nothing.
func (c *Conn) Fetch() { c.uses.Load() }

// TryWrite writes what the kernel takes of b now, whatever the deadline is.
func (c *Conn) TryWrite(b []byte) (n int, err error) {
	if !c.use() {
		return 0, net.ErrClosed
	}
	n, err = Write(uintptr(c.fd), b)
	c.used()
	return n, err
}

func (c *Conn) tryRead(b []byte) (n int, wait bool, err error) {
	if !c.use() {
		return 0, false, net.ErrClosed
	}
	n, wait, err = Read(uintptr(c.fd), b)
	c.used()
	if err != nil {
		err = c.opError("read", err)
	}
	return n, wait, err
}

// Close closes the connection. What is under way ends with [net.ErrClosed].
func (c *Conn) Close() error {
	old := c.uses.Or(closed)
	if old&closed != 0 {
		return nil
	}
	if old == 0 {
		c.free()
	}
	if s := c.slow.Load(); s != nil {
		s.signal()
	}
	if c.turn.Or(reading|again)&reading == 0 {
		c.end(net.ErrClosed)
	}
	return nil
}

// CloseWrite tells the peer that nothing more comes.
func (c *Conn) CloseWrite() error {
	if !c.use() {
		return c.opError("close", net.ErrClosed)
	}
	defer c.used()
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(c.fd), syscall.SHUT_WR))
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}
