package adaptertest

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/parser"
)

var sendCases = []behaviour{
	{"selectors", func(t *testing.T, w *world) {
		w.populate()
		for _, c := range selections {
			w.expectReached(c.to, c.want...)
		}
	}},
	{"sockets", func(t *testing.T, w *world) {
		w.populate()
		for _, c := range selections {
			for node := range w.nodes {
				w.expectSockets(node, c.to, c.want...)
			}
		}
	}},
	{"sockets may be left early", func(t *testing.T, w *world) {
		w.populate()
		for range w.nodes[0].Sockets(t.Context(), adapter.Selector{}) {
			break
		}
		w.do(w.of(w.all[0]).Leave(t.Context(), w.all[0], "x")) // nothing is locked
		w.expectReached(adapter.Selector{Rooms: []string{"x"}}, "b", "c", "d")
	}},
	{"rooms may change while sockets are ranged over", func(t *testing.T, w *world) {
		w.populate()
		n := 0
		for _, err := range w.nodes[0].Sockets(t.Context(), adapter.Selector{}) {
			w.do(err)
			n++
			w.do(w.of(w.all[0]).Join(t.Context(), w.all[0], fmt.Sprint("new", n)))
		}
		if n != 6 {
			t.Errorf("%d sockets, want 6", n)
		}
	}},
	{"local", func(t *testing.T, w *world) {
		w.populate()
		for node := range w.nodes {
			var here []string
			for _, s := range w.all {
				if s.node == node {
					here = append(here, s.Name)
				}
			}
			w.expectReachedFrom(node, adapter.Selector{Local: true}, here)
			w.expectSockets(node, adapter.Selector{Local: true}, here...)
		}
	}},
	{"packets arrive as they were sent", packetsArrive},
	{"broadcasts of a node arrive in order", func(t *testing.T, w *world) {
		w.populate()
		for i := range 100 {
			w.do(w.nodes[0].Broadcast(t.Context(), event(fmt.Sprint("n", i)), adapter.Selector{Rooms: []string{"x"}}, adapter.Flags{}))
		}
		w.settle(0)
		for _, s := range w.all[:4] {
			got := w.rec(s).Got(s.Name)
			if len(got) != 100 {
				t.Fatalf("%d of 100 broadcasts reached %s", len(got), s.Name)
			}
			for i, d := range got {
				if want := string(event(fmt.Sprint("n", i)).Payload.Data); d.Data != want {
					t.Fatalf("%s got %s as number %d, want %s", s.Name, d.Data, i, want)
				}
			}
		}
	}},
	{"nothing arrives after leave", nothingAfterLeave},
	{"join all", func(t *testing.T, w *world) {
		w.populate()
		w.do(w.nodes[0].JoinAll(t.Context(), adapter.Selector{Rooms: []string{"x", "f"}, Except: []string{"y"}}, "new", "e"))
		w.settle(0)
		w.expectReached(adapter.Selector{Rooms: []string{"new"}}, "a", "f")
		w.expectReached(adapter.Selector{Rooms: []string{"e"}}, "a", "e", "f")
	}},
	{"leave all", func(t *testing.T, w *world) {
		w.populate()
		w.do(w.nodes[0].LeaveAll(t.Context(), adapter.Selector{Rooms: []string{"x"}, Except: []string{"c"}}, "x", "y"))
		w.settle(0)
		w.expectReached(adapter.Selector{Rooms: []string{"x"}}, "c")
		w.expectReached(adapter.Selector{Rooms: []string{"y"}}, "c", "e")
	}},
	{"disconnect all", func(t *testing.T, w *world) {
		w.populate()
		w.do(w.nodes[0].DisconnectAll(t.Context(), adapter.Selector{Rooms: []string{"x"}, Except: []string{"y"}}, false))
		w.do(w.nodes[0].DisconnectAll(t.Context(), adapter.Selector{Rooms: []string{"y"}}, true))
		w.settle(0)
		got := map[string]bool{}
		for _, r := range w.recs {
			r.mu.Lock()
			for id, closed := range r.gone {
				got[id] = closed
			}
			r.mu.Unlock()
		}
		if want := map[string]bool{"a": false, "b": true, "c": true, "d": true, "e": true}; !reflect.DeepEqual(got, want) {
			t.Errorf("disconnected, with the connection or not: %v, want %v", got, want)
		}
	}},
}

// populate adds six members: a, b, c, d in x; b, c, d, e in y; d in z; f alone.
func (w *world) populate() {
	w.t.Helper()
	w.add("a", "x")
	w.add("b", "x", "y")
	w.add("c", "y", "x")
	w.add("d", "x", "y", "z")
	w.add("e", "y")
	w.add("f")
}

func names(list string) []string { return strings.Fields(list) }

var selections = []struct {
	to   adapter.Selector
	want []string
}{
	{adapter.Selector{}, names("a b c d e f")},
	{adapter.Selector{Rooms: names("x")}, names("a b c d")},
	{adapter.Selector{Rooms: names("x y")}, names("a b c d e")},
	{adapter.Selector{Rooms: names("z y x y z f f")}, names("a b c d e f")},
	{adapter.Selector{Rooms: names("a")}, names("a")},
	{adapter.Selector{Rooms: names("a x")}, names("a b c d")},
	{adapter.Selector{Rooms: names("nowhere")}, nil},
	{adapter.Selector{Rooms: names("nowhere f")}, names("f")},
	{adapter.Selector{Except: names("x")}, names("e f")},
	{adapter.Selector{Except: names("b")}, names("a c d e f")},
	{adapter.Selector{Except: names("nowhere")}, names("a b c d e f")},
	{adapter.Selector{Except: names("x y f")}, nil},
	{adapter.Selector{Rooms: names("x"), Except: names("y")}, names("a")},
	{adapter.Selector{Rooms: names("x y"), Except: names("z a")}, names("b c e")},
	{adapter.Selector{Rooms: names("a b"), Except: names("a")}, names("b")},
	{adapter.Selector{Rooms: append(many(100), "x", "e"), Except: append(many(100), "c")}, names("a b d e")},
	{adapter.Selector{Except: append(many(100), "a", "z")}, names("b c e f")},
	{adapter.Selector{Rooms: names("a b c d e f x y z a b c d e f x y z"), Except: names("f")}, names("a b c d e")},
}

