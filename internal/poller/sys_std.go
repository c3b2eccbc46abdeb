//go:build unix && (!linux || race || msan || asan)

package poller

import "syscall"

// The package syscall tells the detectors of races and of wrong memory what is
// read and written, which the raw calls would hide from them.

func sysRead(fd uintptr, b []byte) (int, error) { return syscall.Read(int(fd), b) }

func sysWrite(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
