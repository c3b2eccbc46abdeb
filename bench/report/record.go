package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/roomwire/roomwire/bench/load"
)

// Session says under which conditions the runs behind it were made. It is the
// first raw line.
type Session struct {
	Started  time.Time         `json:"started"`
	Command  string            `json:"command"` // that repeats the session
	Rounds   int               `json:"rounds"`
	Pinned   bool              `json:"pinned"` // server on one core, load on another
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	Kernel   string            `json:"kernel"`
	Go       string            `json:"go"`
	Versions map[string]string `json:"versions"` // by server
	// Next says that the servers are those of the list Next.
	Next bool `json:"next,omitempty"`
	// Order is that of another session, by row, the cheapest server first.
	Order map[string][]string `json:"order_elsewhere,omitempty"`
}

// Run is one raw line: one fresh server under one row's load.
type Run struct {
	Round   int          `json:"round"` // from 1
	Row     string       `json:"row"`
	Server  string       `json:"server"`
	At      time.Time    `json:"at"`
	Value   float64      `json:"value"` // the row's figure, in the row's unit
	Summary load.Summary `json:"summary"`
	Slow    int          `json:"slow,omitempty"`  // clients that the server ended as too slow
	Error   string       `json:"error,omitempty"` // Value is then meaningless
}

// Read reads the raw lines of one session.
func Read(r io.Reader) (Session, []Run, error) {
	var s Session
	var runs []Run
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
				return s, nil, fmt.Errorf("report: line 1: %w", err)
			}
			continue
		}
		var run Run
		if err := json.Unmarshal(lines.Bytes(), &run); err != nil {
			return s, nil, fmt.Errorf("report: line %d: %w", n, err)
		}
		runs = append(runs, run)
	}
	return s, runs, lines.Err()
}