// many returns names of rooms that do not exist.
func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint("nowhere", i)
	}
	return list
}

func event(name string) *parser.Packet {
	return &parser.Packet{Type: parser.Event, Namespace: "/", ID: -1, Payload: parser.Payload{Data: fmt.Appendf(nil, "[%q]", name)}}
}

// expectReached broadcasts from every node in turn.
func (w *world) expectReached(to adapter.Selector, want ...string) {
	w.t.Helper()
	for node := range w.nodes {
		w.expectReachedFrom(node, to, want)
	}
}

func (w *world) expectReachedFrom(node int, to adapter.Selector, want []string) {
	w.t.Helper()
	w.fence++
	p := event(fmt.Sprint("reach", w.fence))
	w.do(w.nodes[node].Broadcast(w.t.Context(), p, to, adapter.Flags{}))
	w.settle(node)
	var got []string
	for _, r := range w.recs {
		r.mu.Lock()
		for id, list := range r.got {
			for _, d := range list {
				if d.Data == string(p.Payload.Data) {
					got = append(got, id)
				}
			}
		}
		r.mu.Unlock()
	}
	if !sameNames(got, want) {
		w.t.Errorf("a broadcast of node %d to %+v reached %q, want %q", node, to, got, want)
	}
}

func (w *world) expectSockets(node int, to adapter.Selector, want ...string) {
	w.t.Helper()
	var got []string
	for s, err := range w.nodes[node].Sockets(w.t.Context(), to) {
		w.do(err)
		got = append(got, s.ID)
		for _, m := range w.all {
			if m.Name != s.ID {
				continue
			}
			if local := m.node == node; local && s.Member != m || !local && s.Member != nil {
				w.t.Errorf("node %d: Member of %s (of node %d) is %v", node, s.ID, m.node, s.Member)
			}
			if rooms := w.of(m).Rooms(m); !sameNames(s.Rooms, rooms) || s.Rooms[0] != s.ID {
				w.t.Errorf("node %d: Rooms of %s = %q, want %q", node, s.ID, s.Rooms, rooms)
			}
			if hs, data := fmt.Sprintf(`{"of":%q}`, s.ID), fmt.Sprintf(`[%q]`, s.ID); string(s.Handshake) != hs || string(s.Data) != data {
				w.t.Errorf("node %d: %s is described by %s %s, want %s %s", node, s.ID, s.Handshake, s.Data, hs, data)
			}
		}
	}
	if !sameNames(got, want) {
		w.t.Errorf("node %d: sockets of %+v are %q, want %q", node, to, got, want)
	}
}

func packetsArrive(t *testing.T, w *world) {
	w.populate()
	p := &parser.Packet{Type: parser.Event, Namespace: "/", ID: -1, Payload: parser.Payload{
		Data:        []byte(`["blob",{"_placeholder":true,"num":0},"ü\u0000",{"_placeholder":true,"num":1}]`),
		Attachments: [][]byte{{0, 1, 255}, {}},
	}}
	f := adapter.Flags{Volatile: true, NoCompress: true}
	w.do(w.nodes[0].Broadcast(t.Context(), p, adapter.Selector{Rooms: []string{"y"}}, f))
	w.settle(0)
	for _, s := range w.all[1:5] {
		got := w.rec(s).Got(s.Name)
		if len(got) != 1 {
			t.Fatalf("%d packets reached %s, want 1", len(got), s.Name)
		}
		d := got[0]
		if d.Data != string(p.Payload.Data) || d.Namespace != "/" || len(d.Attachments) != 2 ||
			string(d.Attachments[0]) != "\x00\x01\xff" || len(d.Attachments[1]) != 0 {
			t.Errorf("%s got %+v, want %+v", s.Name, d, p)
		}
		if d.Flags.Volatile != f.Volatile || d.Flags.NoCompress != f.NoCompress {
			t.Errorf("%s got flags %+v, want %+v", s.Name, d.Flags, f)
		}
	}
}

// nothingAfterLeave leaves a room again and again while all nodes broadcast to
// it.
func nothingAfterLeave(t *testing.T, w *world) {
	w.populate()
	s := w.all[0]
	r := w.rec(s)
	stop := make(chan struct{})
	var senders sync.WaitGroup
	defer senders.Wait()
	defer close(stop)
	for _, a := range w.nodes {
		senders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = a.Broadcast(t.Context(), event("spam"), adapter.Selector{Rooms: []string{"x"}}, adapter.Flags{})
					runtime.Gosched()
				}
			}
		})
	}
	for range 50 {
		w.do(w.of(s).Leave(t.Context(), s, "x"))
		before := len(r.Got(s.Name))
		for range 20 {
			runtime.Gosched()
		}
		if after := len(r.Got(s.Name)); after != before {
			t.Fatalf("%d packets arrived after Leave had returned", after-before)
		}
		w.do(w.of(s).Join(t.Context(), s, "x"))
		if !r.Wait(w.f.Patience, func() bool { return len(r.got[s.Name]) > before }) {
			t.Fatalf("nothing arrived within %v after Join", w.f.Patience)
		}
	}
}
