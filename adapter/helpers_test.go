package adapter_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/parser"
)

type member struct{ id string }

func (m *member) ID() string { return m.id }

// stub is a Local made of functions; those that are nil do nothing.
type stub struct {
	groups  func(groups iter.Seq[[]adapter.Member]) // else deliver
	deliver func(members iter.Seq[adapter.Member])
	call    func(ctx context.Context, members iter.Seq[adapter.Member], reply func(adapter.Reply)) int
	event   func(e adapter.RoomEvent)
}

func (s *stub) Deliver(groups iter.Seq[[]adapter.Member], _ *parser.Packet, _ adapter.Flags) {
	switch {
	case s.groups != nil:
		s.groups(groups)
	case s.deliver != nil:
		s.deliver(flat(groups))
	}
}

func (s *stub) Call(ctx context.Context, groups iter.Seq[[]adapter.Member], _ *parser.Packet, _ adapter.Flags, reply func(adapter.Reply)) int {
	return s.call(ctx, flat(groups), reply)
}

// flat yields the members of groups one by one.
func flat(groups iter.Seq[[]adapter.Member]) iter.Seq[adapter.Member] {
	return func(yield func(adapter.Member) bool) {
		for group := range groups {
			for _, m := range group {
				if !yield(m) {
					return
				}
			}
		}
	}
}

func (s *stub) Describe(m adapter.Member) adapter.Socket { return adapter.Socket{ID: m.ID()} }
func (s *stub) Disconnect(adapter.Member, bool)          {}

func (s *stub) RoomEvent(e adapter.RoomEvent) { s.event(e) }
func (s *stub) WantsRoomEvents() bool         { return s.event != nil }

func (s *stub) ServerEvent(context.Context, *parser.Packet) (*parser.Payload, error) {
	return nil, nil
}

var packet = &parser.Packet{Type: parser.Event, Namespace: "/", ID: -1, Payload: parser.Payload{Data: []byte(`["e"]`)}}

func newMemory(t testing.TB, local adapter.Local) adapter.Adapter {
	t.Helper()
	a, err := adapter.Memory()("/", local)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func add(t testing.TB, a adapter.Adapter, id string, rooms ...string) *member {
	t.Helper()
	m := &member{id}
	if err := a.Add(context.Background(), m, rooms...); err != nil {
		t.Fatal(err)
	}
	return m
}

func addMany(t testing.TB, a adapter.Adapter, n int, rooms func(i int) []string) []*member {
	t.Helper()
	all := make([]*member, n)
	for i := range all {
		all[i] = add(t, a, fmt.Sprintf("socket%06d", i), rooms(i)...)
	}
	return all
}

// chosen broadcasts and returns the IDs reached, sorted.
func chosen(t testing.TB, a adapter.Adapter, s *stub, to adapter.Selector) []string {
	t.Helper()
	var ids []string
	s.deliver = func(members iter.Seq[adapter.Member]) {
		for m := range members {
			ids = append(ids, m.ID())
		}
	}
	if err := a.Broadcast(context.Background(), packet, to, adapter.Flags{}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}
