package load

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// epollLoop steps all connections from one goroutine with non-blocking sockets:
// one read system call per readable socket into one shared buffer.
type epollLoop struct {
	ep     int
	family int
	addr   syscall.Sockaddr
	links  []*epollLink // by descriptor
	gen    int32
	events [256]syscall.EpollEvent
	buf    [64 << 10]byte
}

type epollLink struct {
	loop       *epollLoop
	r          receiver
	fd         int
	gen        int32
	connecting bool
	paused     bool
	watching   uint32
	out        []byte
	err        error // the reason to close that write found
}

func newFastLoop(addr *net.TCPAddr) (loop, error) {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	l := &epollLoop{ep: ep}
	if ip := addr.IP.To4(); ip != nil {
		l.family, l.addr = syscall.AF_INET, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	} else {
		l.family, l.addr = syscall.AF_INET6, &syscall.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP.To16())}
	}
	return l, nil
}

func (l *epollLoop) dial(r receiver) link {
	k := &epollLink{loop: l, r: r, fd: -1, connecting: true}
	fd, err := syscall.Socket(l.family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		k.err = os.NewSyscallError("socket", err)
		r.closed(k.err)
		return k
	}
	l.gen++
	k.fd, k.gen = fd, l.gen
	for len(l.links) <= fd {
		l.links = append(l.links, nil)
	}
	l.links[fd] = k
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	err = syscall.Connect(fd, l.addr)
	if err != nil && err != syscall.EINPROGRESS {
		k.fail(os.NewSyscallError("connect", err))
		return k
	}
	k.watch(syscall.EPOLL_CTL_ADD, syscall.EPOLLOUT)
	return k
}

func (l *epollLoop) step(wait time.Duration) error {
	ms := int(wait / time.Millisecond)
	n, err := syscall.EpollWait(l.ep, l.events[:], ms)
	if err == syscall.EINTR {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("epoll_wait", err)
	}
	for i := range n {
		ev := &l.events[i]
		k := l.links[ev.Fd]
		// A descriptor may have been closed and used again within this batch.
		if k == nil || k.gen != ev.Pad {
			continue
		}
		k.handle(ev.Events)
	}
	return nil
}

func (l *epollLoop) close() {
	for _, k := range l.links {
		if k != nil {
			k.close()
		}
	}
	_ = syscall.Close(l.ep)
}

func (k *epollLink) handle(ev uint32) {
	if k.connecting {
		k.finishConnect()
		return
	}
	if ev&syscall.EPOLLOUT != 0 && !k.drain() {
		return
	}
	switch {
	case k.paused && ev&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0:
		k.fail(io.EOF) // what is left to read does not matter
	case k.paused:
	case ev&(syscall.EPOLLIN|syscall.EPOLLHUP|syscall.EPOLLERR) != 0:
		k.read()
	}
}

func (k *epollLink) pause() {
	k.paused = true
	k.rewatch()
}

func (k *epollLink) resume() {
	k.paused = false
	k.rewatch()
}

// rewatch asks for what the link waits for now.
func (k *epollLink) rewatch() {
	if k.fd < 0 || k.connecting {
		return
	}
	var events uint32
	if !k.paused {
		events = syscall.EPOLLIN
	}
	if len(k.out) > 0 {
		events |= syscall.EPOLLOUT
	}
	k.watch(syscall.EPOLL_CTL_MOD, events)
}

func (k *epollLink) finishConnect() {
	code, err := syscall.GetsockoptInt(k.fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	if err != nil {
		k.fail(os.NewSyscallError("connect", err))
		return
	}
	k.connecting = false
	k.rewatch()
	k.r.opened()
}

func (k *epollLink) read() {
	b := &k.loop.buf
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(k.fd), uintptr(unsafe.Pointer(b)), uintptr(len(b)))
	switch {
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
	case errno != 0:
		k.fail(os.NewSyscallError("read", errno))
	case n == 0:
		k.fail(io.EOF)
	default:
		k.r.received(b[:n])
	}
}

func (k *epollLink) write(b []byte) {
	if k.fd < 0 || k.err != nil {
		return
	}
	if len(k.out) == 0 && !k.connecting {
		b = b[k.send(b):]
	}
	if len(b) == 0 || k.err != nil {
		return
	}
	if len(k.out)+len(b) > maxUnsent {
		k.later(errUnsent)
		return
	}
	k.out = append(k.out, b...)
	k.rewatch()
}

// send writes what the kernel takes and returns how much that was.
func (k *epollLink) send(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(k.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno == 0 {
		return int(n)
	}
	if errno != syscall.EAGAIN && errno != syscall.EINTR {
		k.later(os.NewSyscallError("write", errno))
	}
	return 0
}

// drain sends what waits; it reports whether the link still lives.
func (k *epollLink) drain() bool {
	k.out = k.out[k.send(k.out):]
	if k.err != nil {
		k.fail(k.err)
		return false
	}
	if len(k.out) == 0 {
		k.out = nil
		k.rewatch()
	}
	return true
}

// later closes the link from the next step, because write is called from inside
// callbacks that do not expect closed to run under them. The shut-down socket
// becomes readable, and reading it ends the link.
func (k *epollLink) later(err error) {
	k.err = err
	_ = syscall.Shutdown(k.fd, syscall.SHUT_RDWR)
}

func (k *epollLink) watch(op int, events uint32) {
	if op == syscall.EPOLL_CTL_MOD && k.watching == events {
		return
	}
	k.watching = events
	ev := syscall.EpollEvent{Events: events, Fd: int32(k.fd), Pad: k.gen}
	if err := syscall.EpollCtl(k.loop.ep, op, k.fd, &ev); err != nil {
		k.err = fmt.Errorf("load: watching a socket: %w", err)
	}
}

func (k *epollLink) fail(err error) {
	if k.fd < 0 {
		return
	}
	if k.err != nil {
		err = k.err
	}
	k.close()
	k.r.closed(err)
}

func (k *epollLink) close() {
	if k.fd < 0 {
		return
	}
	k.loop.links[k.fd] = nil
	_ = syscall.Close(k.fd)
	k.fd, k.out = -1, nil
}
