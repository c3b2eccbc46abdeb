package sio

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/lane"
)

// A Socket is one client in one namespace. Its methods may be called by many
// goroutines at once.
//
// Handlers of one socket run one at a time, in the order in which its events
// arrived: first the guards, then OnConnect, then events, then OnDisconnecting
// and OnDisconnect. Different sockets run in parallel. An acknowledgement
// never waits behind an event, so a handler may call its own client.
type Socket struct {
	// What each delivery looks at lies close together.
	state   atomic.Uint32 // connecting, joining, connected, closed
	ready   atomic.Bool   // OnConnect has returned, so that its handlers are known
	more    atomic.Bool   // further events of this socket wait
	dirty   atomic.Bool   // rooms or values have changed since they were stored
	discard atomic.Bool   // the server disconnected: waiting events are dropped
	lastSeq atomic.Uint64 // of the last logged event sent; for recovery
	eng     *engine.Conn  // that of conn
	conn    *conn

	name  string     // the namespace as the client wrote it
	ns    *Namespace // nil until the handshake has found it
	id    string
	pid   string // private ID for recovery; empty when it is off
	fence uint64 // of its stored session
	auth  []byte
	lane  lane.Lane[*Request]

	left      uint64 // newest event in memory when it was about to leave its rooms
	recovered bool
	admitted  bool // its session is its own; guarded by the recovery
	greeted   bool // connected once; only the lane uses it
	leave     sync.Once
	own       registry

	mu     sync.Mutex
	acks   map[int64]pendingAck
	done   chan struct{}
	after  map[*func()]struct{} // context.AfterFunc of derived contexts
	early  []early              // deliveries while joining
	rooms  []string             // before joining, and after leaving
	since  map[string]position  // when rooms were joined, for recovery; never changed
	stored *stored              // nil: the session was not stored
	values map[string]any
	path   []string // values of the wildcards of the namespace's name
	reason Reason
	hooks  *socketHooks
}

// The states of a socket, in order.
const (
	connecting uint32 = iota // guards run; deliveries pass it by
	joining                  // in its rooms; deliveries wait for CONNECT to be sent
	connected
	closed
)

// socketHooks are what was registered on one socket; most have none.
type socketHooks struct {
	any           []*func(context.Context, *Request)
	anyOutgoing   []*func(name string, args Payload)
	disconnect    []func(context.Context, Reason)
	disconnecting []func(context.Context, Reason)
}

func newSocket(c *conn, name string, auth []byte) *Socket {
	s := &Socket{conn: c, eng: c.eng, name: name, auth: auth, id: newID()}
	s.lane.Init(c.srv.opts.Limits.Events, s.run, &c.srv.crew)
	return s
}

// ID returns the socket's public ID: socket.id. It is also the name of a room
// that the socket is in from the start. It is unrelated to the secret session
// ID of the connection.
func (s *Socket) ID() string { return s.id }

// Namespace returns the socket's namespace: socket.nsp.
func (s *Socket) Namespace() *Namespace { return s.ns }

// Context is done when the socket disconnects. It has the values of the
// context of [Socket.Request].
func (s *Socket) Context() context.Context { return (*socketContext)(s) }

// Connected reports whether the socket is connected: socket.connected.
func (s *Socket) Connected() bool { return s.state.Load() == connected }

// Recovered reports whether the socket goes on from a lost connection, with
// its ID, rooms and values: socket.recovered.
func (s *Socket) Recovered() bool { return s.recovered }

// Transport returns what carries the connection now, "polling" or "websocket".
func (s *Socket) Transport() string { return s.eng.Transport() }

// Conn returns the Engine.IO connection, which sockets of other namespaces may
// share: socket.conn.
func (s *Socket) Conn() *engine.Conn { return s.eng }

// Request returns the HTTP request that opened the connection, without its
// body: socket.request. It is made anew by each call.
func (s *Socket) Request() *http.Request { return s.eng.Request() }

// Auth decodes what the client sent to authenticate into v, a pointer:
// handshake.auth. If it sent nothing, v stays as it is.
func (s *Socket) Auth(v any) error {
	if len(s.auth) == 0 {
		return nil
	}
	return s.conn.srv.opts.Codec.UnmarshalValue(Payload{Data: s.auth}, v)
}

// PathValue returns what the wildcard {name} of the namespace's pattern stands
// for, or "". Of a regular expression, it returns the group of that name.
func (s *Socket) PathValue(name string) string {
	for i := 0; i+1 < len(s.path); i += 2 {
		if s.path[i] == name {
			return s.path[i+1]
		}
	}
	return ""
}

