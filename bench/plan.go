package main

import (
	"slices"
	"strings"
	"time"

	"github.com/roomwire/roomwire/bench/load"
	"github.com/roomwire/roomwire/bench/report"
)

// plan is how one row is measured.
type plan struct {
	row   string // id in report.Rows
	quick bool   // part of -quick
	load  load.Config
}

// plans is every row. Clients whose handshakes are measured come a few at a time;
// upgrades even fewer, so that their latency is the server's and not the queue's.
// Eight rooms are served at a time, so that the rows cost deliveries and not the
// waking of an idle server. The rows "paused-*" are 15,000 broadcasts of 10 kB to
// ten clients, beside whom none, one or eight have stopped reading.
var plans = []plan{
	{"fanout-100", false, load.Config{Scenario: load.Fanout, Clients: 100}},
	{"fanout-1k", true, load.Config{Scenario: load.Fanout, Clients: 1_000, MinOps: 5}},
	{"fanout-10k", true, load.Config{Scenario: load.Fanout, Clients: 10_000, WarmupOps: 3, MinOps: 5}},
	{"fanout-19k", false, load.Config{Scenario: load.Fanout, Clients: 19_000, WarmupOps: 3, MinOps: 5}},
	{"fanout-backlog", true, load.Config{Scenario: load.Fanout, Clients: 100, Outstanding: 16}},
	{"echo-1", false, load.Config{Scenario: load.Echo, Clients: 1}},
	{"echo-100", true, load.Config{Scenario: load.Echo, Clients: 100}},
	{"echo-1k", true, load.Config{Scenario: load.Echo, Clients: 1_000}},
	{"echo-backlog", true, load.Config{Scenario: load.Echo, Clients: 100, Outstanding: 16}},
	{"connect", true, load.Config{Scenario: load.Connect, Clients: 2_000, WarmupOps: 500, Inflight: 32}},
	{"upgrade", true, load.Config{Scenario: load.Connect, Transport: load.Upgrade, Clients: 1_000, WarmupOps: 200, Inflight: 16}},
	{"rooms", true, load.Config{Scenario: load.Rooms, Clients: 10_000, Rooms: 1_000, Outstanding: 8}},
	{"rooms-except", true, load.Config{Scenario: load.RoomsExcept, Clients: 10_000, Rooms: 1_000, Outstanding: 8}},
	{"polling-echo", false, load.Config{Scenario: load.Echo, Transport: load.Polling, Clients: 100}},
	{"idle", true, load.Config{Scenario: load.Idle, Clients: 10_000, Duration: time.Second}},
	{"paused-0", true, pausedLoad(0)},
	{"paused-1", true, pausedLoad(1)},
	{"paused-8", true, pausedLoad(8)},
}

// nextRows are what -next measures the other ways to read and to send by.
const nextRows = "fanout-1k,fanout-10k,echo-100,echo-1k"

func pausedLoad(paused int) load.Config {
	return load.Config{Scenario: load.Fanout, Clients: 10, Paused: paused, Payload: 10_000, MinOps: 15_000, Duration: time.Nanosecond}
}

// config is the plan's load against a server, timed for the mode.
func (p *plan) config(quick bool) load.Config {
	c := p.load
	c.Timeout = 3 * time.Minute // on a busy machine 19,000 clients take most of the default to connect
	d := 2 * time.Second
	c.Warmup = time.Second
	if quick {
		c.Warmup, d = 300*time.Millisecond, 700*time.Millisecond
		if c.Scenario == load.Connect {
			c.Clients /= 2
		}
	}
	if c.Duration == 0 {
		c.Duration = d
	}
	return c
}

// value is the row's figure in its unit.
func (p *plan) value(r *load.Result) (float64, bool) {
	switch {
	case p.load.Scenario == load.Idle:
		bytes, ok := r.MemoryPerConn()
		return bytes / 1024, ok
	case p.paused():
		return float64(r.RSSPeak) / 1e6, r.RSSPeak > 0
	}
	return r.CPUPerOp()
}

// paused reports whether the row is about clients that stop reading: its figure
// is the peak of memory.
func (p *plan) paused() bool { return strings.HasPrefix(p.row, "paused-") }

func titleOf(id string) string {
	for _, r := range slices.Concat(report.Rows, report.PausedRows) {
		if r.ID == id {
			return r.Title
		}
	}
	return id
}
