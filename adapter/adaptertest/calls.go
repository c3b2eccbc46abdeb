package adaptertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/parser"
)

// call is an event that asks for an acknowledgement.
func call(name string) *parser.Packet {
	p := event(name)
	p.ID = 0
	return p
}

var callCases = []behaviour{
	{"all acknowledgements come", func(t *testing.T, w *world) {
		w.populate()
		for node := range w.nodes {
			got, errs := w.call(t.Context(), node, adapter.Selector{Rooms: []string{"x", "f"}, Except: []string{"b"}}, w.f.Patience)
			if !sameNames(got, names("a c d f")) || len(errs) > 0 {
				t.Errorf("node %d: acknowledgements of %q and errors %v", node, got, errs)
			}
		}
	}},
	{"a call to nobody ends at once", func(t *testing.T, w *world) {
		w.populate()
		start := time.Now()
		got, errs := w.call(t.Context(), 0, adapter.Selector{Rooms: []string{"nowhere"}}, w.f.Patience)
		if len(got) > 0 || len(errs) > 0 || time.Since(start) >= w.f.Patience {
			t.Errorf("acknowledgements of %q and errors %v after %v", got, errs, time.Since(start))
		}
	}},
	{"missing acknowledgements time out once", func(t *testing.T, w *world) {
		w.populate()
		for _, r := range w.recs {
			r.Silence("b", "f")
		}
		got, errs := w.call(t.Context(), 0, adapter.Selector{}, w.f.Answer)
		if !sameNames(got, names("a c d e")) || len(errs) != 1 || !errors.Is(errs[0], adapter.ErrTimeout) {
			t.Errorf("acknowledgements of %q and errors %v, want those of a c d e and ErrTimeout", got, errs)
		}
		for _, r := range w.recs {
			r.Release("b") // too late, and must do no harm
			r.Release("f")
		}
		w.expectReached(adapter.Selector{Rooms: []string{"f"}}, "f")
	}},
	{"a call ends with its context", func(t *testing.T, w *world) {
		w.populate()
		for _, r := range w.recs {
			r.Silence("b")
		}
		ctx, cancel := context.WithTimeout(t.Context(), w.f.Answer)
		defer cancel()
		got, errs := w.call(ctx, 0, adapter.Selector{Rooms: []string{"x"}}, 0)
		if !sameNames(got, names("a c d")) || len(errs) != 1 || !errors.Is(errs[0], adapter.ErrTimeout) {
			t.Errorf("acknowledgements of %q and errors %v, want those of a c d and ErrTimeout", got, errs)
		}
	}},
	{"acknowledgements are yielded as they come", func(t *testing.T, w *world) {
		w.populate()
		for _, r := range w.recs {
			r.Silence("b", "c", "d")
		}
		var got []string
		next := names("c d b")
		for r, err := range w.nodes[0].BroadcastCall(t.Context(), call("q"), adapter.Selector{Rooms: []string{"x"}}, adapter.Flags{Timeout: w.f.Patience}) {
			w.do(err)
			got = append(got, r.SocketID)
			if len(next) > 0 { // the next one answers only after this one was seen
				w.release(next[0])
				next = next[1:]
			}
		}
		if want := names("a c d b"); !slices.Equal(got, want) {
			t.Errorf("acknowledgements of %q, want %q", got, want)
		}
	}},
	{"a call may be left early", func(t *testing.T, w *world) {
		w.populate()
		for _, r := range w.recs {
			r.Silence("d") // on the first node, as a is
		}
		for _, err := range w.nodes[0].BroadcastCall(t.Context(), call("q"), adapter.Selector{Rooms: []string{"x"}, Local: true}, adapter.Flags{Timeout: w.f.Patience}) {
			w.do(err)
			break
		}
		r := w.recs[0]
		if !r.Wait(w.f.Patience, func() bool { return len(r.calls) == 1 && r.calls[0].Err() != nil }) {
			t.Error("the context of Local.Call is not done although nobody waits any more")
		}
		w.release("d")
		w.expectReached(adapter.Selector{Rooms: []string{"d"}}, "d")
	}},
}

