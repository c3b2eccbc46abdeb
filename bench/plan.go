package main

import (
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
// waking of an idle server.
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
}

// config is the plan's load against a server, timed for the mode.
func (p *plan) config(quick bool) load.Config {
	c := p.load
	c.Warmup = time.Second
	if c.Duration == 0 {
		c.Duration = 2 * time.Second
	}
	if quick {
		c.Warmup, c.Duration = 300*time.Millisecond, 700*time.Millisecond
		if c.Scenario == load.Connect {
			c.Clients /= 2
		}
	}
	return c
}

// value is the row's figure in its unit.
func (p *plan) value(r *load.Result) (float64, bool) {
	if p.load.Scenario == load.Idle {
		bytes, ok := r.MemoryPerConn()
		return bytes / 1024, ok
	}
	return r.CPUPerOp()
}

func titleOf(id string) string {
	for _, r := range report.Rows {
		if r.ID == id {
			return r.Title
		}
	}
	return id
}
