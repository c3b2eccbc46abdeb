//go:build linux

package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The program is alone in its process group, so that the group tells who is left.
func TestAnInterruptLeavesNothingRunningAndKeepsTheFigures(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bench")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The raw lines go through a pipe: the first run's says when to interrupt.
	out := filepath.Join(dir, "out")
	if err := syscall.Mkfifo(out+".jsonl", 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(out+".jsonl", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	var said strings.Builder
	cmd := exec.Command(bin, "-unpinned", "-quick", "-rounds", "1000", "-servers", "raw", "-rows", "echo-1", "-out", out)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := -cmd.Process.Pid
	defer syscall.Kill(group, syscall.SIGKILL)
	lines := bufio.NewReader(pipe)
	for range 2 { // the session and a run
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // as a shell, make and timeout together may send it
		if err := syscall.Kill(cmd.Process.Pid, syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v, want status 1", err)
	}
	if err := syscall.Kill(group, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("somebody of its process group is left: %v", err)
	}
	if text := said.String(); !strings.Contains(text, "echo, 1 client") || !strings.Contains(text, "interrupted") || strings.Contains(text, "\x1b") {
		t.Errorf("it said %q", text)
	}
}
