package main

import (
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/roomwire/roomwire/bench/report"
)

// newSession notes the conditions, and the order to compare with.
func newSession(o options) (report.Session, error) {
	order, err := orderOf(o.compare)
	return report.Session{
		Started:  time.Now().UTC().Truncate(time.Second),
		Command:  strings.Join(append([]string{"go run ./bench"}, os.Args[1:]...), " "),
		Rounds:   o.rounds,
		Pinned:   !o.unpinned,
		CPU:      cpuModel(),
		Cores:    runtime.NumCPU(),
		Kernel:   firstLine("/proc/sys/kernel/osrelease"),
		Go:       runtime.Version(),
		Next:     o.next,
		Order:    order,
		Versions: map[string]string{},
	}, err
}

// orderOf is the order of the servers in the session of a file, nil without one.
func orderOf(file string) (map[string][]string, error) {
	if file == "" {
		return nil, nil
	}
	_, runs, err := readSession(file)
	if err != nil {
		return nil, err
	}
	order := map[string][]string{}
	for _, o := range report.Orders(runs) {
		order[o.Row.ID] = o.Servers
	}
	return order, nil
}

func readSession(file string) (report.Session, []report.Run, error) {
	f, err := os.Open(file)
	if err != nil {
		return report.Session{}, nil, err
	}
	defer f.Close()
	return report.Read(f)
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
