package poller

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/roomwire/roomwire/internal/stack"
)

const (
	// events is how many connections are told of by one call of the kernel.
	// After as many the leader lets others run.
	events = 128
	// patience is how long the leader may be with one connection before
	// another goroutine takes over, and up to twice that.
	patience = 10 * time.Millisecond

	epollET   = 1 << 31
	hungUp    = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	toRead    = syscall.EPOLLIN | hungUp
	firstMask = syscall.EPOLLIN | syscall.EPOLLRDHUP | epollET
)

// A loop is connections that share a leader. It begins with its first
// connection and is over with its last.
type loop struct {
	p    *Poller
	ep   int
	file *os.File // ep, as the runtime waits for it
	raw  syscall.RawConn
	ask  func(fd uintptr) bool // arrived, bound once: binding it allocates

	// The leader's alone.
	found [events]syscall.EpollEvent
	hurry bool // ask is not to wait

	mu     sync.Mutex
	over   bool
	leader *leader
	conns  []*Conn // by descriptor, which are small numbers
	live   int     // of conns that are there
	n, at  int     // of found: how many there are, and the next
	turns  []*Conn // have read enough for a while, and go on now
	later  []*Conn // and those that go on after what is found next

	clock    *time.Timer // looks whether the leader gets on
	watching bool        // clock is set
	steps    uint        // how many connections were read
	seen     uint        // steps when the clock last looked
}

// A leader reads the connections of a loop, until another is the leader.
type leader struct {
	l    *loop
	with *Conn // that is being read; under loop.mu
}

// errOver is what comes too late for a loop.
var errOver = errors.New("poller: loop is over")

func newLoop(p *Poller) (*loop, error) {
	ep, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(ep, true); err != nil { // or package os would not poll it
		_ = syscall.Close(ep)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &loop{p: p, ep: ep, file: os.NewFile(uintptr(ep), "epoll")}
	l.ask = l.arrived
	if err = l.file.SetReadDeadline(time.Time{}); err == nil {
		l.raw, err = l.file.SyscallConn()
	}
	if err != nil {
		_ = l.file.Close()
		return nil, err
	}
	l.clock = time.AfterFunc(patience, l.look)
	l.clock.Stop()
	return l, nil
}

// add makes c one of the connections.
func (l *loop) add(c *Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return errOver
	}
	ev := syscall.EpollEvent{Events: firstMask, Fd: c.fd}
	if err := syscall.EpollCtl(l.ep, syscall.EPOLL_CTL_ADD, int(c.fd), &ev); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	if n := int(c.fd) + 1 - len(l.conns); n > 0 {
		l.conns = append(l.conns, make([]*Conn, n)...)
	}
	l.conns[c.fd] = c
	l.live++
	if l.leader == nil {
		l.lead()
	}
	return nil
}

// remove forgets c, whose descriptor is closed after that: the kernel may give
// its number to another connection at once.
func (l *loop) remove(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c.fd] = nil
	if l.live--; l.live == 0 {
		l.over = true
		l.clock.Stop()
		_ = l.file.SetReadDeadline(time.Unix(1, 0)) // wakes the leader
	}
}

// lead makes a new goroutine the leader. mu is held.
func (l *loop) lead() {
	d := &leader{l: l}
	l.leader = d
	l.p.run(d.work)
}

// work is the goroutine of a leader.
func (d *leader) work() {
	stack.Large()
	buf := buffers.Get().(*[buffer]byte)
	defer buffers.Put(buf)
	for {
		c, leads := d.next()
		switch {
		case !leads:
			return
		case c != nil:
			c.read(buf[:], d)
		case !d.find():
			_ = d.l.file.Close()
			return
		}
	}
}

// next returns a connection to read, or nil, and whether d leads.
func (d *leader) next() (c *Conn, leads bool) {
	l := d.l
	l.mu.Lock()
	defer l.mu.Unlock()
	d.with = nil
	if l.leader != d {
		return nil, false
	}
	for d.with == nil && l.at < l.n {
		ev := &l.found[l.at]
		l.at++
		// A descriptor that was closed since is not there, or is that of
		// another connection, which will find nothing to read.
		if c := l.conns[ev.Fd]; c != nil && c.told(ev.Events) {
			d.with = c
		}
	}
	if n := len(l.turns); d.with == nil && n > 0 {
		d.with = l.turns[n-1]
		l.turns[n-1] = nil // so that a closed connection is not kept
		l.turns = l.turns[:n-1]
	}
	l.steps++
	return d.with, true
}

// find waits until some connections have something to read. It returns false
// if that will not be.
func (d *leader) find() bool {
	l := d.l
	l.mu.Lock()
	l.turns, l.later = l.later, l.turns[:0]
	over := l.over && len(l.turns) == 0
	l.hurry = len(l.turns) > 0 || l.n == len(l.found)
	l.n, l.at = 0, 0
	l.mu.Unlock()
	if over {
		return false
	}
	if l.hurry {
		runtime.Gosched()
	}
	_ = l.raw.Read(l.ask) // an error is the deadline that remove set
	return true
}

// arrived asks the kernel who has something to read, without waiting. It
// returns false to be called again when somebody has.
func (l *loop) arrived(fd uintptr) bool {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&l.found)), events, 0, 0, 0)
	if errno != 0 {
		return errno == syscall.EINTR // which the leader asks again after
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n = int(n)
	if n > 0 && !l.watching {
		l.watch()
	}
	return n > 0 || l.hurry
}

// leave puts off the rest of what c has to read, if d still leads.
func (d *leader) leave(c *Conn) bool {
	l := d.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader != d {
		return false
	}
	l.later = append(l.later, c)
	return true
}

// blocked makes another the leader if the one that there is reads c.
func (l *loop) blocked(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader.with == c {
		l.lead()
	}
}

// watch looks from time to time whether the leader gets on, until it rests. mu
// is held.
func (l *loop) watch() {
	l.watching = true
	l.clock.Reset(patience)
}

func (l *loop) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	still := l.steps == l.seen
	l.seen = l.steps
	l.watching = false
	switch {
	case l.over || still && l.leader.with == nil:
		return
	case still:
		l.lead()
	}
	l.watch()
}
