package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

// placement says on which core the server and the load run; -1: anywhere.
type placement struct{ serverCore, loadCore int }

type cpuSet [16]uint64

// pin puts this process, the load, on one core and remembers another for the
// servers. Their runtimes see one core only and choose their threads by it.
func pin() (placement, error) {
	var set cpuSet
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set))); errno != 0 {
		return anywhere, os.NewSyscallError("sched_getaffinity", errno)
	}
	var cores []int
	for i := range len(set) * 64 {
		if set[i/64]&(1<<(i%64)) != 0 {
			cores = append(cores, i)
		}
	}
	if len(cores) < 2 {
		return anywhere, errors.New("pinning needs two cores; -unpinned measures with one")
	}
	place := placement{serverCore: cores[0], loadCore: cores[1]}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return anywhere, err
	}
	for _, t := range threads {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			if err := setCore(tid, place.loadCore); err != nil {
				return anywhere, err
			}
		}
	}
	runtime.GOMAXPROCS(1)
	return place, nil
}

var anywhere = placement{-1, -1}

func setCore(tid, core int) error {
	var set cpuSet
	set[core/64] = 1 << (core % 64)
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(tid), unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if errno != 0 {
		return fmt.Errorf("pinning to core %d: %w", core, errno)
	}
	return nil
}

// startOnServerCore starts cmd from a thread that is on the server's core for
// that moment, because a child inherits the core of the thread that forks it.
func (p placement) startOnServerCore(cmd *exec.Cmd) error {
	if p == anywhere {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := setCore(0, p.serverCore); err != nil {
		return err
	}
	return errors.Join(cmd.Start(), setCore(0, p.loadCore))
}

// endWithParent has the kernel end the process when this one is killed.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// raiseFiles allows this process and its children as many descriptors as the
// system lets them have.
func raiseFiles() (uint64, error) {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	lim.Cur = lim.Max
	return lim.Cur, os.NewSyscallError("setrlimit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim))
}

func isTerminal(f *os.File) bool {
	var state [64]byte
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&state)))
	return errno == 0
}
