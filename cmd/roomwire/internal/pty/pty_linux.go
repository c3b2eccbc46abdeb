// Package pty runs a program on a pseudo-terminal, to see and to record what
// it prints for people.
package pty

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Supported reports whether there are pseudo-terminals here.
const Supported = true

// Start starts cmd on a terminal of so many columns and returns the other end
// of it: what is written there is typed, what is read there was printed.
// Reading ends when the program has ended.
func Start(cmd *exec.Cmd, columns int) (io.ReadWriteCloser, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	slave, err := open(int(master.Fd()), columns)
	if err != nil {
		_ = master.Close()
		return nil, fmt.Errorf("pty: %w", err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	_ = slave.Close()
	if err != nil {
		_ = master.Close()
		return nil, err
	}
	return terminal{master}, nil
}

func open(master, columns int) (*os.File, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: uint16(columns)}); err != nil {
		return nil, err
	}
	return os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
}

// A terminal is the other end, at which the end of the program is an I/O error.
type terminal struct{ *os.File }

// Read implements io.Reader.
func (t terminal) Read(b []byte) (int, error) {
	n, err := t.File.Read(b)
	if n == 0 && err != nil {
		return 0, io.EOF
	}
	return n, nil
}
