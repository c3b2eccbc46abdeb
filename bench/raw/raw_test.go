//go:build linux

package main

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/roomwire/roomwire/bench/load"
)

// startRaw runs the program as a process: its loop waits in system calls that
// the runtime of a test could not interrupt.
func startRaw(t *testing.T) (url string, pid int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "raw")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(path, "-addr", "127.0.0.1:0")
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

func TestEveryScenarioOfTheLoadIsAnswered(t *testing.T) {
	url, pid := startRaw(t)
	for name, c := range map[string]load.Config{
		"fan-out":         {Scenario: load.Fanout, Clients: 50},
		"fan-out backlog": {Scenario: load.Fanout, Clients: 50, Outstanding: 16},
		"echo":            {Scenario: load.Echo, Clients: 50, Outstanding: 16},
		"rooms":           {Scenario: load.Rooms, Clients: 100, Rooms: 10, Outstanding: 2},
		"rooms, except":   {Scenario: load.RoomsExcept, Clients: 100, Rooms: 10},
		"connect":         {Scenario: load.Connect, Clients: 100},
	} {
		c.URL, c.PID = url, pid
		c.Warmup, c.Duration, c.MaxOps = time.Millisecond, time.Minute, 2000
		c.Timeout = 20 * time.Second
		res, err := load.Run(context.Background(), c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if us, ok := res.CPUPerOp(); !ok || us <= 0 || us > 1000 {
			t.Errorf("%s: %v µs per operation", name, us)
		}
	}
}
