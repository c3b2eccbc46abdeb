//go:build unix

package ws

import (
	"os"
	"sync"
	"syscall"
)

const canRaw = true

// readNow reads what the kernel has. wait is set if it has nothing.
func readNow(fd uintptr, b []byte) (n int, wait bool, err error) {
	for {
		n, err = sysRead(fd, b)
		switch err {
		case nil:
			return n, false, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, os.NewSyscallError("read", err)
		}
	}
}

// A writeOp is one attempt to write. It is pooled together with its bound
// method, so that an attempt allocates nothing.
type writeOp struct {
	b   []byte
	n   int
	err error
	run func(fd uintptr)
}

var writeOps = sync.Pool{New: func() any {
	op := new(writeOp)
	op.run = op.write
	return op
}}

// tryWrite writes what the kernel takes of b now. It goes through Control: the
// descriptor cannot be closed and used anew meanwhile, but neither a deadline
// nor a writer that waits can delay or refuse it.
func tryWrite(raw syscall.RawConn, b []byte) (int, error) {
	op := writeOps.Get().(*writeOp)
	op.b = b
	op.n, op.err = 0, nil
	err := raw.Control(op.run)
	n := op.n
	if err == nil {
		err = op.err
	}
	op.b, op.err = nil, nil
	writeOps.Put(op)
	return n, err
}

func (op *writeOp) write(fd uintptr) {
	for {
		n, err := sysWrite(fd, op.b)
		switch err {
		case nil:
			op.n = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			op.err = os.NewSyscallError("write", err)
		}
		return
	}
}
