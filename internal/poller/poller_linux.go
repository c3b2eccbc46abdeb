package poller

import (
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// buffer is how much is read at once.
const buffer = 16 << 10

var buffers = sync.Pool{New: func() any { return new([buffer]byte) }}

// A Poller reads connections. The zero Poller is ready to use, its methods may
// be called by many goroutines at once. It has goroutines only while it has
// connections.
type Poller struct {
	adopting sync.Mutex // before loop.mu
	loops    []*loop    // one for each core; nil or over: none
	next     int        // of loops

	// No WaitGroup: a connection may come, as the first, while Wait waits.
	mu      sync.Mutex
	running int
	idle    *sync.Cond // nil: nobody waits

	batches batches
}

// Adopt takes over nc, a TCP or Unix connection, or returns nil and leaves it as
// it is. nc itself is closed then, the connection is not. Nothing is read before
// [Conn.Start].
func (p *Poller) Adopt(nc net.Conn) *Conn {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil // which may hide something between it and the descriptor
	}
	fd, err := dup(nc.(syscall.Conn))
	if err != nil {
		return nil
	}
	c := &Conn{fd: fd, local: nc.LocalAddr(), remote: nc.RemoteAddr()}
	c.turn.Store(reading) // until Start
	if err := p.add(c); err != nil {
		_ = syscall.Close(int(fd))
		return nil
	}
	_ = nc.Close()
	return c
}

// add gives c a loop.
func (p *Poller) add(c *Conn) error {
	p.adopting.Lock()
	defer p.adopting.Unlock()
	if p.loops == nil {
		p.loops = make([]*loop, runtime.GOMAXPROCS(0))
	}
	p.next = (p.next + 1) % len(p.loops)
	l := &p.loops[p.next]
	if *l != nil {
		c.loop = *l
		if err := c.loop.add(c); err != errOver {
			return err
		}
	}
	var err error
	if c.loop, err = newLoop(p); err != nil {
		return err
	}
	if err = c.loop.add(c); err != nil {
		_ = c.loop.file.Close()
		return err
	}
	*l = c.loop
	return nil
}

// dup returns a second descriptor of a connection, which the runtime's poller
// does not know of: it would wake somebody for each message.
func dup(nc syscall.Conn) (fd int32, err error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var errno syscall.Errno
	err = raw.Control(func(old uintptr) {
		var n uintptr
		n, _, errno = syscall.RawSyscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		fd = int32(n)
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("dup", errno)
	}
	return fd, err
}

// run runs f on a new goroutine, for which Wait waits.
func (p *Poller) run(f func()) {
	p.mu.Lock()
	p.running++
	p.mu.Unlock()
	go func() {
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.running--; p.running == 0 && p.idle != nil {
				p.idle.Broadcast()
			}
		}()
		f()
	}()
}

// Wait returns when there is no goroutine of the poller: all connections are
// closed, and every Handler has returned. There are no batches after it.
func (p *Poller) Wait() {
	defer p.batches.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = sync.NewCond(&p.mu)
	}
	for p.running > 0 {
		p.idle.Wait()
	}
}
