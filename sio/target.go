package sio

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/internal/typed"
	"github.com/roomwire/roomwire/parser"
)

// A Target is a choice of sockets, on any node: the BroadcastOperator of
// Node.js. It is a value: each method returns a new, narrower one, so that
// many goroutines may use the same. A Target comes from a [Namespace], a
// [Server] or a [Socket].
type Target struct {
	ns    *Namespace
	one   *Socket // this socket alone
	sel   adapter.Selector
	flags adapter.Flags

	transient bool // not logged for recovery
}

// To adds rooms; a socket in several of them gets an event once. Without any
// To or In, every socket of the namespace is meant.
func (t Target) To(rooms ...string) Target {
	t.sel.Rooms = slices.Concat(t.sel.Rooms, rooms)
	return t
}

// In is To.
func (t Target) In(rooms ...string) Target { return t.To(rooms...) }

// Except leaves out the sockets in rooms; a socket's ID is such a room.
func (t Target) Except(rooms ...string) Target {
	t.sel.Except = slices.Concat(t.sel.Except, rooms)
	return t
}

// Local keeps to the sockets of this node.
func (t Target) Local() Target { t.sel.Local = true; return t }

// Volatile lets the event be dropped for sockets whose connection cannot take
// it at once.
func (t Target) Volatile() Target { t.flags.Volatile = true; return t }

// Transient keeps the event out of recovery: who is away when it is sent does
// not get it on coming back. It is for what is kept elsewhere, or soon worth
// nothing.
func (t Target) Transient() Target { t.transient = true; return t }

// Compress says whether connections that can compress should; the default is that they do.
func (t Target) Compress(on bool) Target { t.flags.NoCompress = !on; return t }

// Timeout bounds the wait for acknowledgements in [Target.EmitCall]; 0, the
// default, is as long as its context lasts.
func (t Target) Timeout(d time.Duration) Target { t.flags.Timeout = d; return t }

// Emit sends an event to every socket chosen: io.emit. It is encoded once, and
// queued for connections that do not take it at once; ctx bounds what an
// adapter of a cluster needs. A socket that joins while Emit runs may or may
// not get the event. Events that one goroutine emits arrive in that order.
func (t Target) Emit(ctx context.Context, name string, args ...any) error {
	if reserved(name) {
		return ErrReserved
	}
	if t.one != nil {
		return t.one.emit(ctx, name, args, -1, modeOf(t.flags), t.transient)
	}
	if t.ns.parent {
		for child := range t.ns.children() {
			c := t
			c.ns = child
			if err := c.Emit(ctx, name, args...); err != nil {
				return err
			}
		}
		return nil
	}
	buf := getBuffer()
	defer putBuffer(buf)
	payload, err := marshal(t.ns.srv.opts.Codec, (*buf)[:0], name, args)
	if err != nil {
		return err
	}
	*buf = payload.Data
	f := t.flags
	f.Later = f.Later || waiting(ctx)
	p := parser.Packet{Type: parser.Event, Namespace: t.ns.name, ID: -1, Payload: payload}
	t.ns.srv.stats.broadcasts.Add(1)
	return t.send(ctx, name, &p, f)
}

// EmitCall sends an event to every socket chosen and yields their
// acknowledgements as they come, until all are in: emitWithAck of a broadcast.
// It ends with [ErrTimeout] when ctx or the Timeout is over before, and with
// other errors of the adapter. Breaking off is fine.
func (t Target) EmitCall(ctx context.Context, name string, args ...any) iter.Seq2[Reply, error] {
	return func(yield func(Reply, error) bool) {
		switch {
		case reserved(name):
			yield(Reply{}, ErrReserved)
			return
		case t.ns.parent:
			yield(Reply{}, ErrParent)
			return
		case t.one != nil:
			p, err := t.one.call(ctx, name, args)
			yield(Reply{SocketID: t.one.id, payload: p, codec: t.ns.srv.opts.Codec}, err)
			return
		}
		payload, err := marshal(t.ns.srv.opts.Codec, nil, name, args)
		if err != nil {
			yield(Reply{}, err)
			return
		}
		p := parser.Packet{Type: parser.Event, Namespace: t.ns.name, ID: t.ns.nextAck(), Payload: payload}
		for r, err := range t.ns.adapter.BroadcastCall(ctx, &p, t.sel, t.flags) {
			if !yield(Reply{SocketID: r.SocketID, payload: r.Payload, codec: t.ns.srv.opts.Codec}, err) {
				return
			}
		}
	}
}

// EmitAck sends an event to every socket chosen and decodes the first
// acknowledgement that comes into out. It lets a Target be used with
// event.Call; more useful with several sockets is [Target.EmitCall].
func (t Target) EmitAck(ctx context.Context, name string, out any, args ...any) error {
	for r, err := range t.EmitCall(ctx, name, args...) {
		if err != nil {
			return err
		}
		return r.Decode(out)
	}
	return ErrClosed
}

