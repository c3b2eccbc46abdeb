package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/roomwire/roomwire/stores/pebble"
)

// childVariable makes this program the process that is to be killed.
const childVariable = "ROOMWIRE_CHECK_CHILD"

// options are those of a store whose tables of memory are so small that
// flushes and compactions are always under way.
func options(fs vfs.FS) *pebble.Options {
	return &pebble.Options{
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), MemTable: 256 << 10, Cache: 4 << 20, FS: fs,
		MinFree: -1, Janitor: 20 * time.Millisecond,
	}
}

// child works in dir until it is killed. It reads its plan from stdin and
// tells its history to stdout, one line and one write for a step: what was
// written is there after the kill.
func child(dir string) error {
	var p plan
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		return err
	}
	s, err := pebble.Open(dir, options(p.Die.on(vfs.Default, func() {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // nothing more happens here
	})))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	return run(context.Background(), s, p, func(st step) {
		b, _ := json.Marshal(st)
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.Write(append(b, '\n'))
	})
}

// killCycle lets a child work in dir for a while, kills it, and verifies what
// is there.
func killCycle(dir string, m *model, r *rand.Rand) (steps int, err error) {
	m.prepare(r)
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(exe, dir)
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	b, _ := json.Marshal(m.plan)
	_, _ = stdin.Write(b)
	_ = stdin.Close()
	in := bufio.NewScanner(stdout)
	// The time runs from the first step on, so that the kill falls into the work.
	var timer *time.Timer
	for in.Scan() {
		if timer == nil {
			timer = time.AfterFunc(time.Duration(r.IntN(80_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
		var s step
		if err := json.Unmarshal(in.Bytes(), &s); err != nil {
			break // cut by the kill
		}
		steps++
		if err2 := m.hear(s); err == nil {
			err = err2
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	switch {
	case timer != nil:
		timer.Stop()
	case m.plan.Die == (fault{}):
		return 0, fmt.Errorf("the child did nothing")
	}
	// The plan is done when the fault came before the time was up.
	if err != nil {
		return steps, err
	}
	return steps, reopen(dir, nil, m)
}

// reopen opens the store as it was left and verifies it.
func reopen(dir string, fs vfs.FS, m *model) error {
	s, err := pebble.Open(dir, options(fs))
	if err != nil {
		return broken("reopen", "%v", err)
	}
	err = m.verify(s)
	if err2 := s.Close(); err == nil {
		err = err2
	}
	return err
}
