//go:build !unix

package ws

import "syscall"

// Elsewhere a descriptor cannot be read or written without waiting.
const canRaw = false

func readNow(uintptr, []byte) (n int, wait bool, err error) { return 0, false, syscall.EINVAL }

func tryWrite(syscall.RawConn, []byte) (int, error) { return 0, nil }
