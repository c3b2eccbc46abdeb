package main

import (
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/roomwire/roomwire/bench/report"
)

// newSession notes the conditions.
func newSession(o options) report.Session {
	return report.Session{
		Started:  time.Now().UTC().Truncate(time.Second),
		Command:  strings.Join(append([]string{"go run ./bench"}, os.Args[1:]...), " "),
		Rounds:   o.rounds,
		Pinned:   !o.unpinned,
		CPU:      cpuModel(),
		Cores:    runtime.NumCPU(),
		Kernel:   firstLine("/proc/sys/kernel/osrelease"),
		Go:       runtime.Version(),
		Versions: map[string]string{},
	}
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	_, after, ok := strings.Cut(string(b), "model name")
	if !ok {
		return runtime.GOARCH
	}
	after, _, _ = strings.Cut(after, "\n")
	return strings.TrimLeft(after, "\t :")
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return runtime.GOOS
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}
