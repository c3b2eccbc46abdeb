//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomwire/roomwire/bench/load"
)

// startRaw runs the program as a process: its loop waits in system calls that
// the runtime of a test could not interrupt.
func startRaw(t *testing.T, mode string) (url string, pid int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "raw")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(path, "-addr", "127.0.0.1:0", "-mode", mode)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`http://\S+`).FindString(line), cmd.Process.Pid
}

func TestEveryScenarioOfTheLoadIsAnsweredInEveryMode(t *testing.T) {
	uring := canRing(t)
	for _, mode := range []string{"epoll", "goroutine", "epoll-uring", "goroutine-uring"} {
		t.Run(mode, func(t *testing.T) {
			if strings.HasSuffix(mode, "-uring") && uring != nil {
				t.Skip(uring)
			}
			url, pid := startRaw(t, mode)
			for name, c := range map[string]load.Config{
				"fan-out":         {Scenario: load.Fanout, Clients: 300},
				"fan-out backlog": {Scenario: load.Fanout, Clients: 50, Outstanding: 16},
				"echo":            {Scenario: load.Echo, Clients: 50, Outstanding: 16},
				"rooms":           {Scenario: load.Rooms, Clients: 100, Rooms: 10, Outstanding: 2},
				"rooms, except":   {Scenario: load.RoomsExcept, Clients: 100, Rooms: 10},
				"connect":         {Scenario: load.Connect, Clients: 100},
			} {
				measured(t, name, url, pid, c)
			}
		})
	}
}

func TestNetHTTPAloneAnswersTheEchoOverPolling(t *testing.T) {
	url, pid := startRaw(t, "polling")
	measured(t, "echo", url, pid, load.Config{Scenario: load.Echo, Transport: load.Polling, Clients: 20, Outstanding: 4})
}

func measured(t *testing.T, name, url string, pid int, c load.Config) {
	t.Helper()
	c.URL, c.PID = url, pid
	c.Warmup, c.Duration, c.MaxOps = time.Millisecond, time.Minute, 2000
	c.Timeout = 20 * time.Second
	res, err := load.Run(context.Background(), c)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if us, ok := res.CPUPerOp(); !ok || us <= 0 {
		t.Errorf("%s: %v µs per operation", name, us)
	}
}

// canRing returns why io_uring cannot be used here.
func canRing(t *testing.T) error {
	t.Helper()
	r, err := newRing(ringEntries, oneIssuer)
	if err == nil {
		_ = syscall.Close(r.fd)
	}
	return err
}

func TestTheRingSendsMoreThanItHoldsAndCountsWhatWasNotTaken(t *testing.T) {
	if err := canRing(t); err != nil {
		t.Skip(err)
	}
	r, err := newRing(8, anyIssuer)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(r.fd)
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[1])
	var want []byte
	for i := range 30 {
		b := []byte(fmt.Sprintf("%02d,", i))
		want = append(want, b...)
		r.send(pair[0], b)
	}
	r.flush()
	got := make([]byte, len(want)+1)
	if n, err := syscall.Read(pair[1], got); err != nil || string(got[:n]) != string(want) {
		t.Errorf("%q, %v", got[:n], err)
	}
	if r.short != 0 {
		t.Errorf("%d sends fell short", r.short)
	}
	_ = syscall.Close(pair[0])
	r.send(pair[0], want)
	r.flush()
	if r.short != 1 {
		t.Errorf("a send to nowhere is not counted: %d", r.short)
	}
}
