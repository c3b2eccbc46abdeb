package adaptertest

import (
	"errors"
	"slices"
	"testing"

	"github.com/roomwire/roomwire/adapter"
)

var roomCases = []behaviour{
	{"own ID is the first room", func(t *testing.T, w *world) {
		a := w.add("a", "x", "y", "x")
		w.expectRooms(a, "a", "x", "y")
		w.expectRooms(w.add("b"), "b")
	}},
	{"join and leave", func(t *testing.T, w *world) {
		a := w.add("a", "x")
		w.do(w.of(a).Join(t.Context(), a, "y", "z", "x"))
		w.expectRooms(a, "a", "x", "y", "z")
		w.do(w.of(a).Leave(t.Context(), a, "y", "never joined"))
		w.expectRooms(a, "a", "x", "z")
		w.do(w.of(a).Leave(t.Context(), a, "x", "z"))
		w.expectRooms(a, "a")
	}},
	{"adding again adds rooms", func(t *testing.T, w *world) {
		a := w.add("a", "x")
		w.do(w.of(a).Leave(t.Context(), a, "a"))
		w.do(w.of(a).Add(t.Context(), a, "y"))
		w.expectRooms(a, "a", "x", "y")
	}},
	{"an ID is taken once", func(t *testing.T, w *world) {
		a := w.add("a")
		other := &Socket{Name: "a", node: a.node}
		if err := w.of(a).Add(t.Context(), other, "x"); !errors.Is(err, adapter.ErrTaken) {
			t.Errorf("Add of another member with a known ID: %v, want ErrTaken", err)
		}
		w.do(w.of(a).Join(t.Context(), other, "y"))
		w.do(w.of(a).Remove(t.Context(), other))
		w.expectRooms(a, "a")
	}},
	{"own room may be left and joined by others", func(t *testing.T, w *world) {
		a, b := w.add("a"), w.add("b")
		w.do(w.of(b).Join(t.Context(), b, "a"))
		w.expectReached(adapter.Selector{Rooms: []string{"a"}}, "a", "b")
		w.do(w.of(a).Leave(t.Context(), a, "a"))
		if got := w.of(a).Rooms(a); got == nil || len(got) > 0 {
			t.Errorf("Rooms = %#v, want none, but not nil", got)
		}
		w.expectReached(adapter.Selector{Rooms: []string{"a"}}, "b")
		w.expectReached(adapter.Selector{Except: []string{"a"}}, "a")
		w.do(w.of(a).Join(t.Context(), a, "a", "x"))
		w.do(w.of(b).Leave(t.Context(), b, "a"))
		w.expectRooms(a, "a", "x")
		w.expectReached(adapter.Selector{Rooms: []string{"a"}}, "a")
	}},
	{"a removed member is in no room", func(t *testing.T, w *world) {
		a, b := w.add("a", "x"), w.add("b", "x")
		w.do(w.of(a).Remove(t.Context(), a))
		w.do(w.of(a).Remove(t.Context(), a))
		w.do(w.of(a).Join(t.Context(), a, "x"))
		w.do(w.of(a).Leave(t.Context(), a, "x"))
		if got := w.of(a).Rooms(a); got != nil {
			t.Errorf("Rooms of a removed member = %q, want nil", got)
		}
		w.expectReached(adapter.Selector{Rooms: []string{"x"}}, "b")
		w.expectReached(adapter.Selector{}, "b")
		w.do(w.of(b).Remove(t.Context(), b))
		w.expectAllRooms(b.node)
	}},
	{"all rooms of a node", func(t *testing.T, w *world) {
		a := w.add("a", "x", "y")
		w.expectAllRooms(a.node, "a", "x", "y")
		w.do(w.of(a).Leave(t.Context(), a, "a", "x"))
		w.expectAllRooms(a.node, "y")
	}},
	{"rooms of a caller's slice are not kept", func(t *testing.T, w *world) {
		names := []string{"x", "y"}
		a := w.add("a", names...)
		names[0] = "changed"
		w.expectRooms(a, "a", "x", "y")
		w.of(a).Rooms(a)[0] = "changed"
		w.expectRooms(a, "a", "x", "y")
	}},
}

var eventCases = []behaviour{
	{"room events", func(t *testing.T, w *world) {
		a := w.add("a", "x")
		w.expectEvents(a, "create a", "join a a", "create x", "join x a")
		b := &Socket{Name: "b", node: a.node}
		w.do(w.of(a).Add(t.Context(), b, "x", "a"))
		w.expectEvents(a, "create b", "join b b", "join x b", "join a b")
		w.do(w.of(a).Join(t.Context(), b, "x"))
		w.do(w.of(a).Leave(t.Context(), a, "a"))
		w.expectEvents(a, "leave a a")
		w.do(w.of(a).Leave(t.Context(), b, "a"))
		w.expectEvents(a, "leave a b", "delete a")
		w.do(w.of(a).Remove(t.Context(), a))
		w.expectEvents(a, "leave x a")
		w.do(w.of(a).Remove(t.Context(), b))
		w.expectEvents(a, "leave b b", "delete b", "leave x b", "delete x")
	}},
}

// expectRooms checks the rooms of s: its own ID first, the others in any order.
func (w *world) expectRooms(s *Socket, want ...string) {
	w.t.Helper()
	got := w.of(s).Rooms(s)
	if len(got) == 0 || got[0] != want[0] {
		w.t.Errorf("Rooms = %q, want %q first", got, want[0])
		return
	}
	if !sameNames(got, want) {
		w.t.Errorf("Rooms = %q, want %q", got, want)
	}
}

func (w *world) expectAllRooms(node int, want ...string) {
	w.t.Helper()
	got, err := w.nodes[node].AllRooms(w.t.Context())
	w.do(err)
	if !sameNames(got, want) {
		w.t.Errorf("AllRooms of node %d = %q, want %q", node, got, want)
	}
}

// expectEvents waits for the events of the node of s since the last call.
func (w *world) expectEvents(s *Socket, want ...string) {
	w.t.Helper()
	r := w.rec(s)
	r.Wait(w.f.Patience, func() bool { return len(r.events) >= len(want) })
	r.mu.Lock()
	events := r.events
	r.events = nil
	r.mu.Unlock()
	got := make([]string, len(events))
	for i, e := range events {
		got[i] = []string{"create", "join", "leave", "delete"}[e.Kind] + " " + e.Room
		if e.Member != nil {
			got[i] += " " + e.Member.ID()
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("room events %q\n       want %q", got, want)
	}
}

// sameNames reports whether two lists hold the same names, each once.
func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
