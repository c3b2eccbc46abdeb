package sio

import (
	"context"
	"slices"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/parser"
)

// A task is what the lane of a socket does with a request.
type task uint8

const (
	taskEvent task = iota
	taskConnect
	taskDisconnect
	taskFunc // call fn
	taskSave // store the session
)

// do queues a task that is not an event, whether or not there is room.
func (s *Socket) do(t task) {
	r := getRequest()
	r.task = t
	s.lane.Force(r)
}

// receive queues an event for its handler. Only its name has been read; an
// event that nobody handles is counted and dropped.
func (s *Socket) receive(p *parser.Packet) error {
	srv := s.conn.srv
	codec := srv.opts.Codec
	name, err := codec.Event(p.Payload)
	if err != nil {
		return s.conn.violation(err)
	}
	srv.stats.eventsIn.Add(1)
	if s.ready.Load() && !s.wanted(name) {
		srv.stats.unhandled.Add(1)
		return nil
	}
	r := getRequest()
	r.Socket, r.codec, r.ackID, r.ack = s, codec, p.ID, sendAck
	r.buf = append(r.buf[:0], p.Payload.Data...)
	r.args = parser.Payload{Data: r.buf}
	size := len(r.buf)
	for _, a := range p.Payload.Attachments {
		r.args.Attachments = append(r.args.Attachments, slices.Clone(a))
		size += len(a)
	}
	if cost := 1 + size/eventUnit; !s.lane.TryPut(r, cost, s.eng) {
		// Whoever makes place may wait for the end of the socket, of which
		// only this goroutine will tell it.
		s.eng.Block()
		if err := s.lane.Put(connContext{s.eng.Done()}, r, cost); err != nil {
			putRequest(r)
		}
	}
	return nil
}

// wanted reports whether anything handles an event.
func (s *Socket) wanted(name []byte) bool {
	if s.own.load().byName[string(name)] != nil || s.ns.handles(name) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hooks != nil && len(s.hooks.any) > 0
}

// run is the lane of the socket.
func (s *Socket) run(batch []*Request) {
	for i, r := range batch {
		if more := i+1 < len(batch); more != s.more.Load() {
			s.more.Store(more)
		}
		switch r.task {
		case taskConnect:
			s.connect()
		case taskDisconnect:
			s.disconnected()
		case taskSave:
			s.saveChanges()
		case taskFunc:
			if err := protect(func() error { r.fn(); return nil }); err != nil {
				s.failed("acknowledgement", err)
			}
		default:
			s.handle(r)
		}
		putRequest(r)
	}
}

// handle runs what is registered for an event.
func (s *Socket) handle(r *Request) {
	if s.discard.Load() {
		return
	}
	srv := s.conn.srv
	name, _ := r.codec.Event(r.args)
	h, event := s.handler(name)
	if event == "" {
		event = string(name)
	}
	r.Event = event
	r.args = r.codec.Rest(r.args)
	ctx := s.Context()
	if !s.anyHooks(ctx, r) {
		return
	}
	if h == nil {
		srv.stats.unhandled.Add(1)
		return
	}
	if r.call(ctx, h, srv.log) {
		srv.stats.panics.Add(1)
		s.Disconnect()
	}
}

// handler finds the handler of an event, and its name if that is at hand.
func (s *Socket) handler(name []byte) (Handler, string) {
	rt := s.own.find(name)
	if rt == nil {
		rt = s.ns.find(name)
		if rt == nil {
			return nil, ""
		}
		if mw := s.own.now.Load(); mw != nil && len(mw.mw) > 0 {
			return mw.wrap(rt.h), rt.name
		}
	}
	return rt.h, rt.name
}

// anyHooks calls the catch-all hooks; it reports false when one panicked.
func (s *Socket) anyHooks(ctx context.Context, r *Request) bool {
	fns := s.ns.anyHooks()
	s.mu.Lock()
	h := s.hooks
	s.mu.Unlock()
	if h == nil && len(fns) == 0 {
		return true
	}
	err := protect(func() error {
		for _, fn := range fns {
			fn(ctx, r)
		}
		if h != nil {
			for _, fn := range h.any {
				(*fn)(ctx, r)
			}
		}
		return nil
	})
	if err != nil {
		s.failed("any", err)
		return false
	}
	return true
}

// sendAck answers an event of a client.
func sendAck(r *Request, reply parser.Payload) error {
	s := r.Socket
	if s.state.Load() == closed {
		return ErrClosed
	}
	var mode engine.Mode
	if s.more.Load() {
		mode = engine.Later
	}
	s.conn.srv.stats.acksOut.Add(1)
	return s.conn.send(&parser.Packet{Type: parser.Ack, Namespace: s.name, ID: r.ackID, Payload: reply}, mode)
}