// Set keeps a value on the socket under key: socket.data. Values are carried
// over by recovery and, encoded as JSON, shown to other nodes by [Target.All]
// and stored if sessions are.
func (s *Socket) Set(key string, value any) {
	s.mu.Lock()
	if s.values == nil {
		s.values = make(map[string]any)
	}
	s.values[key] = value
	s.mu.Unlock()
	s.touch()
}

// Get returns the value that Set keeps under key, or nil. One that was stored
// and read again has the type that encoding/json gives it; see [Value].
func (s *Socket) Get(key string) any {
	v, _ := Value[any](s, key)
	return v
}

// Value returns the value that [Socket.Set] keeps under key, and whether it is
// there as a T. One that was stored and read again is decoded to a T.
func Value[T any](s *Socket, key string) (v T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.values[key]
	if raw, stored := have.(restored); stored {
		if err := json.Unmarshal(raw, &v); err != nil {
			return v, false
		}
		s.values[key] = v
		return v, true
	}
	v, ok = have.(T)
	return v, ok
}

// Data returns a copy of all values kept by Set.
func (s *Socket) Data() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := maps.Clone(s.values)
	for key, v := range data {
		if raw, ok := v.(restored); ok {
			data[key] = json.RawMessage(raw)
		}
	}
	return data
}

// Join adds the socket to rooms: socket.join. In a guard it takes effect when
// the socket connects. It returns [ErrClosed] when the socket is closed, and
// [ErrTooManyRooms] when [Limits].Rooms would be passed, and [ErrNameTooLong]
// when the name of one passes [Limits].NameBytes.
func (s *Socket) Join(ctx context.Context, rooms ...string) error {
	for _, room := range rooms {
		if over(len(room), s.conn.srv.opts.Limits.NameBytes) {
			s.conn.srv.stats.roomOverflows.Add(1)
			return ErrNameTooLong
		}
	}
	if s.state.Load() < joining {
		s.mu.Lock()
		if s.state.Load() < joining {
			defer s.mu.Unlock()
			limit := s.conn.srv.opts.Limits.Rooms
			fresh := freshRooms(s.rooms, rooms)
			if over(len(s.rooms)+len(fresh), limit) {
				s.conn.srv.stats.roomOverflows.Add(1)
				return ErrTooManyRooms
			}
			s.rooms = append(s.rooms, fresh...)
			return nil
		}
		s.mu.Unlock()
	}
	if s.state.Load() == closed {
		return ErrClosed
	}
	if limit := s.conn.srv.opts.Limits.Rooms; limit >= 0 {
		have := s.ns.adapter.Rooms(s)
		rooms = freshRooms(have, rooms)     // of which the adapter has little work
		if len(have)+len(rooms) > limit+1 { // its own room does not count
			s.conn.srv.stats.roomOverflows.Add(1)
			return ErrTooManyRooms
		}
	}
	if r := s.ns.recovery; r != nil {
		if err := r.joins(ctx, s, rooms); err != nil {
			return err
		}
	}
	if err := s.ns.adapter.Join(ctx, s, rooms...); err != nil {
		return err
	}
	if s.state.Load() == closed {
		// It closed meanwhile; what leaveAll took before is taken again.
		_ = s.ns.adapter.Remove(context.WithoutCancel(ctx), s)
		return ErrClosed
	}
	s.touch()
	return nil
}

// freshRooms returns those of rooms that are not in have, each once. A client
// may be the author of many names, so many are not compared each with each.
func freshRooms(have, rooms []string) (fresh []string) {
	if len(rooms) <= 8 {
		for _, room := range rooms {
			if !slices.Contains(have, room) && !slices.Contains(fresh, room) {
				fresh = append(fresh, room)
			}
		}
		return fresh
	}
	seen := make(map[string]struct{}, len(have))
	for _, room := range have {
		seen[room] = struct{}{}
	}
	for _, room := range rooms {
		if _, ok := seen[room]; !ok {
			seen[room] = struct{}{}
			fresh = append(fresh, room)
		}
	}
	return fresh
}

// Leave takes the socket out of rooms: socket.leave. When it has returned, the
// socket gets nothing any more that is sent to them.
func (s *Socket) Leave(ctx context.Context, rooms ...string) error {
	s.mu.Lock()
	if s.state.Load() < joining {
		s.rooms = slices.DeleteFunc(s.rooms, func(r string) bool { return slices.Contains(rooms, r) })
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	if s.state.Load() == closed {
		return nil
	}
	err := s.ns.adapter.Leave(ctx, s, rooms...)
	if r := s.ns.recovery; r != nil && err == nil {
		err = r.leaves(ctx, s, rooms)
	}
	s.touch()
	return err
}

// Rooms returns the rooms of the socket, its own ID first: socket.rooms. After
// it disconnected they are those that it was in.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	state, rooms := s.state.Load(), slices.Clone(s.rooms)
	s.mu.Unlock()
	if state == joining || state == connected {
		return s.ns.adapter.Rooms(s)
	}
	return rooms
}