// All yields the sockets chosen, those of other nodes too: fetchSockets. An
// error means that a part of the answer is missing.
func (t Target) All(ctx context.Context) iter.Seq2[RemoteSocket, error] {
	return func(yield func(RemoteSocket, error) bool) {
		if t.ns.parent {
			yield(RemoteSocket{}, ErrParent)
			return
		}
		for s, err := range t.ns.adapter.Sockets(ctx, t.sel) {
			if !yield(RemoteSocket{desc: s, ns: t.ns}, err) {
				return
			}
		}
	}
}

// Join makes the sockets chosen join rooms: socketsJoin.
func (t Target) Join(ctx context.Context, rooms ...string) error {
	return t.each(func(ns *Namespace) error { return ns.adapter.JoinAll(ctx, t.sel, rooms...) })
}

// Leave makes the sockets chosen leave rooms: socketsLeave.
func (t Target) Leave(ctx context.Context, rooms ...string) error {
	return t.each(func(ns *Namespace) error { return ns.adapter.LeaveAll(ctx, t.sel, rooms...) })
}

// Disconnect makes the sockets chosen leave the namespace: disconnectSockets.
func (t Target) Disconnect(ctx context.Context) error {
	return t.each(func(ns *Namespace) error { return ns.adapter.DisconnectAll(ctx, t.sel, false) })
}

// DisconnectConn closes the connections of the sockets chosen, with all their
// namespaces: disconnectSockets(true).
func (t Target) DisconnectConn(ctx context.Context) error {
	return t.each(func(ns *Namespace) error { return ns.adapter.DisconnectAll(ctx, t.sel, true) })
}

// each calls fn for the target's namespace, or for the children of a parent.
func (t Target) each(fn func(ns *Namespace) error) error {
	if !t.ns.parent {
		return fn(t.ns)
	}
	for child := range t.ns.children() {
		if err := fn(child); err != nil {
			return err
		}
	}
	return nil
}

// A Reply is one acknowledgement of a broadcast.
type Reply struct {
	SocketID string // who sent it; empty for a socket of another node
	payload  Payload
	codec    parser.Codec
}

// Decode decodes the values of the acknowledgement, in order, into pointers.
// It returns an [*Error] when the peer answered with one.
func (r Reply) Decode(out ...any) error {
	if err := replyError(r.codec, r.payload); err != nil {
		return err
	}
	switch {
	case len(out) == 0 || len(out) == 1 && out[0] == nil:
		return nil
	case len(out) == 1:
		return typed.Into(r.codec, r.payload, out[0])
	}
	return r.codec.Unmarshal(r.payload, 0, out...)
}

// Args returns the values of the acknowledgement as they came; see [Request.Args].
func (r Reply) Args() *Payload { return &r.payload }

// replyError returns the error that an acknowledgement carries, if it has the
// form that a handler of this library gives one.
func replyError(c parser.Codec, p Payload) error {
	const prefix = `[{"error":{`
	if len(p.Data) < len(prefix) || string(p.Data[:len(prefix)]) != prefix {
		return nil
	}
	var v struct {
		Error struct {
			Message *string `json:"message"`
			Data    any     `json:"data"`
		} `json:"error"`
	}
	if err := c.Unmarshal(p, 0, &v); err != nil || v.Error.Message == nil {
		return nil
	}
	return &Error{Message: *v.Error.Message, Data: v.Error.Data}
}

// A RemoteSocket describes a socket on any node: the RemoteSocket of Node.js.
type RemoteSocket struct {
	desc adapter.Socket
	ns   *Namespace
}

// ID returns the socket's public ID.
func (s RemoteSocket) ID() string { return s.desc.ID }

// Node returns the ID of the node that the socket is connected to; empty for a single node.
func (s RemoteSocket) Node() string { return s.desc.Node }

// Rooms returns the rooms of the socket at the time of asking.
func (s RemoteSocket) Rooms() []string { return s.desc.Rooms }

// Local returns the socket itself if it is connected to this node, or nil.
func (s RemoteSocket) Local() *Socket {
	l, _ := s.desc.Member.(*Socket)
	return l
}

// Handshake returns the handshake as Node.js would encode it, without auth.
func (s RemoteSocket) Handshake() json.RawMessage { return s.desc.Handshake }

// Data decodes the values that [Socket.Set] keeps into v, a pointer to a map
// or struct.
func (s RemoteSocket) Data(v any) error { return json.Unmarshal(s.desc.Data, v) }

// Target targets this socket.
func (s RemoteSocket) Target() Target { return s.ns.To(s.desc.ID) }
