package poller

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A slow is what a connection needs that somebody waits for.
type slow struct {
	mu       sync.Mutex
	changed  chan struct{} // closed when something has happened; nil: nobody waits
	read     time.Time     // deadlines
	write    time.Time
	reads    bool // somebody waits in Read, not only in Write
	watching bool // the kernel tells when it takes more
}

// Write writes all of b, and waits as long as the deadline allows.
func (c *Conn) Write(b []byte) (n int, err error) {
	for {
		s := c.patient()
		by, changed := s.listen(&s.write, false)
		if err := c.tellWritable(s); err != nil {
			return n, c.opError("write", err)
		}
		if expired(by) {
			return n, c.opError("write", os.ErrDeadlineExceeded)
		}
		m, err := c.TryWrite(b[n:])
		if n += m; err != nil || n == len(b) {
			if err != nil {
				err = c.opError("write", err)
			}
			return n, err
		}
		await(by, changed)
	}
}

// Read reads once, and waits as long as the deadline allows.
func (c *Conn) Read(b []byte) (int, error) {
	for {
		s := c.patient()
		by, changed := s.listen(&s.read, true)
		if expired(by) {
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		}
		n, wait, err := c.tryRead(b)
		switch {
		case wait:
			await(by, changed)
		case n == 0 && err == nil && len(b) > 0:
			return 0, io.EOF
		default:
			return n, err
		}
	}
}

// patient returns what the connection needs to be waited for.
func (c *Conn) patient() *slow {
	if s := c.slow.Load(); s != nil {
		return s
	}
	c.slow.CompareAndSwap(nil, new(slow))
	return c.slow.Load()
}

// tellWritable has the kernel tell when it takes more.
func (c *Conn) tellWritable(s *slow) error {
	if !c.use() {
		return net.ErrClosed
	}
	defer c.used() // without s.mu, as it may be the last
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watching {
		return nil
	}
	ev := syscall.EpollEvent{Events: firstMask | syscall.EPOLLOUT, Fd: c.fd}
	if err := syscall.EpollCtl(c.loop.ep, syscall.EPOLL_CTL_MOD, int(c.fd), &ev); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	s.watching = true
	return nil
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline bounds Read, also one that waits already.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(t, func(s *slow) *time.Time { return &s.read })
}

// SetWriteDeadline bounds Write, also one that waits already.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(t, func(s *slow) *time.Time { return &s.write })
}

func (c *Conn) setDeadline(t time.Time, which func(*slow) *time.Time) error {
	if c.uses.Load()&closed != 0 {
		return c.opError("set", net.ErrClosed)
	}
	if t.IsZero() && c.slow.Load() == nil {
		return nil // nobody ever waited
	}
	s := c.patient()
	s.mu.Lock()
	*which(s) = t
	s.mu.Unlock()
	s.signal()
	return nil
}

// listen returns a deadline and what is closed when it is time to look again.
func (s *slow) listen(deadline *time.Time, read bool) (by time.Time, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = s.reads || read
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return *deadline, s.changed
}

// told is signal for an event of the kernel. A peer that sends much and reads
// nothing is no news for who waits to write.
func (s *slow) told(ev uint32) {
	s.mu.Lock()
	news := s.reads || ev&(syscall.EPOLLOUT|hungUp) != 0
	s.mu.Unlock()
	if news {
		s.signal()
	}
}

// signal lets those look again who wait.
func (s *slow) signal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != nil {
		close(s.changed)
		s.changed, s.reads = nil, false
	}
}

func expired(by time.Time) bool { return !by.IsZero() && !time.Now().Before(by) }

// await waits for changed, or until the time by.
func await(by time.Time, changed <-chan struct{}) {
	if by.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(by))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}
