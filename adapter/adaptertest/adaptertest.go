// Package adaptertest checks an implementation of [adapter.Adapter] against the
// contract of that interface.
//
//	func TestMine(t *testing.T) {
//		adaptertest.Run(t, adaptertest.Features{Cluster: true}, func(t *testing.T, locals []adapter.Local) []adapter.Adapter {
//			... // one adapter for each local, all of one namespace
//		})
//	}
package adaptertest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/adapter"
)

// Features say what an implementation can do, and how it may be tested. The zero
// Features are for a single node that needs real time.
type Features struct {
	// Cluster: several nodes find each other. Every case then runs with
	// three nodes as well as with one, and cases about other nodes are added.
	Cluster bool
	// Bubble: nodes need neither the network nor processes, so that every
	// case can run in a bubble of testing/synctest, where waiting takes no
	// time.
	Bubble bool
	// RoomEvents: [adapter.Local.RoomEvent] is called.
	RoomEvents bool
	// Patience is how long something may take that should come; default 5 s. Long
	// patience costs nothing when all is well.
	Patience time.Duration
	// Answer is how long a call waits for an answer that does not come;
	// default 100 ms. It must suffice for answers that do come.
	Answer time.Duration
}

// NewNodes makes one adapter for each local, all of the same namespace "/", which
// know each other when it returns. It is called once in a case; what must be
// freed is given to t.Cleanup. The suite closes the adapters itself, before
// that, and some of them twice.
type NewNodes func(t *testing.T, locals []adapter.Local) []adapter.Adapter

// A behaviour is one case.
type behaviour struct {
	name string
	test func(t *testing.T, w *world)
}

// Run runs the suite as subtests of t.
func Run(t *testing.T, f Features, nodes NewNodes) {
	t.Helper()
	if f.Patience <= 0 {
		f.Patience = 5 * time.Second
	}
	if f.Answer <= 0 {
		f.Answer = 100 * time.Millisecond
	}
	cases := slices.Concat(roomCases, sendCases, callCases)
	if f.RoomEvents {
		cases = append(cases, eventCases...)
	}
	t.Run("one node", func(t *testing.T) { run(t, f, nodes, 1, slices.Concat(cases, aloneCases)) })
	if f.Cluster {
		t.Run("three nodes", func(t *testing.T) { run(t, f, nodes, 3, slices.Concat(cases, clusterCases)) })
	}
}

func run(t *testing.T, f Features, nodes NewNodes, n int, cases []behaviour) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			test := func(t *testing.T) { c.test(t, newWorld(t, f, nodes, n)) }
			if f.Bubble {
				synctest.Test(t, test)
				return
			}
			test(t)
		})
	}
}

// A world is the nodes of one case. Member number i lives on node i modulo their
// number, so that the same cases go across nodes when there are several.
type world struct {
	t     *testing.T
	f     Features
	nodes []adapter.Adapter
	recs  []*Recorder
	all   []*Socket
	fence int
}

func newWorld(t *testing.T, f Features, nodes NewNodes, n int) *world {
	w := &world{t: t, f: f}
	locals := make([]adapter.Local, n)
	for i := range locals {
		r := NewRecorder()
		w.recs = append(w.recs, r)
		locals[i] = r
	}
	w.nodes = nodes(t, locals)
	if len(w.nodes) != n {
		t.Fatalf("%d nodes were made, want %d", len(w.nodes), n)
	}
	t.Cleanup(func() {
		for _, a := range w.nodes {
			if err := a.Close(context.Background()); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
	return w
}

// add makes the next member known to its node.
func (w *world) add(id string, rooms ...string) *Socket {
	w.t.Helper()
	i := len(w.all) % len(w.nodes)
	s := &Socket{Name: id, node: i}
	w.all = append(w.all, s)
	if err := w.nodes[i].Add(w.t.Context(), s, rooms...); err != nil {
		w.t.Fatalf("Add: %v", err)
	}
	return s
}

// of returns the adapter of the node of s.
func (w *world) of(s *Socket) adapter.Adapter { return w.nodes[s.node] }

// rec returns the local of the node of s.
func (w *world) rec(s *Socket) *Recorder { return w.recs[s.node] }

// do fails the test when err is one.
func (w *world) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// settle returns when everything that node from has asked of the nodes so far is
// done. It sends a broadcast after it, to a socket of each node made for that.
func (w *world) settle(from int) {
	w.t.Helper()
	w.fence++
	name := fmt.Sprint("fence", w.fence)
	room := "room of " + name
	for i, a := range w.nodes {
		w.do(a.Add(w.t.Context(), &Socket{Name: fmt.Sprint(name, "-", i), node: i}, room))
	}
	w.do(w.nodes[from].Broadcast(w.t.Context(), event(name), adapter.Selector{Rooms: []string{room}}, adapter.Flags{}))
	for i, r := range w.recs {
		s := fmt.Sprint(name, "-", i)
		if !r.Wait(w.f.Patience, func() bool { return len(r.got[s]) > 0 }) {
			w.t.Fatalf("a broadcast of node %d did not reach node %d within %v", from, i, w.f.Patience)
		}
	}
	for i, a := range w.nodes {
		for _, m := range w.recs[i].met(name) {
			w.do(a.Remove(w.t.Context(), m))
		}
	}
}
