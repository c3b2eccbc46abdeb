package sio

import (
	"context"
	"slices"

	"github.com/roomwire/roomwire/internal/typed"
	"github.com/roomwire/roomwire/parser"
)

// A pendingAck waits for the acknowledgement of an event. Exactly one call is
// made: with the payload, which is valid until it returns, or with the error
// of a socket that is gone.
type pendingAck func(p parser.Payload, err error)

// expect registers an acknowledgement.
func (s *Socket) expect(id int64, done pendingAck) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() == closed {
		return ErrClosed
	}
	if over(len(s.acks)+1, s.conn.srv.opts.Limits.PendingAcks) {
		s.conn.srv.stats.ackOverflows.Add(1)
		return ErrTooManyAcks
	}
	if s.acks == nil {
		s.acks = make(map[int64]pendingAck)
	}
	s.acks[id] = done
	return nil
}

// forget takes an acknowledgement back and reports whether it was still pending.
func (s *Socket) forget(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.acks[id]
	delete(s.acks, id)
	return ok
}

// settle hands an acknowledgement to who waits for it. Those that nobody waits
// for are ignored, as are second ones.
func (s *Socket) settle(id int64, p parser.Payload) {
	s.mu.Lock()
	done := s.acks[id]
	delete(s.acks, id)
	s.mu.Unlock()
	if done == nil {
		s.conn.srv.stats.strayAcks.Add(1)
		return
	}
	s.conn.srv.stats.acksIn.Add(1)
	done(p, nil)
}

// EmitAck sends an event, waits for its acknowledgement and decodes its first
// value, or all values into a struct that embeds event.Args, into out, a
// pointer or nil: emitWithAck. It returns the error of ctx
// when that ends first (give it a deadline: a client may never answer),
// [ErrClosed] when the socket disconnects, and an [*Error] when the peer, if it
// is of this library, answered with one.
func (s *Socket) EmitAck(ctx context.Context, name string, out any, args ...any) error {
	p, err := s.call(ctx, name, args)
	if err != nil {
		return err
	}
	return decodeReply(s.conn.srv.opts.Codec, p, out)
}

// EmitFunc sends an event and returns; fn is called once when the
// acknowledgement has come, or with the error of ctx or of the closed socket:
// socket.emit with a callback. It runs among the handlers of the socket, after
// those of the events that arrived before. An error of EmitFunc itself means
// that nothing was sent and fn will not be called.
func (s *Socket) EmitFunc(ctx context.Context, name string, fn func(ctx context.Context, r Reply, err error), args ...any) error {
	if reserved(name) {
		return ErrReserved
	}
	id := s.ns.nextAck()
	later := func(p parser.Payload, err error) {
		r := Reply{SocketID: s.id, codec: s.conn.srv.opts.Codec, payload: clonePayload(p)}
		q := getRequest()
		q.task, q.fn = taskFunc, func() { fn(s.Context(), r, err) }
		s.lane.Force(q)
	}
	stop := context.AfterFunc(ctx, func() {
		if s.forget(id) {
			s.conn.srv.stats.ackTimeouts.Add(1)
			later(parser.Payload{}, context.Cause(ctx))
		}
	})
	err := s.expect(id, func(p parser.Payload, err error) { stop(); later(p, err) })
	if err != nil {
		stop()
		return err
	}
	if err = ctx.Err(); err == nil {
		err = s.emit(ctx, name, args, id, 0, false)
	}
	if err != nil && s.forget(id) {
		stop()
		return err
	}
	return nil
}

// call sends an event and waits for the acknowledgement, of which it returns a copy.
func (s *Socket) call(ctx context.Context, name string, args []any) (parser.Payload, error) {
	if reserved(name) {
		return parser.Payload{}, ErrReserved
	}
	type answer struct {
		p   parser.Payload
		err error
	}
	answers := make(chan answer, 1)
	id := s.ns.nextAck()
	err := s.expect(id, func(p parser.Payload, err error) { answers <- answer{clonePayload(p), err} })
	if err != nil {
		return parser.Payload{}, err
	}
	if err := s.emit(ctx, name, args, id, 0, false); err != nil {
		s.forget(id)
		return parser.Payload{}, err
	}
	s.eng.Block() // the caller may be what reads
	select {
	case a := <-answers:
		return a.p, a.err
	case <-ctx.Done():
		if !s.forget(id) {
			// It came at the same moment.
			a := <-answers
			return a.p, a.err
		}
		s.conn.srv.stats.ackTimeouts.Add(1)
		return parser.Payload{}, context.Cause(ctx)
	}
}

// decodeReply decodes the first value of an acknowledgement.
func decodeReply(c parser.Codec, p parser.Payload, out any) error {
	if err := replyError(c, p); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	return typed.Into(c, p, out)
}

// clonePayload copies a payload whose bytes belong to somebody else.
func clonePayload(p parser.Payload) parser.Payload {
	c := parser.Payload{Data: slices.Clone(p.Data)}
	for _, a := range p.Attachments {
		c.Attachments = append(c.Attachments, slices.Clone(a))
	}
	return c
}
