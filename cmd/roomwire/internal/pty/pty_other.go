//go:build !linux

package pty

import (
	"errors"
	"io"
	"os/exec"
)

// Supported reports whether there are pseudo-terminals here.
const Supported = false

// Start fails.
func Start(*exec.Cmd, int) (io.ReadWriteCloser, error) {
	return nil, errors.New("pty: only on Linux")
}
