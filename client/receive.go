package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/parser"
)

// A work is something for the handlers of a socket: an event, or notify.
type work struct {
	notify  func()
	name    string
	id      int64 // of the acknowledgement; negative: none asked for
	payload parser.Payload
	link    *link
}

// event takes an event on the reader.
func (s *Socket) event(l *link, p *parser.Packet) error {
	name, err := s.c.codec.Event(p.Payload)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.link != l || !s.active {
		s.mu.Unlock()
		return nil
	}
	if !s.connected {
		defer s.mu.Unlock()
		if s.earlyN += payloadSize(p.Payload); s.earlyN > s.c.o.ReceiveBuffer {
			return fmt.Errorf("%w: too many events before CONNECT", errProtocol)
		}
		s.early = append(s.early, work{name: string(name), id: p.ID, payload: clonePayload(p.Payload), link: l})
		return nil
	}
	s.mu.Unlock()
	if s.handlers.wants(name) {
		w := work{name: string(name), id: p.ID, payload: clonePayload(p.Payload), link: l}
		if err := s.lane.Put(l.conn.Context(), w, payloadSize(w.payload)); err != nil {
			return err
		}
	}
	s.remember(l, p.ID, p.Payload)
	return nil
}

// remember notes the offset of an event, its last argument, for recovery. An
// event that asks for an acknowledgement has none. It must be sure by then that
// the event will be handled: the server does not send it again.
func (s *Socket) remember(l *link, id int64, p parser.Payload) {
	if id >= 0 {
		return
	}
	if d := bytes.TrimRight(p.Data, " \t\r\n]"); len(p.Data) > 0 && p.Data[0] == '[' && (len(d) == 0 || d[len(d)-1] != '"') {
		return // JSON whose last argument is no string
	}
	n := s.c.codec.Args(p)
	if n < 2 {
		return
	}
	var last any
	if s.c.codec.Unmarshal(p, n-1, &last) != nil {
		return
	}
	offset, ok := last.(string)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == l && s.pid != "" {
		s.offset = offset
	}
}

// run is the lane's.
func (s *Socket) run(batch []work) {
	for i := range batch {
		if w := &batch[i]; w.notify != nil {
			w.notify()
		} else if !s.c.over.Load() {
			s.handle(w)
		}
	}
}

// notify queues the calls of fns. It is those registered now that learn of what
// happened now.
func notify[F any](s *Socket, name string, fns []F, call func(fn F)) {
	if len(fns) == 0 {
		return
	}
	s.lane.Force(work{notify: func() {
		for _, fn := range fns {
			s.guard(name, func() { call(fn) })
		}
	}})
}

func (s *Socket) notifyConnect() {
	notify(s, "connect", s.handlers.connects(), func(fn func(context.Context)) { fn(s.c.ctx) })
}

func (s *Socket) notifyDisconnect(why Reason) {
	notify(s, "disconnect", s.handlers.disconnects(), func(fn func(context.Context, Reason)) { fn(s.c.ctx, why) })
}

func (s *Socket) notifyConnectError(err error) {
	notify(s, "connect_error", s.handlers.connectErrors(), func(fn func(context.Context, error)) { fn(s.c.ctx, err) })
}

// guard runs user code that must not take the program down.
func (s *Socket) guard(name string, fn func()) {
	defer func() {
		if p := recover(); p != nil {
			s.c.o.Logger.Error("client: handler panicked", "namespace", s.namespace, "event", name,
				"panic", p, "stack", string(debug.Stack()))
		}
	}()
	fn()
}

// handle runs the handlers of an event. The first that has something to say is
// the acknowledgement; if none has, and there are any, it is an empty one.
func (s *Socket) handle(w *work) {
	r := &Request{Socket: s, Name: w.name, w: w}
	for _, fn := range s.handlers.anyIncoming() {
		s.guard(w.name, func() { fn(s.c.ctx, r) })
	}
	hs := s.handlers.of(w.name)
	answered := w.id < 0
	for _, h := range hs {
		if h.once && !h.fired.CompareAndSwap(false, true) {
			continue
		}
		v, err := s.call(h, r)
		if err != nil {
			s.logError(w.name, err)
		}
		if !answered && (h.reply || err != nil) {
			answered = true
			s.answer(w, v, err)
		}
		if h.once {
			s.handlers.remove(w.name, h)
		}
	}
	if !answered && len(hs) > 0 {
		s.answer(w, nil, nil)
	}
}

// errPanicked is what a handler that panicked comes to; guard has logged the rest.
var errPanicked = errors.New("client: handler panicked")

func (s *Socket) call(h *handler, r *Request) (v any, err error) {
	err = errPanicked
	s.guard(r.Name, func() { v, err = h.fn(s.c.ctx, r) })
	return v, err
}

func (s *Socket) logError(name string, err error) {
	if own := (*event.Error)(nil); errors.As(err, &own) {
		return // meant for the peer
	}
	s.c.o.Logger.Warn("client: handler failed", "namespace", s.namespace, "event", name, "err", err)
}

// A Request is an event as it arrived, for a handler that decodes it itself.
type Request struct {
	Socket *Socket
	Name   string
	w      *work
}

// Bind decodes the arguments, in order, into out, which are pointers. What
// there are too few arguments for stays as it is.
func (r *Request) Bind(out ...any) error {
	return r.Socket.c.codec.Unmarshal(r.w.payload, 1, out...)
}

// Len returns the number of arguments.
func (r *Request) Len() int { return max(r.Socket.c.codec.Args(r.w.payload)-1, 0) }

// Values decodes all arguments as encoding/json decodes into an any, with
// []byte for binary ones.
func (r *Request) Values() ([]any, error) {
	vs := make([]any, r.Len())
	out := make([]any, len(vs))
	for i := range vs {
		out[i] = &vs[i]
	}
	return vs, r.Bind(out...)
}

// WantsAck reports whether the server waits for an acknowledgement, which is
// what the handler returns.
func (r *Request) WantsAck() bool { return r.w.id >= 0 }
