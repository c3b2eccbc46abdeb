package adaptertest_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/adapter/adaptertest"
	"github.com/roomwire/roomwire/parser"
)

// linked is the simplest cluster: each node calls the others' memory. It is there
// to run the cases that need one.
type linked struct {
	adapter.Adapter // own memory
	local           adapter.Local
	closed          atomic.Bool
	others          []*linked
}

func link(t *testing.T, locals []adapter.Local) []adapter.Adapter {
	nodes := make([]*linked, len(locals))
	all := make([]adapter.Adapter, len(locals))
	for i, local := range locals {
		a, err := adapter.Memory()("/", local)
		if err != nil {
			t.Fatal(err)
		}
		nodes[i] = &linked{Adapter: a, local: local}
		all[i] = nodes[i]
	}
	for i, n := range nodes {
		n.others = append(append(n.others, nodes[:i]...), nodes[i+1:]...)
	}
	return all
}

// peers returns the nodes that to is for, l first.
func (l *linked) peers(to adapter.Selector) []*linked {
	list := []*linked{l}
	for _, o := range l.others {
		if !to.Local && !o.closed.Load() {
			list = append(list, o)
		}
	}
	return list
}

func (l *linked) Broadcast(ctx context.Context, p *parser.Packet, to adapter.Selector, f adapter.Flags) error {
	for _, n := range l.peers(to) {
		_ = n.Adapter.Broadcast(ctx, p, to, f)
	}
	return nil
}

func (l *linked) BroadcastCall(ctx context.Context, p *parser.Packet, to adapter.Selector, f adapter.Flags) iter.Seq2[adapter.Reply, error] {
	return func(yield func(adapter.Reply, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		replies := make(chan adapter.Reply)
		late := atomic.Bool{}
		var calls sync.WaitGroup
		for _, n := range l.peers(to) {
			calls.Go(func() {
				for r, err := range n.Adapter.BroadcastCall(ctx, p, to, f) {
					if err != nil {
						late.Store(true)
						return
					}
					select {
					case replies <- r:
					case <-ctx.Done():
						return
					}
				}
			})
		}
		go func() {
			calls.Wait()
			close(replies)
		}()
		defer calls.Wait()
		defer cancel()
		for r := range replies {
			if !yield(r, nil) {
				return
			}
		}
		if late.Load() {
			yield(adapter.Reply{}, adapter.ErrTimeout)
		}
	}
}

func (l *linked) Sockets(ctx context.Context, to adapter.Selector) iter.Seq2[adapter.Socket, error] {
	return func(yield func(adapter.Socket, error) bool) {
		for _, n := range l.peers(to) {
			for s, err := range n.Adapter.Sockets(ctx, to) {
				if n != l {
					s.Member = nil
				}
				if !yield(s, err) {
					return
				}
			}
		}
	}
}

func (l *linked) JoinAll(ctx context.Context, to adapter.Selector, rooms ...string) error {
	for _, n := range l.peers(to) {
		_ = n.Adapter.JoinAll(ctx, to, rooms...)
	}
	return nil
}

func (l *linked) LeaveAll(ctx context.Context, to adapter.Selector, rooms ...string) error {
	for _, n := range l.peers(to) {
		_ = n.Adapter.LeaveAll(ctx, to, rooms...)
	}
	return nil
}

func (l *linked) DisconnectAll(ctx context.Context, to adapter.Selector, closeConn bool) error {
	for _, n := range l.peers(to) {
		_ = n.Adapter.DisconnectAll(ctx, to, closeConn)
	}
	return nil
}

func (l *linked) ServerEmit(ctx context.Context, p *parser.Packet) iter.Seq2[adapter.Reply, error] {
	return func(yield func(adapter.Reply, error) bool) {
		for _, n := range l.peers(adapter.Selector{})[1:] {
			answer, err := n.local.ServerEvent(ctx, p)
			if answer != nil && !yield(adapter.Reply{Payload: *answer}, err) {
				return
			}
		}
	}
}

func (l *linked) Nodes(context.Context) (int, error) { return len(l.peers(adapter.Selector{})), nil }

func (l *linked) Close(ctx context.Context) error {
	l.closed.Store(true)
	return l.Adapter.Close(ctx)
}

func TestLinkedMemories(t *testing.T) {
	for name, bubble := range map[string]bool{"bubble": true, "real time": false} {
		t.Run(name, func(t *testing.T) {
			adaptertest.Run(t, adaptertest.Features{Cluster: true, Bubble: bubble, RoomEvents: true}, link)
		})
	}
}
