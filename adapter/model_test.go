package adapter_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/roomwire/roomwire/adapter"
)

// model is what rooms are by definition: a set of names for each member.
type model map[*member]map[string]bool

func (mo model) chosen(to adapter.Selector) []string {
	var ids []string
	for m, rooms := range mo {
		in := func(name string) bool { return rooms[name] }
		if (len(to.Rooms) == 0 || slices.ContainsFunc(to.Rooms, in)) && !slices.ContainsFunc(to.Except, in) {
			ids = append(ids, m.id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (mo model) rooms() []string {
	set := map[string]bool{}
	for _, rooms := range mo {
		for name := range rooms {
			set[name] = true
		}
	}
	return sorted(set)
}

func sorted(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// audit checks that room events tell a consistent story, from which the rooms
// could be rebuilt.
type audit struct {
	t     *testing.T
	rooms map[string]map[string]bool
}

func (a *audit) event(e adapter.RoomEvent) {
	a.t.Helper()
	members, exists := a.rooms[e.Room]
	switch e.Kind {
	case adapter.RoomCreated:
		if exists {
			a.t.Errorf("room %q created twice", e.Room)
		}
		a.rooms[e.Room] = map[string]bool{}
	case adapter.RoomJoined:
		if !exists || members[e.Member.ID()] {
			a.t.Errorf("%q joined %q: room exists %v, member already %v", e.Member.ID(), e.Room, exists, members[e.Member.ID()])
			return
		}
		members[e.Member.ID()] = true
	case adapter.RoomLeft:
		if !members[e.Member.ID()] {
			a.t.Errorf("%q left %q without being in it", e.Member.ID(), e.Room)
		}
		delete(members, e.Member.ID())
	case adapter.RoomDeleted:
		if !exists || len(members) > 0 {
			a.t.Errorf("room %q deleted: exists %v, members %d", e.Room, exists, len(members))
		}
		delete(a.rooms, e.Room)
	}
}

func TestSelectorsAgreeWithSets(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { compareWithModel(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func compareWithModel(t *testing.T, r *rand.Rand) {
	ctx := context.Background()
	events := &audit{t: t, rooms: map[string]map[string]bool{}}
	s := &stub{event: events.event}
	a := newMemory(t, s)
	mo := model{}
	members := make([]*member, 150)
	for i := range members {
		members[i] = &member{fmt.Sprintf("s%d", i)}
	}
	anyRoom := func() string {
		if r.IntN(4) == 0 {
			return members[r.IntN(len(members))].id
		}
		return fmt.Sprintf("r%d", r.IntN(40))
	}
	names := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = anyRoom()
		}
		return list
	}
	selector := func() adapter.Selector {
		sizes := []int{0, 0, 1, 1, 2, 3, 5, 20, 60}
		return adapter.Selector{Rooms: names(sizes[r.IntN(len(sizes))]), Except: names(sizes[r.IntN(len(sizes))])}
	}
	for step := range 600 {
		m := members[r.IntN(len(members))]
		rooms := names(r.IntN(4))
		switch r.IntN(9) {
		case 0, 1:
			must(t, a.Add(ctx, m, rooms...))
			if mo[m] == nil {
				mo[m] = map[string]bool{}
			}
			mo.join(m, append(rooms, m.id)...)
		case 2, 3, 4:
			must(t, a.Join(ctx, m, rooms...))
			mo.join(m, rooms...)
		case 5, 6:
			must(t, a.Leave(ctx, m, rooms...))
			mo.leave(m, rooms...)
		case 7:
			must(t, a.Remove(ctx, m))
			delete(mo, m)
		case 8:
			to := selector()
			ids := mo.chosen(to)
			change, apply := a.JoinAll, mo.join
			if r.IntN(2) == 0 {
				change, apply = a.LeaveAll, mo.leave
			}
			if len(ids) > 30 {
				break // else everybody soon is everywhere
			}
			must(t, change(ctx, to, rooms...))
			for _, m := range members {
				if slices.Contains(ids, m.id) {
					apply(m, rooms...)
				}
			}
		}
		to := selector()
		if got, want := chosen(t, a, s, to), mo.chosen(to); !slices.Equal(got, want) {
			t.Fatalf("step %d: %+v\n got %v\nwant %v", step, to, got, want)
		}
		compareRooms(t, a, mo, m)
		if all, told := mo.rooms(), events.names(); !slices.Equal(all, told) {
			t.Fatalf("step %d: events tell of rooms\n     %v\nwant %v", step, told, all)
		}
	}
}

func compareRooms(t *testing.T, a adapter.Adapter, mo model, m *member) {
	t.Helper()
	got := a.Rooms(m)
	if mo[m] == nil {
		if got != nil {
			t.Fatalf("Rooms of a member that is not known: %q", got)
		}
	} else {
		if mo[m][m.id] && got[0] != m.id {
			t.Fatalf("Rooms = %q, want the own ID %q first", got, m.id)
		}
		slices.Sort(got)
		if want := sorted(mo[m]); !slices.Equal(got, want) {
			t.Fatalf("Rooms = %q, want %q", got, want)
		}
	}
	all, err := a.AllRooms(context.Background())
	must(t, err)
	slices.Sort(all)
	if want := mo.rooms(); !slices.Equal(all, want) {
		t.Fatalf("AllRooms = %q, want %q", all, want)
	}
}

func (mo model) join(m *member, rooms ...string) {
	if mo[m] == nil {
		return
	}
	for _, name := range rooms {
		mo[m][name] = true
	}
}

func (mo model) leave(m *member, rooms ...string) {
	for _, name := range rooms {
		delete(mo[m], name)
	}
}

func (a *audit) names() []string {
	set := map[string]bool{}
	for name := range a.rooms {
		set[name] = true
	}
	return sorted(set)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
