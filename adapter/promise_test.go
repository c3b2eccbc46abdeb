package adapter_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/roomwire/roomwire/adapter"
)

// mover is a member that knows whether it may be reached.
type mover struct {
	member
	out atomic.Bool
}

// TestNothingArrivesAfterLeave moves members in and out while broadcasts run:
// none may be reached between the return of Leave, LeaveAll or Remove and its next
// Join or Add.
func TestNothingArrivesAfterLeave(t *testing.T) {
	ctx := context.Background()
	for _, kind := range []string{"leave", "leave own room", "remove", "leave all", "except others"} {
		t.Run(kind, func(t *testing.T) {
			var reached, broken atomic.Int64
			s := &stub{deliver: func(members iter.Seq[adapter.Member]) {
				for m := range members {
					reached.Add(1)
					if mv, ok := m.(*mover); ok && mv.out.Load() {
						broken.Add(1)
					}
					runtime.Gosched()
				}
			}}
			a := newMemory(t, s)
			addMany(t, a, 300, func(int) []string { return []string{"room"} })
			movers := make([]*mover, 4)
			to := adapter.Selector{Rooms: []string{"room"}}
			for i := range movers {
				movers[i] = &mover{member: member{fmt.Sprint("mover", i)}}
				must(t, a.Add(ctx, movers[i], "room"))
				switch kind {
				case "leave own room":
					to.Rooms = append(to.Rooms[:i:i], movers[i].id)
					must(t, a.Leave(ctx, movers[i], "room"))
				case "except others":
					to.Except = []string{"nobody", "socket000001"}
				}
			}
			if kind == "leave own room" {
				to.Rooms = append(to.Rooms, "fill")
				must(t, a.JoinAll(ctx, adapter.Selector{Rooms: []string{"room"}}, "fill"))
			}
			churn(t, a, movers, kind, to)
			if broken.Load() > 0 || reached.Load() == 0 {
				t.Errorf("%d of %d deliveries broke the promise", broken.Load(), reached.Load())
			}
		})
	}
}

func churn(t *testing.T, a adapter.Adapter, movers []*mover, kind string, to adapter.Selector) {
	ctx := context.Background()
	var moving, sending sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		sending.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = a.Broadcast(ctx, packet, to, adapter.Flags{})
				}
			}
		})
	}
	for _, mv := range movers {
		moving.Go(func() {
			for range 150 {
				out, back := moves(a, mv, kind)
				_ = out()
				mv.out.Store(true)
				runtime.Gosched()
				mv.out.Store(false)
				_ = back()
			}
		})
	}
	moving.Wait()
	close(stop)
	sending.Wait()
}

// moves returns the way out of what is broadcast to, and the way back.
func moves(a adapter.Adapter, mv *mover, kind string) (out, back func() error) {
	ctx := context.Background()
	room := "room"
	switch kind {
	case "remove":
		return func() error { return a.Remove(ctx, mv) }, func() error { return a.Add(ctx, mv, room) }
	case "leave all":
		me := adapter.Selector{Rooms: []string{mv.id}}
		return func() error { return a.LeaveAll(ctx, me, room) }, func() error { return a.JoinAll(ctx, me, room) }
	case "leave own room":
		room = mv.id
	}
	return func() error { return a.Leave(ctx, mv, room) }, func() error { return a.Join(ctx, mv, room) }
}

// TestLeavingBetweenChunksIsSeen is the promise without chance: somebody
// who is far back in a broadcast leaves while its head is delivered.
func TestLeavingBetweenChunksIsSeen(t *testing.T) {
	ctx := context.Background()
	ids := make([]string, 500)
	for i := range ids {
		ids[i] = fmt.Sprintf("socket%06d", i)
	}
	all, room, own := adapter.Selector{}, adapter.Selector{Rooms: []string{"room"}}, adapter.Selector{Rooms: ids}
	leave := func(a adapter.Adapter, m *member) error { return a.Leave(ctx, m, "room") }
	remove := func(a adapter.Adapter, m *member) error { return a.Remove(ctx, m) }
	closed := func(a adapter.Adapter, _ *member) error { return a.Close(ctx) }
	for _, c := range []struct {
		name  string
		to    adapter.Selector
		leave func(a adapter.Adapter, m *member) error
		stays bool
	}{
		{"remove, all", all, remove, false},
		{"remove, all, from no room", all, remove, false},
		{"remove, room", room, remove, false},
		{"remove, own rooms", own, remove, false},
		{"close, all", all, closed, false},
		{"close, room", room, closed, false},
		{"leave, room", room, leave, false},
		{"leave, two rooms", adapter.Selector{Rooms: []string{"none", "room"}}, leave, false},
		{"leave, many rooms", adapter.Selector{Rooms: append(manyNames(30), "room"), Except: manyNames(30)}, leave, false},
		{"leave, all", all, leave, true},
		{"leave, own rooms", own, leave, true},
		{"leave own room", own, func(a adapter.Adapter, m *member) error { return a.Leave(ctx, m, m.id) }, false},
		{"leave another's room", room, func(a adapter.Adapter, m *member) error { return a.Leave(ctx, m, ids[0]) }, true},
		{"leave all", room, func(a adapter.Adapter, m *member) error {
			return a.LeaveAll(ctx, adapter.Selector{Rooms: []string{m.id}}, "room")
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 200 {
				s := &stub{}
				a := newMemory(t, s)
				members := addMany(t, a, len(ids), func(int) []string { return []string{"room"} })
				last := members[len(members)-1]
				if strings.HasSuffix(c.name, "from no room") {
					must(t, a.Leave(ctx, last, last.id, "room"))
				}
				before, reached := during(t, a, s, c.to, func() { _ = c.leave(a, last) }, last)
				if !before {
					continue // it came too late to be seen
				}
				if reached != c.stays {
					t.Errorf("reached after it had left: %v, want %v", reached, c.stays)
				}
				return
			}
			t.Error("nobody could leave while a broadcast was on its way")
		})
	}
}

