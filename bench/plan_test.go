package main

import (
	"slices"
	"testing"
	"time"

	"github.com/roomwire/roomwire/bench/load"
	"github.com/roomwire/roomwire/bench/report"
)

func TestEveryRowHasAPlanAndEveryPlanARow(t *testing.T) {
	for _, r := range slices.Concat(report.Rows, report.PausedRows) {
		if !slices.ContainsFunc(plans, func(p plan) bool { return p.row == r.ID }) {
			t.Errorf("%s is never measured", r.ID)
		}
	}
	for _, p := range plans {
		if titleOf(p.row) == p.row {
			t.Errorf("%s has no row in the report", p.row)
		}
	}
}

// The bounds of a session: what one run may take, and what the kernel's usual
// hard limit of 20,000 descriptors leaves for clients.
func TestPlansAreBounded(t *testing.T) {
	for _, quick := range []bool{false, true} {
		for _, p := range plans {
			c := p.config(quick)
			if c.Duration <= 0 || c.Duration > 5*time.Second || c.Warmup <= 0 || c.Clients <= 0 || c.Clients > 19_000 {
				t.Errorf("%s: %+v", p.row, c)
			}
		}
	}
}

func TestPeersAreAskedOnlyWhatTheySpeak(t *testing.T) {
	want := map[string]int{report.Raw: 14, report.Ours: 18, report.Node: 15, report.Centrifuge: 11}
	for _, peer := range peers() {
		n := 0
		for _, p := range plans {
			if peer.speaks(p.load) {
				n++
			}
		}
		if n != want[peer.name()] {
			t.Errorf("%s answers %d rows, want %d", peer.name(), n, want[peer.name()])
		}
	}
}

func TestTheFigureOfIdleAndPausedIsMemory(t *testing.T) {
	res := &load.Result{Config: load.Config{Clients: 10}, Ops: 10, CPU: time.Millisecond, RSSBefore: 1 << 20, RSSAfter: 1<<20 + 40<<10}
	idle := plan{load: load.Config{Scenario: load.Idle}}
	if v, ok := idle.value(res); !ok || v != 4 {
		t.Errorf("%v KiB, want 4", v)
	}
	res.RSSPeak = 3e6
	paused := plan{row: "paused-1", load: pausedLoad(1)}
	if v, ok := paused.value(res); !ok || v != 3 {
		t.Errorf("%v MB, want 3", v)
	}
	echo := plan{load: load.Config{Scenario: load.Echo}}
	if v, ok := echo.value(res); !ok || v != 100 {
		t.Errorf("%v µs, want 100", v)
	}
}

func TestRowsAndServersAreChosenByName(t *testing.T) {
	for _, c := range []struct {
		list, name string
		want       bool
	}{
		{"", "echo-1", true},
		{"echo", "echo-1", true},
		{"echo", "echo-1k", true},
		{"fan", "echo-1", false},
		{"fan, echo-1", "echo-1", true},
		{"fan, echo-1", "echo-1k", false},
		{"rooms", "rooms-except", false},
		{"rooms-", "rooms-except", true},
	} {
		if got := chosenRow(c.list, c.name); got != c.want {
			t.Errorf("%q in %q: %v", c.name, c.list, got)
		}
	}
}

func TestProgressNeverGoesBack(t *testing.T) {
	last := 0.0
	for _, phase := range []string{"start", "connect", "warm-up", "measure"} {
		for _, f := range []float64{0, 0.5, 1} {
			if got := phaseShare(load.Progress{Phase: phase, Fraction: f}); got < last {
				t.Errorf("%s %v: %v after %v", phase, f, got, last)
			} else {
				last = got
			}
		}
	}
}
