//go:build unix

package ws

import (
	"sync"
	"syscall"

	"github.com/roomwire/roomwire/internal/poller"
)

const canRaw = true

// readNow reads what the kernel has. wait is set if it has nothing.
func readNow(fd uintptr, b []byte) (n int, wait bool, err error) { return poller.Read(fd, b) }

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
	op.run = func(fd uintptr) { op.n, op.err = poller.Write(fd, op.b) }
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
