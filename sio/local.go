package sio

import (
	"context"
	"iter"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/internal/lane"
	"github.com/roomwire/roomwire/parser"
)

// local is what the adapter of a namespace may ask of it.
type local Namespace

// heard tells the catch-all hooks what was sent to sockets.
func (l *local) heard(sockets []*Socket, p parser.Payload) {
	l.later.do(func() {
		name, err := l.srv.opts.Codec.Event(p)
		if err != nil {
			return
		}
		event := string(name)
		args := l.srv.opts.Codec.Rest(p)
		for _, s := range sockets {
			s.outgoing(event, args)
		}
	})
}

// Call implements adapter.Local.
func (l *local) Call(ctx context.Context, groups iter.Seq[[]adapter.Member], p *parser.Packet, f adapter.Flags, reply func(adapter.Reply)) (n int) {
	ns := (*Namespace)(l)
	frames := prepare(ns.srv.opts.Codec, p)
	var asked []*Socket
	for group := range groups {
		for _, m := range group {
			s := m.(*Socket)
			err := s.expect(p.ID, func(p parser.Payload, err error) {
				if err == nil {
					reply(adapter.Reply{SocketID: s.id, Payload: clonePayload(p)})
				}
			})
			if err != nil {
				continue
			}
			if s.deliver(frames, modeOf(f)) != nil {
				s.forget(p.ID)
				continue
			}
			s.eng.Block() // the caller, which waits, may be what reads
			asked = append(asked, s)
		}
	}
	ns.srv.stats.eventsOut.Add(int64(len(asked)))
	context.AfterFunc(ctx, func() {
		for _, s := range asked {
			if s.forget(p.ID) {
				ns.srv.stats.ackTimeouts.Add(1)
			}
		}
	})
	return len(asked)
}

// Describe implements adapter.Local.
func (l *local) Describe(m adapter.Member) adapter.Socket { return m.(*Socket).describe() }

// Disconnect implements adapter.Local.
func (l *local) Disconnect(m adapter.Member, closeConn bool) { m.(*Socket).disconnect(closeConn) }

// ServerEvent implements adapter.Local.
func (l *local) ServerEvent(ctx context.Context, p *parser.Packet) (*parser.Payload, error) {
	n := (*Namespace)(l)
	codec := n.srv.opts.Codec
	name, err := codec.Event(p.Payload)
	if err != nil {
		return nil, err
	}
	h := n.hooks.Load().server[string(name)]
	if h == nil {
		return nil, nil
	}
	var answer *parser.Payload
	r := &Request{Event: string(name), codec: codec, ackID: p.ID}
	r.ack = func(_ *Request, reply parser.Payload) error {
		c := clonePayload(reply)
		answer = &c
		return nil
	}
	r.args = codec.Rest(clonePayload(p.Payload))
	if r.call(ctx, h, n.srv.log) {
		n.srv.stats.panics.Add(1)
	}
	return answer, nil
}

// A RoomEvent is a change of a room.
type RoomEvent struct {
	Kind   RoomEventKind
	Room   string
	Socket *Socket // who joined or left; nil for RoomCreated and RoomDeleted
}

// A RoomEventKind is the kind of a [RoomEvent].
type RoomEventKind = adapter.RoomEventKind

// The kinds of [RoomEvent].
const (
	RoomCreated = adapter.RoomCreated // create-room
	RoomJoined  = adapter.RoomJoined  // join-room
	RoomLeft    = adapter.RoomLeft    // leave-room
	RoomDeleted = adapter.RoomDeleted // delete-room
)

// later runs hooks outside of every lock, in order, on a goroutine that exists
// only while there are some.
type later struct{ lane lane.Lane[func()] }

func (l *later) init(n *Namespace) {
	l.lane.Init(1, func(batch []func()) {
		for _, fn := range batch {
			if err := protect(func() error { fn(); return nil }); err != nil {
				n.srv.stats.panics.Add(1)
				n.srv.log.Error("sio: hook panicked", "namespace", n.name, "error", err)
			}
		}
	}, &n.srv.crew)
}

func (l *later) do(fn func()) { l.lane.Force(fn) }

// WantsRoomEvents tells the adapter whether anybody listens.
func (l *local) WantsRoomEvents() bool {
	return l.recovery != nil && l.recovery.durable != nil || len((*Namespace)(l).roomHooks()) > 0
}

// RoomEvent implements adapter.Local.
func (l *local) RoomEvent(e adapter.RoomEvent) {
	s, _ := e.Member.(*Socket)
	if s != nil && l.recovery != nil {
		s.touch() // it may have been moved by a Target
	}
	if len((*Namespace)(l).roomHooks()) == 0 {
		return
	}
	ev := RoomEvent{Kind: e.Kind, Room: e.Room, Socket: s}
	l.later.do(func() {
		for _, fn := range (*Namespace)(l).roomHooks() {
			fn(ev)
		}
	})
}
