package client

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A handler is a registered function.
type handler struct {
	fn    func(ctx context.Context, r *Request) (any, error)
	reply bool // what it returns is the acknowledgement
	once  bool
	fired atomic.Bool
}

// handlers are those of a socket. The slices are replaced, never changed, so a
// caller may go through one without the lock.
type handlers struct {
	mu         sync.RWMutex
	events     map[string][]*handler
	incoming   []*func(ctx context.Context, r *Request)
	outgoing   []*func(name string, args []any)
	connect    []*func(ctx context.Context)
	disconnect []*func(ctx context.Context, why Reason)
	refused    []*func(ctx context.Context, err error)
}

// wants reports whether anybody would see an event.
func (h *handlers) wants(name []byte) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.incoming) > 0 || len(h.events[string(name)]) > 0
}

func (h *handlers) of(name string) []*handler {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.events[name]
}

func (h *handlers) add(name string, fn *handler) (off func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		h.events = map[string][]*handler{}
	}
	h.events[name] = append(slices.Clip(h.events[name]), fn)
	return func() { h.remove(name, fn) }
}

func (h *handlers) remove(name string, fn *handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if left := without(h.events[name], fn); len(left) > 0 {
		h.events[name] = left
	} else {
		delete(h.events, name)
	}
}

func (h *handlers) connects() []func(context.Context) { return snapshot(h, &h.connect) }
func (h *handlers) disconnects() []func(context.Context, Reason) {
	return snapshot(h, &h.disconnect)
}

func (h *handlers) connectErrors() []func(context.Context, error) { return snapshot(h, &h.refused) }

func (h *handlers) anyIncoming() []func(context.Context, *Request) { return snapshot(h, &h.incoming) }

func (h *handlers) anyOutgoing() []func(string, []any) { return snapshot(h, &h.outgoing) }

func snapshot[F any](h *handlers, list *[]*F) []F {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if len(*list) == 0 {
		return nil
	}
	fns := make([]F, len(*list))
	for i, fn := range *list {
		fns[i] = *fn
	}
	return fns
}

func register[F any](h *handlers, list *[]*F, fn F) (off func()) {
	return enlist(h, list, fn, false)
}

// enlist puts fn at the end of a list, or before all others.
func enlist[F any](h *handlers, list *[]*F, fn F, first bool) (off func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if first {
		*list = append([]*F{&fn}, *list...)
	} else {
		*list = append(slices.Clip(*list), &fn)
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		*list = without(*list, &fn)
	}
}

func clearList[F any](h *handlers, list *[]*F) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*list = nil
}

func without[F any](list []*F, fn *F) []*F {
	i := slices.Index(list, fn)
	if i < 0 {
		return list
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}

// Handle calls fn for each event called name: socket.on. What fn returns is the
// acknowledgement if the server asked for one: nothing for nil, else the one
// value; for an *[event.Error] its error form, for any other error, which stays
// here and is logged, that of "internal error". Handlers of the same name run
// in the order of their registration, and the first answers. off takes fn away.
//
// Handle panics when Socket.IO keeps the name for itself.
func (s *Socket) Handle(name string, fn func(ctx context.Context, r *Request) (any, error)) (off func()) {
	return s.handle1(name, &handler{fn: fn, reply: true})
}

// HandleOnce is Handle for the next event only: socket.once.
func (s *Socket) HandleOnce(name string, fn func(ctx context.Context, r *Request) (any, error)) (off func()) {
	return s.handle1(name, &handler{fn: fn, reply: true, once: true})
}

func (s *Socket) handle1(name string, h *handler) (off func()) {
	if reserved(name) {
		panic("client: " + name + " is no event that a server sends; see OnConnect, OnConnectError and OnDisconnect")
	}
	return s.handlers.add(name, h)
}

// Off takes all handlers of an event away: socket.off with a name. Those of
// [Socket.OnConnect] and its like go by the function that registering returned.
func (s *Socket) Off(name string) {
	s.handlers.mu.Lock()
	defer s.handlers.mu.Unlock()
	delete(s.handlers.events, name)
}

// OnAny calls fn for each event before its handlers, also for those that have
// none: socket.onAny. off takes fn away.
func (s *Socket) OnAny(fn func(ctx context.Context, r *Request)) (off func()) {
	return register(&s.handlers, &s.handlers.incoming, fn)
}

// PrependAny is OnAny before those that are there already: socket.prependAny.
func (s *Socket) PrependAny(fn func(ctx context.Context, r *Request)) (off func()) {
	return enlist(&s.handlers, &s.handlers.incoming, fn, true)
}

// OffAny takes all of OnAny and PrependAny away: socket.offAny.
func (s *Socket) OffAny() { clearList(&s.handlers, &s.handlers.incoming) }

// OnAnyOutgoing calls fn for each event that is emitted, on the goroutine that
// emits it and before it is sent or buffered: socket.onAnyOutgoing. It must not
// change args.
func (s *Socket) OnAnyOutgoing(fn func(name string, args []any)) (off func()) {
	return register(&s.handlers, &s.handlers.outgoing, fn)
}

// PrependAnyOutgoing is OnAnyOutgoing before those that are there already:
// socket.prependAnyOutgoing.
func (s *Socket) PrependAnyOutgoing(fn func(name string, args []any)) (off func()) {
	return enlist(&s.handlers, &s.handlers.outgoing, fn, true)
}

// OffAnyOutgoing takes all of OnAnyOutgoing and PrependAnyOutgoing away:
// socket.offAnyOutgoing.
func (s *Socket) OffAnyOutgoing() { clearList(&s.handlers, &s.handlers.outgoing) }

// OnConnect calls fn each time the server has accepted the socket: connect.
func (s *Socket) OnConnect(fn func(ctx context.Context)) (off func()) {
	return register(&s.handlers, &s.handlers.connect, fn)
}

// OnDisconnect calls fn each time the connected socket is no longer: disconnect.
func (s *Socket) OnDisconnect(fn func(ctx context.Context, why Reason)) (off func()) {
	return register(&s.handlers, &s.handlers.disconnect, fn)
}

// OnConnectError calls fn when the server refuses the socket, with an
// *[event.Error], and when an attempt to reach it fails: connect_error. The
// socket tries again if it is still active then.
func (s *Socket) OnConnectError(fn func(ctx context.Context, err error)) (off func()) {
	return register(&s.handlers, &s.handlers.refused, fn)
}
