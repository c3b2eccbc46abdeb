package sio

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/parser"
)

// A Sent is an event that was sent, and what became of it; see
// [Namespace.OnSent]. It is valid until the hook returns.
type Sent struct {
	Event         string
	Args          Payload  // as Emit got them, without the offset of recovery
	Socket        *Socket  // the receiver of [Socket.Emit]; nil for a broadcast
	Rooms, Except []string // of a broadcast; without Rooms, to the whole namespace
	Volatile      bool
	// Delivered is the number of sockets of this node that it was handed to.
	Delivered int
	// Stored is its place in the [Log]; the zero Place if it is not durable.
	Stored Place
}

// OnSent calls fn for every event that was sent without an error: once for a
// broadcast, however many sockets it reached. It is not called for
// acknowledgements, nor for [Target.EmitCall]. fn runs on the goroutine that
// sends, before Emit returns, with no lock held.
func (n *Namespace) OnSent(fn func(ctx context.Context, e Sent)) {
	n.change(func(h *hooks) { h.sent = append(slices.Clone(h.sent), fn) })
}

func (n *Namespace) sentHooks() []func(context.Context, Sent) {
	return inherit(n, func(h *hooks) []func(context.Context, Sent) { return h.sent })
}

// send broadcasts an event, and tells the hooks when there are some.
func (t Target) send(ctx context.Context, name string, p *parser.Packet, f adapter.Flags) error {
	hooks := t.ns.sentHooks()
	if len(hooks) == 0 {
		return t.broadcast(ctx, p, f, nil)
	}
	e := Sent{Event: name, Args: t.ns.srv.opts.Codec.Rest(clonePayload(p.Payload)), Rooms: t.sel.Rooms, Except: t.sel.Except, Volatile: f.Volatile}
	var delivered atomic.Int64
	t.ns.counts.Store(p, &delivered)
	defer t.ns.counts.Delete(p)
	if err := t.broadcast(ctx, p, f, &e.Stored); err != nil {
		return err
	}
	e.Delivered = int(delivered.Load())
	for _, fn := range hooks {
		fn(ctx, e)
	}
	return nil
}

// broadcast hands an event over; *at becomes its place if it is stored.
func (t Target) broadcast(ctx context.Context, p *parser.Packet, f adapter.Flags, at *Place) error {
	if t.ns.recovery != nil {
		return t.ns.recovery.broadcast(ctx, p, t.sel, f, t.transient, at)
	}
	return t.ns.adapter.Broadcast(ctx, p, t.sel, f)
}

// count adds to the number of sockets that took a broadcast, if anybody asks.
func (n *Namespace) count(p *parser.Packet, delivered int64) {
	if len(n.sentHooks()) == 0 {
		return
	}
	if c, ok := n.counts.Load(p); ok {
		c.(*atomic.Int64).Add(delivered)
	}
}

// hearing describes an event that is about to be sent to one socket; nil when
// no hook wants to know.
func (s *Socket) hearing(name string, event Payload, volatile bool) *Sent {
	if s.ns == nil || len(s.ns.sentHooks()) == 0 {
		return nil
	}
	return &Sent{Event: name, Args: s.conn.srv.opts.Codec.Rest(clonePayload(event)), Socket: s, Volatile: volatile, Delivered: 1}
}
