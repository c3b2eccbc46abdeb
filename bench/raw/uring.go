//go:build linux

package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A ring is as much of io_uring(7) as batched sends need. It belongs to one
// goroutine at a time.
type ring struct {
	fd           int
	sqTail       *uint32
	sqMask       uint32
	sqes         []sqe
	cqHead       *uint32
	cqTail       *uint32
	cqMask       uint32
	cqes         []cqe
	tail, queued uint32
	short        int // sends that the kernel did not take whole
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
	ringParams struct {
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
	sysRingSetup, sysRingEnter = 425, 426
	enterGetEvents             = 1 << 0
	opSend                     = 26
	ringEntries                = 256

	// How the ring is set up: completions are handled in io_uring_enter only
	// (SINGLE_ISSUER|DEFER_TASKRUN needs that one thread enters), or when the
	// task enters the kernel anyway (COOP_TASKRUN).
	oneIssuer = 1<<12 | 1<<13
	anyIssuer = 1 << 8

	offSQRing, offCQRing, offSQEs = 0, 0x8000000, 0x10000000
)

func newRing(entries, flags uint32) (*ring, error) {
	p := ringParams{flags: flags}
	fd, _, errno := syscall.Syscall(sysRingSetup, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: errno %d: %w", int(errno), errno)
	}
	r := &ring{fd: int(fd)}
	sq, err := r.mapped(offSQRing, int(p.sq.array+4*p.sqEntries))
	if err != nil {
		return nil, err
	}
	cq, err := r.mapped(offCQRing, int(p.cq.cqes)+int(p.cqEntries)*int(unsafe.Sizeof(cqe{})))
	if err != nil {
		return nil, err
	}
	sqes, err := r.mapped(offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})))
	if err != nil {
		return nil, err
	}
	word := func(b []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }
	r.sqTail, r.sqMask = word(sq, p.sq.tail), *word(sq, p.sq.mask)
	r.cqHead, r.cqTail, r.cqMask = word(cq, p.cq.head), word(cq, p.cq.tail), *word(cq, p.cq.mask)
	r.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&sqes[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&cq[p.cq.cqes])), p.cqEntries)
	for i, slots := uint32(0), unsafe.Slice(word(sq, p.sq.array), p.sqEntries); i < p.sqEntries; i++ {
		slots[i] = i
	}
	return r, nil
}

func (r *ring) mapped(offset int64, size int) ([]byte, error) {
	b, err := syscall.Mmap(r.fd, offset, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_POPULATE)
	return b, os.NewSyscallError("mmap of the ring", err)
}

// send queues b for fd; b must stay as it is until flush. A full ring flushes.
func (r *ring) send(fd int, b []byte) {
	if r.queued == uint32(len(r.sqes)) {
		r.flush()
	}
	r.sqes[r.tail&r.sqMask] = sqe{
		opcode: opSend, fd: int32(fd), addr: uint64(uintptr(unsafe.Pointer(&b[0]))), len: uint32(len(b)),
		msgFlags: syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL, userData: uint64(len(b)),
	}
	r.tail++
	r.queued++
}

// flush sends all that is queued with one system call, and looks at each result:
// a server has to know what the kernel did not take.
func (r *ring) flush() {
	if r.queued == 0 {
		return
	}
	atomic.StoreUint32(r.sqTail, r.tail)
	for todo, done := r.queued, uint32(0); done < r.queued; {
		n, _, errno := syscall.RawSyscall6(sysRingEnter, uintptr(r.fd), uintptr(todo), uintptr(r.queued-done), enterGetEvents, 0, 0)
		if errno != 0 && errno != syscall.EINTR && errno != syscall.EAGAIN {
			panic(fmt.Sprintf("io_uring_enter: errno %d", int(errno)))
		}
		if errno == 0 {
			todo -= uint32(n)
		}
		done += r.reap()
	}
	r.queued = 0
}

func (r *ring) reap() (n uint32) {
	head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail)
	for ; head != tail; head++ {
		if c := &r.cqes[head&r.cqMask]; c.res != int32(c.userData) {
			r.short++
		}
		n++
	}
	atomic.StoreUint32(r.cqHead, head)
	return n
}