// Broadcast targets every socket of the namespace but s: socket.broadcast.
func (s *Socket) Broadcast() Target { return s.ns.Target.Except(s.id) }

// To targets the sockets in any of rooms, but not s: socket.to.
func (s *Socket) To(rooms ...string) Target { return s.ns.To(rooms...).Except(s.id) }

// Except targets every socket of the namespace but s and those in rooms: socket.except.
func (s *Socket) Except(rooms ...string) Target { return s.Broadcast().Except(rooms...) }

// Handle registers h for an event of this socket, in addition to what its
// namespace handles, before which it is asked. It returns what removes h. It
// panics when the socket has a handler for the event, or the name is reserved.
func (s *Socket) Handle(event string, h Handler) (off func()) { return s.own.add(event, h, false) }

// Once is Handle for the next such event only.
func (s *Socket) Once(event string, h Handler) (off func()) { return s.own.add(event, h, true) }

// UseEvents wraps the handlers of this socket's events, those of the namespace
// too, in middleware: socket.use. The first one is the outermost.
func (s *Socket) UseEvents(mw ...func(Handler) Handler) { s.own.use(mw) }

// OnAny calls fn for every event of this socket before it is handled, also
// when nothing handles it: socket.onAny. It returns what removes fn.
func (s *Socket) OnAny(fn func(ctx context.Context, r *Request)) (off func()) {
	p := &fn
	s.hook(func(h *socketHooks) { h.any = append(slices.Clone(h.any), p) })
	return func() {
		s.hook(func(h *socketHooks) {
			h.any = slices.DeleteFunc(slices.Clone(h.any), func(q *func(context.Context, *Request)) bool { return q == p })
		})
	}
}

// OnAnyOutgoing calls fn for every event sent to this socket, by broadcasts of
// this node too, but not for acknowledgements: socket.onAnyOutgoing. fn runs on
// the goroutine that sends or, for a broadcast, shortly after on one of the
// namespace; args is valid until it returns. It returns what removes fn.
func (s *Socket) OnAnyOutgoing(fn func(event string, args Payload)) (off func()) {
	p := &fn
	s.hook(func(h *socketHooks) { h.anyOutgoing = append(slices.Clone(h.anyOutgoing), p) })
	s.conn.srv.outgoing.Add(1)
	var once sync.Once
	return func() {
		once.Do(func() {
			s.conn.srv.outgoing.Add(-1)
			s.hook(func(h *socketHooks) {
				h.anyOutgoing = slices.DeleteFunc(slices.Clone(h.anyOutgoing), func(q *func(string, Payload)) bool { return q == p })
			})
		})
	}
}

// OnDisconnecting calls fn when this socket disconnects, before OnDisconnect;
// [Socket.Rooms] still tells its rooms.
func (s *Socket) OnDisconnecting(fn func(ctx context.Context, why Reason)) {
	s.hook(func(h *socketHooks) { h.disconnecting = append(h.disconnecting, fn) })
}

// OnDisconnect calls fn after the last event of this socket.
func (s *Socket) OnDisconnect(fn func(ctx context.Context, why Reason)) {
	s.hook(func(h *socketHooks) { h.disconnect = append(h.disconnect, fn) })
}

func (s *Socket) hook(fn func(h *socketHooks)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var h socketHooks
	if s.hooks != nil {
		h = *s.hooks
	}
	fn(&h)
	s.hooks = &h
}

func (s *Socket) hooked() *socketHooks {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hooks == nil {
		return &socketHooks{}
	}
	return s.hooks
}

// Disconnect makes the socket leave the namespace: socket.disconnect(). Events
// that wait to be handled are dropped. The connection stays, for other namespaces.
func (s *Socket) Disconnect() { s.disconnect(false) }

// DisconnectConn closes the whole connection with all its namespaces:
// socket.disconnect(true).
func (s *Socket) DisconnectConn() { s.disconnect(true) }

// describe says what other nodes may know of the socket.
func (s *Socket) describe() adapter.Socket {
	return adapter.Socket{ID: s.id, Handshake: s.handshakeJSON(), Data: s.dataJSON()}
}
