package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// ProcessCPU returns the user and system CPU time that the process has used so
// far, all threads, by the kernel's nanosecond clock of that process.
func ProcessCPU(pid int) (time.Duration, error) {
	const wholeProcessBySched = 2
	clock := ^pid<<3 | wholeProcessBySched
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("load: CPU clock of process %d: %w", pid, errno)
	}
	return time.Duration(ts.Nano()), nil
}

// ProcessRSS returns the resident memory of the process in bytes.
func ProcessRSS(pid int) (int64, error) { return processMemory(pid, "VmRSS:") }

// ProcessPeakRSS returns the most resident memory that the process ever had, in bytes.
func ProcessPeakRSS(pid int) (int64, error) { return processMemory(pid, "VmHWM:") }

func processMemory(pid int, field string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("load: memory of process %d: %w", pid, err)
	}
	_, after, _ := bytes.Cut(b, []byte(field))
	fields := bytes.Fields(after)
	if len(fields) < 1 {
		return 0, fmt.Errorf("load: process %d has no resident memory", pid)
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib << 10, err
}
