//go:build !linux

package main

import (
	"errors"
	"math"
	"os"
	"os/exec"
)

// placement says on which core the server and the load run; -1: anywhere.
type placement struct{ serverCore, loadCore int }

var anywhere = placement{-1, -1}

func pin() (placement, error) {
	return anywhere, errors.New("pinning and the CPU clock of another process need Linux")
}

func (p placement) startOnServerCore(cmd *exec.Cmd) error { return cmd.Start() }

func endWithParent(*exec.Cmd) {}

func raiseFiles() (uint64, error) { return math.MaxUint64, nil }

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