var aloneCases = []behaviour{
	{"a single node counts one", func(t *testing.T, w *world) { w.expectNodes(1) }},
	{"server events of a single node reach nobody", func(t *testing.T, w *world) {
		for _, p := range []*parser.Packet{event("hello"), call("hello")} {
			var errs []error
			for r, err := range w.nodes[0].ServerEmit(t.Context(), p) {
				if errs = append(errs, err); err == nil {
					t.Errorf("answer %s", r.Payload.Data)
				}
			}
			if want := !w.f.Cluster; want && (len(errs) != 1 || !errors.Is(errs[0], adapter.ErrAlone)) || !want && len(errs) > 0 {
				t.Errorf("errors %v; ErrAlone wanted: %v", errs, want)
			}
		}
		if asked := w.recs[0].asked; len(asked) > 0 {
			t.Errorf("the node itself got %q", asked)
		}
	}},
}

var clusterCases = []behaviour{
	{"all nodes are counted", func(t *testing.T, w *world) { w.expectNodes(3) }},
	{"server events reach the other nodes", func(t *testing.T, w *world) {
		for r, err := range w.nodes[1].ServerEmit(t.Context(), event("hello")) {
			t.Errorf("an event that wants no answer yielded %v, %v", r, err)
		}
		for _, i := range []int{0, 2} {
			r := w.recs[i]
			if !r.Wait(w.f.Patience, func() bool { return len(r.asked) > 0 }) {
				t.Errorf("the event did not reach node %d within %v", i, w.f.Patience)
			}
		}
		w.settle(1)
		for i, want := range []int{1, 0, 1} {
			r := w.recs[i]
			r.mu.Lock()
			if len(r.asked) != want {
				t.Errorf("node %d got %q, want %d events", i, r.asked, want)
			}
			r.mu.Unlock()
		}
	}},
	{"server events are answered", func(t *testing.T, w *world) {
		for i, r := range w.recs {
			r.Answer(func(*parser.Packet) (*parser.Payload, error) {
				return &parser.Payload{Data: []byte{'[', '0' + byte(i), ']'}}, nil
			})
		}
		var got []string
		for r, err := range w.nodes[1].ServerEmit(t.Context(), call("hello")) {
			w.do(err)
			got = append(got, string(r.Payload.Data))
			if r.SocketID != "" {
				t.Errorf("SocketID = %q in the answer of a node", r.SocketID)
			}
		}
		if want := []string{"[0]", "[2]"}; !sameNames(got, want) {
			t.Errorf("answers %q, want %q", got, want)
		}
	}},
	{"a closed node is not counted", func(t *testing.T, w *world) {
		w.populate()
		w.do(w.nodes[2].Close(t.Context()))
		w.awaitNodes(0, 2)
		got, errs := w.call(t.Context(), 0, adapter.Selector{}, w.f.Patience)
		if !sameNames(got, names("a b d e")) || len(errs) > 0 {
			t.Errorf("acknowledgements of %q and errors %v, want those of a b d e", got, errs)
		}
	}},
}

// call broadcasts a call and returns whose acknowledgements came, and the errors.
func (w *world) call(ctx context.Context, node int, to adapter.Selector, timeout time.Duration) (got []string, errs []error) {
	w.t.Helper()
	for r, err := range w.nodes[node].BroadcastCall(ctx, call("q"), to, adapter.Flags{Timeout: timeout}) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		got = append(got, r.SocketID)
		if want := string(event(r.SocketID).Payload.Data); string(r.Payload.Data) != want {
			w.t.Errorf("acknowledgement of %s is %s, want %s", r.SocketID, r.Payload.Data, want)
		}
	}
	return got, errs
}

// release waits until a silent socket was called, and lets it acknowledge.
func (w *world) release(id string) {
	w.t.Helper()
	for _, s := range w.all {
		if s.Name != id {
			continue
		}
		r := w.rec(s)
		if !r.Wait(w.f.Patience, func() bool { return r.waiting[id] != nil }) {
			w.t.Errorf("%s was not called within %v", id, w.f.Patience)
		}
		r.Release(id)
	}
}

func (w *world) expectNodes(want int) {
	w.t.Helper()
	for i, a := range w.nodes {
		if n, err := a.Nodes(w.t.Context()); n != want || err != nil {
			w.t.Errorf("node %d counts %d nodes, %v; want %d", i, n, err, want)
		}
	}
}

// awaitNodes waits until a node counts want nodes.
func (w *world) awaitNodes(node, want int) {
	w.t.Helper()
	late := time.After(w.f.Patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		n, err := w.nodes[node].Nodes(w.t.Context())
		if n == want && err == nil {
			return
		}
		select {
		case <-again.C:
		case <-late:
			w.t.Fatalf("node %d still counts %d nodes, %v, after %v; want %d", node, n, err, w.f.Patience, want)
		}
	}
}
