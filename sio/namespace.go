package sio

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomwire/roomwire/adapter"
)

// A Namespace is a part of the server with its own sockets, rooms, guards and
// handlers. It is also the [Target] of all its sockets. Its methods may be
// called by many goroutines at once; what is registered holds for the events
// that come after.
//
// A namespace made from a pattern is the parent of those that match it. What
// is registered on it holds for them, what is emitted to it reaches all of
// them on this node; it has no sockets of its own.
type Namespace struct {
	Target

	srv     *Server
	name    string
	dynamic *Namespace // the parent it was made from, or nil
	parent  bool
	match   matcher // of a parent
	byName  bool    // match looks at the name alone

	start    sync.Once // makes the adapter
	startErr error
	adapter  adapter.Adapter
	recovery *recovery // nil: off

	refs   int         // sockets, the connecting ones too; guarded by srv.mu
	expiry *time.Timer // of an empty dynamic one with sessions; guarded by srv.mu
	ackID  atomic.Int64
	counts sync.Map // of *parser.Packet to *atomic.Int64: broadcasts that hooks want counted
	own    registry
	hooks  atomic.Pointer[hooks]
	edit   sync.Mutex // of hooks

	mu      sync.RWMutex
	sockets map[string]*Socket
	later   later
}

// hooks are what was registered on a namespace. They never change; a
// registration makes new ones.
type hooks struct {
	guards        []func(context.Context, *Socket) error
	connect       []func(context.Context, *Socket) error
	disconnecting []func(context.Context, *Socket, Reason)
	disconnect    []func(context.Context, *Socket, Reason)
	any           []func(context.Context, *Request)
	anyOutgoing   []func(*Socket, string, Payload)
	sent          []func(context.Context, Sent)
	room          []func(RoomEvent)
	server        map[string]Handler
}

func newNamespace(srv *Server, name string) *Namespace {
	n := &Namespace{srv: srv, name: name, sockets: make(map[string]*Socket)}
	n.Target.ns = n
	n.hooks.Store(&hooks{})
	n.later.init(n)
	return n
}

// open makes the adapter, once.
func (n *Namespace) open() error {
	n.start.Do(func() {
		n.adapter, n.startErr = n.srv.opts.Adapter(n.name, (*local)(n))
		if n.startErr == nil && n.srv.opts.Recovery != nil {
			n.recovery, n.startErr = newRecovery(n, n.srv.opts.Recovery)
		}
	})
	return n.startErr
}

// Name returns the name, with its leading slash.
func (n *Namespace) Name() string { return n.name }

// Server returns the server of the namespace.
func (n *Namespace) Server() *Server { return n.srv }

// Use adds a guard that every socket must pass before it connects, in the
// order of registration: namespace.use. An error refuses the socket: the
// client's connect_error gets the message and data of an [*Error], or
// "internal error". In a guard a socket may join rooms and be emitted to,
// but gets no broadcasts yet.
func (n *Namespace) Use(guard func(ctx context.Context, s *Socket) error) {
	n.change(func(h *hooks) { h.guards = append(slices.Clone(h.guards), guard) })
}

// UseEvents wraps every handler of the namespace, those registered before and
// after, in middleware. The first one is the outermost.
func (n *Namespace) UseEvents(mw ...func(Handler) Handler) { n.own.use(mw) }

// OnConnect calls fn for each new socket before its first event: the
// connection event. An error is logged and disconnects the socket.
func (n *Namespace) OnConnect(fn func(ctx context.Context, s *Socket) error) {
	n.change(func(h *hooks) { h.connect = append(slices.Clone(h.connect), fn) })
}

// OnDisconnecting calls fn when a socket disconnects, before OnDisconnect: the
// disconnecting event. [Socket.Rooms] still tells the rooms it was in.
func (n *Namespace) OnDisconnecting(fn func(ctx context.Context, s *Socket, why Reason)) {
	n.change(func(h *hooks) { h.disconnecting = append(slices.Clone(h.disconnecting), fn) })
}

// OnDisconnect calls fn after the last event of a socket: the disconnect event.
func (n *Namespace) OnDisconnect(fn func(ctx context.Context, s *Socket, why Reason)) {
	n.change(func(h *hooks) { h.disconnect = append(slices.Clone(h.disconnect), fn) })
}

// OnAny calls fn for every event of every socket before it is handled, also
// when nothing handles it: onAny.
func (n *Namespace) OnAny(fn func(ctx context.Context, r *Request)) {
	n.change(func(h *hooks) { h.any = append(slices.Clone(h.any), fn) })
}

// OnAnyOutgoing calls fn for every event sent to each socket of this node, by
// broadcasts too, but not for acknowledgements: onAnyOutgoing. fn runs on the
// goroutine that sends or, for a broadcast, shortly after on one of the
// namespace; args is valid until it returns.
func (n *Namespace) OnAnyOutgoing(fn func(s *Socket, event string, args Payload)) {
	n.change(func(h *hooks) { h.anyOutgoing = append(slices.Clone(h.anyOutgoing), fn) })
	n.srv.outgoing.Add(1)
}

