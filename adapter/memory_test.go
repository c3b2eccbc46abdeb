package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/adapter"
)

func TestMemoryNeedsALocal(t *testing.T) {
	if _, err := adapter.Memory()("/", nil); err == nil {
		t.Error("want an error")
	}
}

func TestIDIsTakenOnce(t *testing.T) {
	ctx := context.Background()
	a := newMemory(t, &stub{})
	first, second := add(t, a, "x", "r"), &member{"x"}
	if err := a.Add(ctx, second); !errors.Is(err, adapter.ErrTaken) {
		t.Fatalf("err = %v, want ErrTaken", err)
	}
	must(t, a.Join(ctx, second, "s"))
	must(t, a.Leave(ctx, second, "r"))
	must(t, a.Remove(ctx, second))
	if got := a.Rooms(first); !slices.Equal(got, []string{"x", "r"}) {
		t.Errorf("Rooms = %q", got)
	}
	if got := a.Rooms(second); got != nil {
		t.Errorf("Rooms of the other = %q, want nil", got)
	}
	must(t, a.Remove(ctx, first))
	must(t, a.Add(ctx, second))
}

func TestRoomEventsOfOwnAndSharedRooms(t *testing.T) {
	ctx := context.Background()
	var got []string
	s := &stub{event: func(e adapter.RoomEvent) {
		word := []string{"create", "join", "leave", "delete"}[e.Kind] + " " + e.Room
		if e.Member != nil {
			word += " " + e.Member.ID()
		}
		got = append(got, word)
	}}
	a := newMemory(t, s)
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("events %q\n  want %q", got, want)
		}
		got = nil
	}
	x := add(t, a, "x", "r", "r")
	expect("create x", "join x x", "create r", "join r x")
	y := add(t, a, "y", "r", "x")
	expect("create y", "join y y", "join r y", "join x y")
	must(t, a.Leave(ctx, x, "x", "x", "none"))
	expect("leave x x")
	must(t, a.Leave(ctx, y, "x"))
	expect("leave x y", "delete x")
	must(t, a.Join(ctx, x, "x"))
	expect("create x", "join x x")
	must(t, a.Remove(ctx, x))
	expect("leave x x", "delete x", "leave r x")
	must(t, a.Remove(ctx, y))
	expect("leave y y", "delete y", "leave r y", "delete r")
}

func TestRoomEventMayChangeRooms(t *testing.T) {
	ctx := context.Background()
	s := &stub{}
	a := newMemory(t, s)
	var order []string
	s.event = func(e adapter.RoomEvent) {
		if e.Kind == adapter.RoomJoined {
			order = append(order, e.Room)
			if e.Room == "first" {
				_ = a.Join(ctx, e.Member, "second") // is told after this event
				order = append(order, "back")
			}
		}
	}
	add(t, a, "x", "first", "third")
	if want := []string{"x", "first", "back", "third", "second"}; !slices.Equal(order, want) {
		t.Errorf("order = %q, want %q", order, want)
	}
}

func TestPanicInRoomEventDoesNotStopTheNext(t *testing.T) {
	s := &stub{}
	a := newMemory(t, s)
	var rooms []string
	s.event = func(e adapter.RoomEvent) {
		if e.Kind != adapter.RoomJoined {
			return
		}
		rooms = append(rooms, e.Room)
		if e.Room == "bad" {
			panic("listener")
		}
	}
	func() {
		defer func() { _ = recover() }()
		add(t, a, "x", "bad", "good")
	}()
	add(t, a, "y")
	if want := []string{"x", "bad", "good", "y"}; !slices.Equal(rooms, want) {
		t.Errorf("told %q, want %q", rooms, want)
	}
}

func TestRoomEventsKeepTheOrderOfConcurrentChanges(t *testing.T) {
	ctx := context.Background()
	events := &audit{t: t, rooms: map[string]map[string]bool{}}
	a := newMemory(t, &stub{event: events.event}) // audit has no lock: one event at a time
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			for i := range 500 {
				m := &member{fmt.Sprintf("s%d-%d", w, i)}
				_ = a.Add(ctx, m, "shared")
				_ = a.Remove(ctx, m)
			}
		})
	}
	work.Wait()
	if left := events.names(); len(left) > 0 {
		t.Errorf("rooms left by the events: %q", left)
	}
}

