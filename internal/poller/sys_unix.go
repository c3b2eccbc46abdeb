//go:build unix

package poller

import (
	"os"
	"syscall"
)

// Read reads what the kernel has for a descriptor that does not block. wait is
// set if it has nothing; n is 0 without it at the end.
func Read(fd uintptr, b []byte) (n int, wait bool, err error) {
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

// Write writes what the kernel takes of b to a descriptor that does not block.
func Write(fd uintptr, b []byte) (n int, err error) {
	for {
		n, err = sysWrite(fd, b)
		switch err {
		case nil:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, os.NewSyscallError("write", err)
		}
	}
}
