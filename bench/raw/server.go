//go:build linux

package main

import (
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// server is what all modes share, and the epoll loop with its connections by
// descriptor.
type server struct {
	all    []*conn // those whose WebSocket is open
	rooms  map[string][]*conn
	frames frames
	ring   *ring // nil: sends are write(2)
	out    []byte

	ep, lis int
	conns   []*conn
	events  [256]syscall.EpollEvent
	buf     [64 << 10]byte

	mu sync.Mutex // of the goroutine modes, for all above
}

// conn is one connection. A request or frame that comes in two reads is not
// understood: the load writes small messages whole, and the loopback keeps them.
type conn struct {
	fd    int
	open  bool
	rooms []string
}

// listen opens the listener and the epoll of the epoll modes.
func (s *server) listen(addr string) error {
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	s.lis, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	_ = syscall.SetsockoptInt(s.lis, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(s.lis, &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := syscall.Listen(s.lis, 4096); err != nil {
		return os.NewSyscallError("listen", err)
	}
	if s.ep, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	return s.watch(s.lis)
}

// addr is where it listens.
func (s *server) addr() string {
	sa, err := syscall.Getsockname(s.lis)
	if v4, ok := sa.(*syscall.SockaddrInet4); ok && err == nil {
		return (&net.TCPAddr{IP: v4.Addr[:], Port: v4.Port}).String()
	}
	return "?"
}

func (s *server) watch(fd int) error {
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(s.ep, syscall.EPOLL_CTL_ADD, fd, &ev))
}

// serveEpoll is the whole server in one thread.
func (s *server) serveEpoll(addr string) error {
	if err := s.listen(addr); err != nil {
		return err
	}
	ready(s.addr())
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(s.ep),
			uintptr(unsafe.Pointer(&s.events)), uintptr(len(s.events)), ^uintptr(0), 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return os.NewSyscallError("epoll_pwait", errno)
		}
		for i := range int(n) {
			if fd := int(s.events[i].Fd); fd == s.lis {
				s.accept()
			} else if c := s.conns[fd]; c != nil {
				s.read(c)
			}
		}
		s.flush()
	}
}

func (s *server) accept() {
	for {
		fd, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(s.lis), 0, 0,
			syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
		if errno != 0 {
			return
		}
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		for len(s.conns) <= int(fd) {
			s.conns = append(s.conns, nil)
		}
		s.conns[fd] = &conn{fd: int(fd)}
		if s.watch(int(fd)) != nil {
			_ = syscall.Close(int(fd))
			s.conns[fd] = nil
		}
	}
}

func (s *server) read(c *conn) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&s.buf)), uintptr(len(s.buf)))
	switch {
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
	case errno != 0 || n == 0:
		s.forget(c)
		s.conns[c.fd] = nil
		_ = syscall.Close(c.fd)
	default:
		s.received(c, s.buf[:n])
	}
}

// received takes what one read gave: the request that opens, or frames.
func (s *server) received(c *conn, b []byte) {
	if c.open {
		s.messages(c, b)
		return
	}
	c.open = true
	s.all = append(s.all, c)
	write(c, s.frames.open)
}

// forget ends the use of the connection, whose descriptor may be closed then.
func (s *server) forget(c *conn) {
	s.flush()
	s.all = without(s.all, c)
	for _, r := range c.rooms {
		s.rooms[r] = without(s.rooms[r], c)
	}
}

func without(list []*conn, c *conn) []*conn {
	for i, have := range list {
		if have == c {
			list[i] = list[len(list)-1]
			return list[:len(list)-1]
		}
	}
	return list
}

// send is one write, or a place in the next batch of the ring. b must never change.
func (s *server) send(c *conn, b []byte) {
	if s.ring == nil {
		write(c, b)
		return
	}
	s.ring.send(c.fd, b)
}

// flush has the ring send what waits in it.
func (s *server) flush() {
	if s.ring != nil {
		s.ring.flush()
	}
}

// write is one system call; what the kernel does not take is lost, which the
// load notices because it waits for every delivery.
func write(c *conn, b []byte) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
}