func TestServerEmitIsAlone(t *testing.T) {
	a := newMemory(t, &stub{})
	n := 0
	for _, err := range a.ServerEmit(context.Background(), packet) {
		if n++; !errors.Is(err, adapter.ErrAlone) {
			t.Errorf("err = %v", err)
		}
	}
	if nodes, err := a.Nodes(context.Background()); n != 1 || nodes != 1 || err != nil {
		t.Errorf("%d answers, %d nodes, %v", n, nodes, err)
	}
}

func TestNothingHappensAfterClose(t *testing.T) {
	ctx := context.Background()
	told := false
	s := &stub{event: func(adapter.RoomEvent) { told = true }}
	a := newMemory(t, s)
	m := add(t, a, "x", "r")
	told = false
	must(t, a.Close(ctx))
	must(t, a.Close(ctx))
	must(t, a.Add(ctx, m, "r"))
	must(t, a.Join(ctx, m, "r"))
	must(t, a.Leave(ctx, m, "r"))
	must(t, a.JoinAll(ctx, adapter.Selector{}, "r"))
	must(t, a.LeaveAll(ctx, adapter.Selector{}, "r"))
	must(t, a.DisconnectAll(ctx, adapter.Selector{}, true))
	must(t, a.Remove(ctx, m))
	if ids := chosen(t, a, s, adapter.Selector{}); len(ids) != 0 {
		t.Errorf("a broadcast reached %q", ids)
	}
	for r, err := range a.BroadcastCall(ctx, packet, adapter.Selector{}, adapter.Flags{}) {
		t.Errorf("BroadcastCall yielded %v, %v", r, err)
	}
	if rooms, err := a.AllRooms(ctx); len(rooms) != 0 || err != nil || a.Rooms(m) != nil || told {
		t.Errorf("AllRooms %q, %v, Rooms %q, told %v", rooms, err, a.Rooms(m), told)
	}
}

func TestLateRepliesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reply func(adapter.Reply)
		var called context.Context
		s := &stub{call: func(ctx context.Context, members iter.Seq[adapter.Member], r func(adapter.Reply)) (n int) {
			for range members {
				n++
			}
			called, reply = ctx, r
			return n
		}}
		a := newMemory(t, s)
		addMany(t, a, 3, func(int) []string { return nil })
		var got []string
		var errs []error
		start := time.Now()
		for r, err := range a.BroadcastCall(t.Context(), packet, adapter.Selector{}, adapter.Flags{Timeout: time.Second}) {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			got = append(got, r.SocketID)
		}
		if len(got) != 0 || len(errs) != 1 || !errors.Is(errs[0], adapter.ErrTimeout) || time.Since(start) != time.Second {
			t.Errorf("replies %q, errors %v after %v", got, errs, time.Since(start))
		}
		if called.Err() == nil {
			t.Error("the context of Call lives on")
		}
		reply(adapter.Reply{SocketID: "late"}) // neither blocks nor panics
	})
}

func TestRepliesThatCameInBeforeTheTimeCount(t *testing.T) {
	for range 30 { // as both are ready, either may be seen first
		ctx, cancel := context.WithCancel(t.Context())
		s := &stub{call: func(_ context.Context, members iter.Seq[adapter.Member], reply func(adapter.Reply)) (n int) {
			for m := range members {
				if n++; n < 3 {
					reply(adapter.Reply{SocketID: m.ID()})
				}
			}
			cancel()
			return n
		}}
		a := newMemory(t, s)
		addMany(t, a, 3, func(int) []string { return nil })
		got := 0
		var last error
		for _, err := range a.BroadcastCall(ctx, packet, adapter.Selector{}, adapter.Flags{}) {
			if last = err; err == nil {
				got++
			}
		}
		if got != 2 || !errors.Is(last, adapter.ErrTimeout) {
			t.Fatalf("%d replies, then %v", got, last)
		}
	}
}

func TestNothingIsSentWhenTheTimeIsUp(t *testing.T) {
	s := &stub{call: func(context.Context, iter.Seq[adapter.Member], func(adapter.Reply)) int {
		t.Error("Call was called")
		return 0
	}}
	a := newMemory(t, s)
	add(t, a, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range a.BroadcastCall(ctx, packet, adapter.Selector{}, adapter.Flags{}) {
		if n++; !errors.Is(err, adapter.ErrTimeout) {
			t.Errorf("err = %v", err)
		}
	}
	if n != 1 {
		t.Errorf("%d answers", n)
	}
}
