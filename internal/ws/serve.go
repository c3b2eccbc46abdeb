package ws

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/roomwire/roomwire/internal/stack"
)

// parkBuffer is how much a connection that cannot be parked without a buffer
// holds while it waits.
const parkBuffer = 512

// errServed is what a second call of Serve gets.
var errServed = errors.New("ws: connection is served already")

// Serve reads until the connection ends and hands each message to h. While it
// waits, the connection holds no read buffer where the platform allows it.
//
// The error is never nil: what h.Message returned; a *[CloseError] for a close
// frame or a violation, neither of which has been answered; [io.EOF] if the
// peer just left; or the error of the network, [net.ErrClosed] after Close.
// Serve leaves the connection open, for a last write, unless Close was called.
// It may be called once.
func (c *Conn) Serve(h Handler) error {
	if c.fd != nil || c.shift != nil {
		served := make(chan error, 1)
		c.Start(h, func(err error) { served <- err })
		return <-served
	}
	if !c.begin() {
		return c.unserved()
	}
	var why error
	r := &reader{c: c, h: h}
	r.finish(r.run(), func(err error) { why = err })
	return why
}

// Start is [Conn.Serve] elsewhere: on a goroutine of its own, or on one that
// reads many connections, where h must not be slow without [Conn.Block]. end takes
// what Serve would return.
func (c *Conn) Start(h Handler, end func(error)) {
	if c.fd == nil && c.shift == nil {
		go func() {
			stack.Small()
			end(c.Serve(h))
		}()
		return
	}
	if !c.begin() {
		end(c.unserved())
		return
	}
	if s := c.shift; s != nil {
		s.r, s.end = &reader{c: c, h: h}, end
		go s.serve()
		return
	}
	early := []byte(c.early)
	c.early = ""
	c.fd.Start(&polled{reader{c: c, h: h}, end}, early)
}

// Block tells that the handler, or a [Job], which the caller is called by, will
// wait or take some milliseconds. Else other connections, or what comes next
// from this one, might wait for it. Anybody may call it.
func (c *Conn) Block() {
	if c.fd != nil {
		c.fd.Block()
	}
	c.Relieve()
}

// polled is a reader as a poller sees it.
type polled struct {
	r   reader
	end func(error)
}

// Receive implements poller.Handler.
func (p *polled) Receive(b []byte) error { return p.r.take(b) }

// End implements poller.Handler.
func (p *polled) End(err error) { p.r.finish(err, p.end) }

// finish ends the reader, which err was the end of, and tells end what Serve
// returns.
func (r *reader) finish(err error, end func(error)) {
	r.c.end()
	r.tell(err, end)
}

// tell drops what the reader holds, and tells end what Serve returns.
func (r *reader) tell(err error, end func(error)) {
	r.drop()
	if r.c.closed() && (errors.Is(err, errStopped) || isNetError(err)) {
		err = r.c.opError("read", net.ErrClosed)
	}
	end(err)
}

// unserved says why a connection cannot be served.
func (c *Conn) unserved() error {
	if c.closed() {
		return c.opError("read", net.ErrClosed)
	}
	return errServed
}

// errStopped ends the reading of a connection that was closed here.
var errStopped = errors.New("ws: stopped")

func isNetError(err error) bool {
	var ne net.Error
	return err == io.EOF || errors.As(err, &ne)
}

func (r *reader) run() error {
	if early := r.c.early; early != "" {
		r.c.early = ""
		r.receive([]byte(early), true)
		if r.err != nil {
			return r.err
		}
	}
	if r.c.raw == nil {
		return r.runBlocking()
	}
	// One Read for the life of the connection: the goroutine is parked in it
	// whenever ready returns false.
	for {
		err := r.c.raw.Read(r.ready)
		switch {
		case r.err != nil:
			return r.err
		case !errors.Is(err, os.ErrDeadlineExceeded) || !r.c.shift.again():
			return err
		}
	}
}

// receive handles one piece of the stream, which filled the buffer or not, and
// reports whether to ask for more at once.
//
// That is so even if the buffer was not filled: the end of the stream may have
// arrived together with the last bytes, and the poller, which tells each arrival
// once, would not tell of it again. A shift knows another way.
func (r *reader) receive(b []byte, full bool) (more bool) {
	r.err = r.take(b)
	return r.c.shift == nil || r.c.shift.received(full)
}

// take handles one piece of the stream.
func (r *reader) take(b []byte) error {
	if err := r.feed(b); err != nil {
		return err
	}
	r.h.Idle()
	if r.c.closed() {
		return errStopped
	}
	return nil
}

// ready reads and handles what has arrived. It returns false to be called
// again when more has, and true when r.err tells the end.
func (r *reader) ready(fd uintptr) bool {
	buf := mediumBuffers.Get().(*[mediumBuffer]byte)
	defer mediumBuffers.Put(buf)
	for more := true; more && r.err == nil; {
		n, wait, err := readNow(fd, buf[:])
		switch {
		case wait:
			return false
		case err != nil:
			r.err = r.c.opError("read", err)
		case n == 0:
			r.err = io.EOF
		default:
			more = r.receive(buf[:n], n == len(buf))
		}
	}
	return r.err != nil
}

// runBlocking waits with a small buffer and goes on with a large one only
// while the small one was filled.
func (r *reader) runBlocking() error {
	park := make([]byte, parkBuffer)
	for {
		n, err := r.read(park)
		if err != nil {
			return err
		}
		if n == len(park) {
			buf := mediumBuffers.Get().(*[mediumBuffer]byte)
			for n = len(buf); n == len(buf) && err == nil; {
				n, err = r.read(buf[:])
			}
			mediumBuffers.Put(buf)
			if err != nil {
				return err
			}
		}
	}
}

// read reads once from the net.Conn and handles what came.
func (r *reader) read(b []byte) (int, error) {
	n, err := r.c.nc.Read(b)
	if n > 0 {
		if err := r.take(b[:n]); err != nil {
			return n, err
		}
	}
	return n, err
}
