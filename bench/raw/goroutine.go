//go:build linux

package main

import (
	"net"
	"sync"
	"syscall"
	"unsafe"
)

// serveGoroutines is the server as Go programs are written: a goroutine per
// connection, which the runtime's poller wakes. They hold no buffer while they
// wait. One lock keeps what they share; a broadcast is sent under it.
func (s *server) serveGoroutines(addr string) error {
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	ready(l.Addr().String())
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go s.serveConn(nc.(*net.TCPConn))
	}
}

var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

func (s *server) serveConn(nc *net.TCPConn) {
	defer nc.Close()
	rc, err := nc.SyscallConn()
	if err != nil {
		return
	}
	c := &conn{}
	over := false
	// ready is called when there may be something to read; false: park again.
	ready := func(fd uintptr) bool {
		c.fd = int(fd)
		b := buffers.Get().(*[64 << 10]byte)
		defer buffers.Put(b)
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(b)), uintptr(len(b)))
		switch {
		case errno == syscall.EAGAIN || errno == syscall.EINTR:
			return errno == syscall.EINTR
		case errno != 0 || n == 0:
			over = true
		default:
			s.mu.Lock()
			s.received(c, b[:n])
			s.flush()
			s.mu.Unlock()
		}
		return true
	}
	for !over && rc.Read(ready) == nil {
	}
	s.mu.Lock()
	s.forget(c)
	s.mu.Unlock()
}