// during broadcasts and does something on another goroutine after the first
// member was yielded. It reports whether that was done before the last chunk, and
// whether m was reached.
func during(t *testing.T, a adapter.Adapter, s *stub, to adapter.Selector, do func(), m *member) (before, reached bool) {
	t.Helper()
	done := make(chan struct{})
	n := 0
	s.deliver = func(members iter.Seq[adapter.Member]) {
		for x := range members {
			if n++; n == 1 {
				go func() {
					defer close(done)
					do()
				}()
			}
			reached = reached || x == adapter.Member(m)
			select {
			case <-done:
				before = before || n <= 400
			default:
				runtime.Gosched()
			}
		}
		if n <= 64 { // closed: nothing was yielded that could have seen it
			before = true
		}
	}
	must(t, a.Broadcast(context.Background(), packet, to, adapter.Flags{}))
	<-done
	return before, reached
}

func manyNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("none", i)
	}
	return names
}

func TestJoinDoesNotWaitForAWholeBroadcast(t *testing.T) {
	for range 100 {
		s := &stub{}
		a := newMemory(t, s)
		all := addMany(t, a, 500, func(int) []string { return nil })
		before, _ := during(t, a, s, adapter.Selector{}, func() { _ = a.Join(context.Background(), all[0], "room") }, all[0])
		if before {
			return
		}
	}
	t.Error("Join always waited until the broadcast was over")
}

func TestBroadcastThatEndsEarlyFreesTheLock(t *testing.T) {
	ctx := context.Background()
	for name, deliver := range map[string]func(iter.Seq[adapter.Member]){
		"stops": func(members iter.Seq[adapter.Member]) {
			for range members {
				return
			}
		},
		"never ranges": func(iter.Seq[adapter.Member]) {},
		"panics": func(members iter.Seq[adapter.Member]) {
			for range members {
				panic("deliver")
			}
		},
		"exits": func(members iter.Seq[adapter.Member]) {
			for range members {
				runtime.Goexit()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stub{}
			a := newMemory(t, s)
			all := addMany(t, a, 200, func(int) []string { return nil })
			s.deliver = deliver
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				_ = a.Broadcast(ctx, packet, adapter.Selector{}, adapter.Flags{})
			}()
			<-done
			must(t, a.Join(ctx, all[0], "room")) // takes the lock
			if got := len(chosen(t, a, s, adapter.Selector{})); got != 200 {
				t.Errorf("the next broadcast reached %d of 200", got)
			}
		})
	}
}

// TestEverythingAtOnce is for the race detector.
func TestEverythingAtOnce(t *testing.T) {
	ctx := context.Background()
	s := &stub{event: func(adapter.RoomEvent) {}, deliver: func(members iter.Seq[adapter.Member]) {
		for range members {
		}
	}}
	s.call = func(_ context.Context, members iter.Seq[adapter.Member], reply func(adapter.Reply)) (n int) {
		for m := range members {
			n++
			reply(adapter.Reply{SocketID: m.ID()})
		}
		return n
	}
	a := newMemory(t, s)
	var work sync.WaitGroup
	for w := range 6 {
		work.Go(func() {
			m := &member{fmt.Sprint("w", w)}
			room := adapter.Selector{Rooms: []string{"a", "b"}, Except: []string{"w0", "c"}}
			for i := range 300 {
				_ = a.Add(ctx, m, "a", "c")
				_ = a.Broadcast(ctx, packet, room, adapter.Flags{})
				_ = a.JoinAll(ctx, room, "b")
				for range a.BroadcastCall(ctx, packet, room, adapter.Flags{}) {
				}
				for range a.Sockets(ctx, room) {
				}
				_ = a.LeaveAll(ctx, adapter.Selector{Except: []string{m.id}}, "c")
				_ = a.DisconnectAll(ctx, room, i%2 == 0)
				_, _ = a.AllRooms(ctx)
				_ = a.Rooms(m)
				_ = a.Remove(ctx, m)
			}
		})
	}
	work.Wait()
	if rooms, _ := a.AllRooms(ctx); len(rooms) != 0 {
		t.Errorf("rooms without members are left: %q", rooms)
	}
}

// TestGroupsAreSharedOut ranges over one broadcast from several goroutines: each
// member comes to one of them, also while others leave.
func TestGroupsAreSharedOut(t *testing.T) {
	ctx := context.Background()
	s := &stub{}
	a := newMemory(t, s)
	addMany(t, a, 1000, func(int) []string { return []string{"room"} })
	guest := add(t, a, "guest")
	for range 20 {
		var mu sync.Mutex
		times := map[string]int{}
		s.groups = func(groups iter.Seq[[]adapter.Member]) {
			var work sync.WaitGroup
			for range 4 {
				work.Go(func() {
					for group := range groups {
						mu.Lock()
						for _, m := range group {
							times[m.ID()]++
						}
						mu.Unlock()
					}
				})
			}
			must(t, a.Leave(ctx, guest, "room"))
			work.Wait()
		}
		must(t, a.Join(ctx, guest, "room"))
		must(t, a.Broadcast(ctx, packet, adapter.Selector{Rooms: []string{"room"}}, adapter.Flags{}))
		delete(times, guest.id)
		if len(times) != 1000 {
			t.Fatalf("%d of 1000 were reached", len(times))
		}
		for id, n := range times {
			if n != 1 {
				t.Fatalf("%s was reached %d times", id, n)
			}
		}
	}
}
