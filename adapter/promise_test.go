package adapter_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
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
	for name, to := range map[string]adapter.Selector{
		"all":       {},
		"room":      {Rooms: []string{"room"}},
		"two rooms": {Rooms: []string{"none", "room"}},
		"many":      {Rooms: append(manyNames(30), "room"), Except: manyNames(30)},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stub{}
			a := newMemory(t, s)
			all := addMany(t, a, 500, func(int) []string { return []string{"room"} })
			last := all[len(all)-1]
			stayed := all[len(all)-2]
			var ids []string
			s.deliver = func(members iter.Seq[adapter.Member]) {
				var left chan struct{}
				for m := range members {
					if left == nil {
						left = make(chan struct{})
						go func() {
							defer close(left)
							_ = a.Remove(ctx, last)
							_ = a.Leave(ctx, stayed, "room")
						}()
					}
					ids = append(ids, m.ID())
					runtime.Gosched()
				}
				<-left
			}
			must(t, a.Broadcast(ctx, packet, to, adapter.Flags{}))
			if slices.Contains(ids, last.id) {
				t.Error("reached a member that had been removed")
			}
			if got, want := slices.Contains(ids, stayed.id), name == "all"; got != want {
				t.Errorf("a member that left the room was reached: %v, want %v", got, want)
			}
			if len(ids) < 498 {
				t.Errorf("reached %d members, want the other 498", len(ids))
			}
		})
	}
}

func manyNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("none", i)
	}
	return names
}

func TestJoinDoesNotWaitForAWholeBroadcast(t *testing.T) {
	ctx := context.Background()
	s := &stub{}
	a := newMemory(t, s)
	all := addMany(t, a, 10_000, func(int) []string { return nil })
	during := false
	s.deliver = func(members iter.Seq[adapter.Member]) {
		var joined chan struct{}
		for range members {
			if joined == nil {
				joined = make(chan struct{})
				go func() {
					defer close(joined)
					_ = a.Join(ctx, all[0], "room")
				}()
			}
			select {
			case <-joined:
				during = true
			default:
				runtime.Gosched()
			}
		}
	}
	must(t, a.Broadcast(ctx, packet, adapter.Selector{}, adapter.Flags{}))
	if !during {
		t.Error("Join waited until the broadcast was over")
	}
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