// OnRoom calls fn when a room is made, joined, left or gone: create-room,
// join-room, leave-room, delete-room. The calls come one at a time, shortly
// after the change, and in the order of the changes of each room.
func (n *Namespace) OnRoom(fn func(e RoomEvent)) {
	n.change(func(h *hooks) { h.room = append(slices.Clone(h.room), fn) })
}

// Handle registers h for an event of every socket and returns what removes it.
// It panics when the event has a handler, or its name is reserved.
func (n *Namespace) Handle(event string, h Handler) (off func()) { return n.own.add(event, h, false) }

// HandleServer registers h for an event that another node of the cluster
// sends with [Namespace.ServerEmit]: io.on. Its Request has no Socket.
func (n *Namespace) HandleServer(event string, h Handler) {
	n.change(func(hk *hooks) {
		hk.server = maps.Clone(hk.server)
		if hk.server == nil {
			hk.server = map[string]Handler{}
		}
		hk.server[event] = h
	})
}

// Sockets yields the connected sockets of this node: namespace.sockets.
func (n *Namespace) Sockets() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		n.mu.RLock()
		all := slices.Collect(maps.Values(n.sockets))
		n.mu.RUnlock()
		for _, s := range all {
			if !yield(s) {
				return
			}
		}
	}
}

// Socket returns the socket of this node with an ID, or nil.
func (n *Namespace) Socket(id string) *Socket {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.sockets[id]
}

// Len returns the number of connected sockets of this node.
func (n *Namespace) Len() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.sockets)
}

// Rooms returns the names of the rooms that have a socket on this node, those
// of the sockets' own IDs too.
func (n *Namespace) Rooms(ctx context.Context) ([]string, error) {
	if n.parent {
		return nil, ErrParent
	}
	return n.adapter.AllRooms(ctx)
}

// enter puts a socket into its rooms.
func (n *Namespace) enter(ctx context.Context, s *Socket, rooms []string) error {
	n.mu.Lock()
	n.sockets[s.id] = s
	n.mu.Unlock()
	return n.adapter.Add(ctx, s, rooms...)
}

// forget takes a socket out of the table of those that are connected.
func (n *Namespace) forget(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sockets[s.id] == s {
		delete(n.sockets, s.id)
	}
}

// nextAck makes an acknowledgement ID; the sockets of a namespace share them,
// so that a broadcast has the same for all.
func (n *Namespace) nextAck() int64 { return n.ackID.Add(1) - 1 }

func (n *Namespace) change(fn func(h *hooks)) {
	n.edit.Lock()
	defer n.edit.Unlock()
	h := *n.hooks.Load()
	fn(&h)
	n.hooks.Store(&h)
}

// find returns the route of an event, of the namespace or of its parent.
func (n *Namespace) find(name []byte) *route {
	if r := n.own.find(name); r != nil || n.dynamic == nil {
		return r
	}
	return n.dynamic.own.find(name)
}

// handles reports whether an event would reach anything.
func (n *Namespace) handles(name []byte) bool {
	for ; n != nil; n = n.dynamic {
		if n.own.load().byName[string(name)] != nil || len(n.hooks.Load().any) > 0 {
			return true
		}
	}
	return false
}

// inherit joins what was registered on the parent and on the namespace itself.
func inherit[T any](n *Namespace, pick func(h *hooks) []T) []T {
	own := pick(n.hooks.Load())
	if n.dynamic == nil {
		return own
	}
	above := pick(n.dynamic.hooks.Load())
	if len(above) == 0 {
		return own
	}
	return slices.Concat(above, own)
}

func (n *Namespace) guards() []func(context.Context, *Socket) error {
	return inherit(n, func(h *hooks) []func(context.Context, *Socket) error { return h.guards })
}

func (n *Namespace) connectHooks() []func(context.Context, *Socket) error {
	return inherit(n, func(h *hooks) []func(context.Context, *Socket) error { return h.connect })
}

func (n *Namespace) anyHooks() []func(context.Context, *Request) {
	return inherit(n, func(h *hooks) []func(context.Context, *Request) { return h.any })
}

func (n *Namespace) outgoingHooks() []func(*Socket, string, Payload) {
	return inherit(n, func(h *hooks) []func(*Socket, string, Payload) { return h.anyOutgoing })
}

func (n *Namespace) roomHooks() []func(RoomEvent) {
	return inherit(n, func(h *hooks) []func(RoomEvent) { return h.room })
}

func (n *Namespace) disconnectHooks() (disconnecting, disconnect []func(context.Context, *Socket, Reason)) {
	return inherit(n, func(h *hooks) []func(context.Context, *Socket, Reason) { return h.disconnecting }),
		inherit(n, func(h *hooks) []func(context.Context, *Socket, Reason) { return h.disconnect })
}

// children yields the namespaces that were made from a parent.
func (n *Namespace) children() iter.Seq[*Namespace] {
	n.srv.mu.Lock()
	var all []*Namespace
	for _, child := range n.srv.namespaces {
		if child.dynamic == n {
			all = append(all, child)
		}
	}
	n.srv.mu.Unlock()
	return slices.Values(all)
}
