package adapter_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"testing"

	"github.com/roomwire/roomwire/adapter"
)

// TestBytesOfAnIdleMember holds the memory of a member, its index entries
// included, to what was measured with some margin.
func TestBytesOfAnIdleMember(t *testing.T) {
	const n = 20_000
	for _, c := range []struct {
		name  string
		rooms func(i int) []string
		max   float64
	}{
		{"own room only", func(int) []string { return nil }, 140},
		{"one of 2000 rooms", func(i int) []string { return roomNames[i%len(roomNames) : i%len(roomNames)+1] }, 200},
	} {
		members := make([]*member, n)
		for i := range members {
			members[i] = &member{fmt.Sprintf("socket%06d", i)}
		}
		a := newMemory(t, &stub{})
		before := heap()
		for i, m := range members {
			must(t, a.Add(context.Background(), m, c.rooms(i)...))
		}
		got := (float64(heap()) - float64(before)) / n
		runtime.KeepAlive(members)
		runtime.KeepAlive(a)
		t.Logf("%s: %.0f bytes", c.name, got)
		if got > c.max || got < 30 {
			t.Errorf("%s: %.0f bytes for each member, want at most %.0f", c.name, got, c.max)
		}
	}
}

var roomNames = func() []string {
	names := make([]string, 2000)
	for i := range names {
		names[i] = fmt.Sprint("room", i)
	}
	return names
}()

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// TestBroadcastAllocatesNothing includes rooms, except and a room of one socket.
func TestBroadcastAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool forgets at random under the race detector")
	}
	a := newMemory(t, drop)
	addMany(t, a, 1000, func(i int) []string { return []string{roomNames[i/10], "half"}[:1+i%2] })
	for name, to := range selectors {
		allocs := testing.AllocsPerRun(100, func() {
			_ = a.Broadcast(context.Background(), packet, to, adapter.Flags{})
		})
		if allocs > 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

// delivered counts what drop was given.
var delivered int

// drop calls the sequence with a function made once, as ranging over it would
// allocate the body of the loop.
var drop = &stub{groups: func(groups iter.Seq[[]adapter.Member]) { groups(count) }}

func count(group []adapter.Member) bool {
	delivered += len(group)
	return true
}

var selectors = map[string]adapter.Selector{
	"all":    {},
	"socket": {Rooms: []string{"socket000007"}},
	"room":   {Rooms: []string{"room7"}},
	"others": {Rooms: []string{"room7"}, Except: []string{"socket000071"}},
	"except": {Rooms: []string{"room7"}, Except: []string{"half"}},
	"union":  {Rooms: []string{"room7", "room8", "half"}},
}

// BenchmarkBroadcast reports the adapter's share of one delivery.
func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		a := newMemory(b, drop)
		addMany(b, a, n, func(i int) []string { return []string{roomNames[i/10], "half"}[:1+i%2] })
		for _, name := range []string{"all", "socket", "room", "others", "except", "union"} {
			to := selectors[name]
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				delivered = 0
				for b.Loop() {
					_ = a.Broadcast(context.Background(), packet, to, adapter.Flags{})
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(delivered), "ns/delivery")
			})
		}
	}
}

func BenchmarkMembership(b *testing.B) {
	ctx := context.Background()
	a := newMemory(b, drop)
	all := addMany(b, a, 10_000, func(i int) []string { return []string{roomNames[i/10], "all"} })
	b.Run("JoinLeaveLarge", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m := all[i%len(all)]
			_ = a.Leave(ctx, m, "all")
			_ = a.Join(ctx, m, "all")
		}
	})
	b.Run("JoinLeaveNew", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m := all[i%len(all)]
			_ = a.Join(ctx, m, "new")
			_ = a.Leave(ctx, m, "new")
		}
	})
	b.Run("AddRemove", func(b *testing.B) {
		b.ReportAllocs()
		m := &member{"one more"}
		for b.Loop() {
			_ = a.Add(ctx, m, "all", "room7")
			_ = a.Remove(ctx, m)
		}
	})
}
