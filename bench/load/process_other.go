//go:build !linux

package load

import (
	"errors"
	"time"
)

var errNoProcess = errors.New("load: another process's CPU and memory are read on Linux only")

// ProcessCPU is known on Linux only.
func ProcessCPU(int) (time.Duration, error) { return 0, errNoProcess }

// ProcessRSS is known on Linux only.
func ProcessRSS(int) (int64, error) { return 0, errNoProcess }

// ProcessPeakRSS is known on Linux only.
func ProcessPeakRSS(int) (int64, error) { return 0, errNoProcess }
