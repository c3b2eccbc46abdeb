package ws

import (
	"errors"
	"io"
	"net"
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
	if !c.begin() {
		if c.closed() {
			return c.opError("read", net.ErrClosed)
		}
		return errServed
	}
	defer c.end()
	r := &reader{c: c, h: h}
	err := r.run()
	r.drop()
	if c.closed() && (errors.Is(err, errStopped) || isNetError(err)) {
		return c.opError("read", net.ErrClosed)
	}
	return err
}

// errStopped ends the reading of a connection that was closed here.
var errStopped = errors.New("ws: stopped")

func isNetError(err error) bool {
	var ne net.Error
	return err == io.EOF || errors.As(err, &ne)
}

func (r *reader) run() error {
	if early := r.c.early; len(early) > 0 {
		r.c.early = nil
		if err := r.take(early); err != nil {
			return err
		}
	}
	if r.c.raw == nil {
		return r.runBlocking()
	}
	// One Read for the life of the connection: the goroutine is parked in it
	// whenever ready returns false.
	if err := r.c.raw.Read(r.ready); err != nil && r.err == nil {
		return err
	}
	return r.err
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
//
// It reads until the kernel has nothing left, even after a read that did not
// fill the buffer: the end of the stream may have arrived together with the
// last bytes, and the poller, which tells each arrival once, would not tell of
// it again.
func (r *reader) ready(fd uintptr) bool {
	buf := mediumBuffers.Get().(*[mediumBuffer]byte)
	for r.err == nil {
		n, wait, err := readNow(fd, buf[:])
		switch {
		case wait:
			mediumBuffers.Put(buf)
			return false
		case err != nil:
			r.err = r.c.opError("read", err)
		case n == 0:
			r.err = io.EOF
		default:
			r.err = r.take(buf[:n])
		}
	}
	mediumBuffers.Put(buf)
	return true
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
