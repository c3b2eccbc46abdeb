//go:build !android

package uring

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A Ring collects sends and hands them to the kernel together. One goroutine
// at a time may use it.
type Ring struct {
	fd      uintptr
	regions [][]byte // shared with the kernel
	sqTail  *uint32
	sqMask  uint32
	sqes    []sqe
	cqHead  *uint32
	cqTail  *uint32
	cqMask  uint32
	cqes    []cqe
	tail    uint32 // of sqes, of which the kernel does not know yet
	sends   []send
}

// A send is one that was collected. It keeps its bytes, and has them on the
// heap, where they stay while the kernel reads them.
type send struct {
	b   []byte
	res int32 // bytes that the kernel took, or the negated error number
}

// What linux/io_uring.h calls io_uring_sqe, io_uring_cqe and io_uring_params.
type (
	sqe struct {
		opcode, flags uint8
		ioprio        uint16
		fd            int32
		off, addr     uint64
		len, msgFlags uint32
		userData      uint64
		_             [3]uint64
	}
	cqe struct {
		userData uint64
		res      int32
		flags    uint32
	}
	params struct {
		sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFd uint32
		_                                                                      [3]uint32
		sq                                                                     struct {
			head, tail, mask, entries, flags, dropped, array, _ uint32
			_                                                   uint64
		}
		cq struct {
			head, tail, mask, entries, overflow, cqes, flags, _ uint32
			_                                                   uint64
		}
	}
)

const (
	sysSetup, sysEnter = 425, 426

	// coopTaskrun says that nobody need be interrupted for a result. A kernel
	// that does not know it, before 5.19, refuses.
	coopTaskrun = 1 << 8
	getEvents   = 1 << 0
	opSend      = 26

	offSQ, offCQ, offSQEs = 0, 0x8000000, 0x10000000
)

// Results of sends that a broken ring has not done, and of those of which
// nobody knows.
const (
	notDone = -int32(syscall.EAGAIN)
	unknown = -int32(syscall.ECANCELED)
)

// New makes a ring for up to n sends at once; n is a power of two. Its errors
// are ErrUnsupported.
func New(n int) (*Ring, error) {
	p := params{flags: coopTaskrun}
	fd, _, errno := syscall.Syscall(sysSetup, uintptr(n), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("%w: io_uring_setup: %w", ErrUnsupported, errno)
	}
	r := &Ring{fd: fd, sends: make([]send, 0, n)}
	if err := r.share(&p); err != nil {
		r.Close()
		return nil, fmt.Errorf("%w: mmap: %w", ErrUnsupported, err)
	}
	return r, nil
}

// share maps the queues.
func (r *Ring) share(p *params) error {
	sq, err := r.region(offSQ, int(p.sq.array+4*p.sqEntries))
	if err != nil {
		return err
	}
	cq, err := r.region(offCQ, int(p.cq.cqes)+int(p.cqEntries)*int(unsafe.Sizeof(cqe{})))
	if err != nil {
		return err
	}
	sqes, err := r.region(offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})))
	if err != nil {
		return err
	}
	word := func(b []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }
	r.sqTail, r.sqMask = word(sq, p.sq.tail), *word(sq, p.sq.mask)
	r.cqHead, r.cqTail, r.cqMask = word(cq, p.cq.head), word(cq, p.cq.tail), *word(cq, p.cq.mask)
	r.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&sqes[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&cq[p.cq.cqes])), p.cqEntries)
	for i, slots := 0, unsafe.Slice(word(sq, p.sq.array), p.sqEntries); i < len(slots); i++ {
		slots[i] = uint32(i) // entries are used in turn
	}
	return nil
}

func (r *Ring) region(offset int64, size int) ([]byte, error) {
	b, err := syscall.Mmap(int(r.fd), offset, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_POPULATE)
	if err == nil {
		r.regions = append(r.regions, b)
	}
	return b, err
}

// Close frees the ring, which must not be used any more.
func (r *Ring) Close() {
	for _, b := range r.regions {
		_ = syscall.Munmap(b)
	}
	r.regions = nil
	_ = syscall.Close(int(r.fd))
}

// Send collects a send of b, which is not empty, to the socket fd. Both must
// stay what they are until Submit has returned. No more may be collected than
// the ring was made for.
func (r *Ring) Send(fd int32, b []byte) {
	r.sqes[r.tail&r.sqMask] = sqe{
		opcode: opSend, fd: fd, addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), len: uint32(len(b)),
		msgFlags: syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL, userData: uint64(len(r.sends)),
	}
	r.tail++
	r.sends = append(r.sends, send{b, unknown})
}

// Submit does what was collected. An error means that the ring is broken: it
// must be closed, once the results were looked at.
func (r *Ring) Submit() error {
	atomic.StoreUint32(r.sqTail, r.tail)
	for todo, left := len(r.sends), len(r.sends); left > 0; {
		// A raw call does not tell the scheduler: nothing in it waits.
		took, _, errno := syscall.RawSyscall6(sysEnter, r.fd, uintptr(todo), uintptr(left), getEvents, 0, 0)
		switch errno {
		case 0:
			todo -= int(took)
		case syscall.EINTR:
		default:
			for i := len(r.sends) - todo; i < len(r.sends); i++ {
				r.sends[i].res = notDone
			}
			return fmt.Errorf("uring: io_uring_enter: %w", errno)
		}
		left -= r.reap()
	}
	return nil
}

// reap takes the results that there are.
func (r *Ring) reap() (n int) {
	head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail)
	for ; head != tail; head++ {
		c := &r.cqes[head&r.cqMask]
		r.sends[c.userData].res = c.res
		n++
	}
	atomic.StoreUint32(r.cqHead, head)
	return n
}

// Result returns what became of the send number i: how many bytes the kernel
// took, none if it would have to wait, or the error number.
func (r *Ring) Result(i int) (n int, err error) {
	switch res := r.sends[i].res; {
	case res >= 0:
		return int(res), nil
	case res == notDone, res == -int32(syscall.EINTR):
		return 0, nil
	default:
		return 0, syscall.Errno(-res)
	}
}

// Reset forgets all sends and their results.
func (r *Ring) Reset() {
	clear(r.sends)
	r.sends = r.sends[:0]
}
