package sio

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// A route is the handler of one event.
type route struct {
	name string
	h    Handler // wrapped in the middleware
	raw  Handler
	once bool
	id   *byte // of the registration; wrapping anew keeps it
}

// routes are the handlers of a namespace or of a socket. They never change; a
// registration makes new ones.
type routes struct {
	byName map[string]*route
	mw     []func(Handler) Handler
}

func (rs *routes) wrap(h Handler) Handler {
	for _, mw := range slices.Backward(rs.mw) {
		h = mw(h)
	}
	return h
}

// A registry holds routes that are read for every event and seldom change.
type registry struct {
	mu  sync.Mutex
	now atomic.Pointer[routes]
}

var noRoutes routes

func (g *registry) load() *routes {
	if rs := g.now.Load(); rs != nil {
		return rs
	}
	return &noRoutes
}

// find returns the route of an event, or nil. A route for one event only is
// taken out.
func (g *registry) find(name []byte) *route {
	rs := g.now.Load()
	if rs == nil {
		return nil
	}
	r := rs.byName[string(name)]
	if r != nil && r.once && !g.remove(r) {
		return nil
	}
	return r
}

// add registers a handler. It panics when the event has one, as http.ServeMux does.
func (g *registry) add(name string, h Handler, once bool) (off func()) {
	if h == nil {
		panic("sio: nil handler for " + name)
	}
	if reserved(name) {
		panic("sio: handler for the reserved event " + name)
	}
	r := &route{name: name, raw: h, once: once, id: new(byte)}
	g.change(func(rs *routes) {
		if rs.byName[name] != nil {
			panic("sio: second handler for event " + name)
		}
		r.h = rs.wrap(h)
		rs.byName[name] = r
	})
	return func() { g.remove(r) }
}

// remove takes r out and reports whether it was in.
func (g *registry) remove(r *route) (was bool) {
	g.change(func(rs *routes) {
		if have := rs.byName[r.name]; have != nil && have.id == r.id {
			delete(rs.byName, r.name)
			was = true
		}
	})
	return was
}

// use adds middleware around the handlers that are there and that will come.
func (g *registry) use(mw []func(Handler) Handler) {
	g.change(func(rs *routes) {
		rs.mw = append(slices.Clone(rs.mw), mw...)
		for name, r := range rs.byName {
			rs.byName[name] = &route{name: name, raw: r.raw, once: r.once, id: r.id, h: rs.wrap(r.raw)}
		}
	})
}

func (g *registry) change(fn func(rs *routes)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rs := &routes{byName: map[string]*route{}}
	if old := g.now.Load(); old != nil {
		rs.mw = old.mw
		rs.byName = maps.Clone(old.byName)
	}
	fn(rs)
	g.now.Store(rs)
}
