package sio

import (
	"context"
	"errors"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/parser"
)

// Payload is the arguments of an event as they are on the wire.
type Payload = parser.Payload

// An early is a delivery that came while the socket was joining.
type early struct {
	frames *engine.Prepared
	mode   engine.Mode
}

// Emit sends an event to this client: socket.emit. It queues the event and
// returns; it waits only if the send buffer is full and the engine's Overflow
// is OverflowRefuse, until ctx is done. It returns [ErrClosed] when the socket
// has disconnected, and [ErrReserved] for the protocol's own names.
//
// Arguments are encoded as JSON; a []byte, at any depth, travels as binary.
func (s *Socket) Emit(ctx context.Context, name string, args ...any) error {
	if reserved(name) {
		return ErrReserved
	}
	return s.emit(ctx, name, args, -1, 0, false)
}

// Volatile returns the socket as a target whose events are dropped when the
// connection cannot take them at once: socket.volatile.
func (s *Socket) Volatile() Target { return s.self().Volatile() }

// Transient returns the socket as a target whose events are kept out of
// recovery; see [Target.Transient].
func (s *Socket) Transient() Target { return s.self().Transient() }

// Drain waits until nothing that was sent waits in the server any more: the
// network has it, which does not mean that the client has. It returns
// [ErrClosed] when the socket disconnects, and the error of ctx. Who sends much
// at once keeps to the pace of the client with it.
func (s *Socket) Drain(ctx context.Context) error {
	if s.state.Load() == closed {
		return ErrClosed
	}
	return sendError(s.eng.Drain(ctx))
}

// Compress returns the socket as a target whose events are compressed, if the
// connection can, or not: socket.compress.
func (s *Socket) Compress(on bool) Target { return s.self().Compress(on) }

// self targets this socket alone.
func (s *Socket) self() Target {
	t := s.ns.Target
	t.one = s
	return t
}

// emit sends an event, with the acknowledgement ID id if that is not negative.
// One that is transient is not logged.
func (s *Socket) emit(ctx context.Context, name string, args []any, id int64, m engine.Mode, transient bool) error {
	if s.state.Load() == closed {
		return ErrClosed
	}
	codec := s.conn.srv.opts.Codec
	buf := getBuffer()
	defer putBuffer(buf)
	payload, err := marshal(codec, (*buf)[:0], name, args)
	if err != nil {
		return err
	}
	*buf = payload.Data
	p := parser.Packet{Type: parser.Event, Namespace: s.name, ID: id, Payload: payload}
	s.sending(name, payload)
	if waiting(ctx) {
		m |= engine.Later
	}
	s.conn.srv.stats.eventsOut.Add(1)
	heard := s.hearing(name, payload, m&engine.Volatile != 0)
	if heard == nil {
		return s.transmit(ctx, &p, m, transient, nil)
	}
	if err := s.transmit(ctx, &p, m, transient, &heard.Stored); err != nil {
		return err
	}
	for _, fn := range s.ns.sentHooks() {
		fn(ctx, *heard)
	}
	return nil
}

// transmit hands an event to the connection; *at becomes its place if it is stored.
func (s *Socket) transmit(ctx context.Context, p *parser.Packet, m engine.Mode, transient bool, at *Place) error {
	if s.ns != nil && s.ns.recovery != nil && p.ID < 0 && s.state.Load() == connected {
		return s.ns.recovery.emit(ctx, s, p, m, transient, at)
	}
	for {
		err := s.conn.send(p, m)
		if !errors.Is(err, engine.ErrFull) {
			return sendError(err)
		}
		if err := s.eng.Wait(ctx); err != nil {
			return sendError(err)
		}
	}
}

// sendError translates an error of the engine.
func sendError(err error) error {
	if errors.Is(err, engine.ErrClosed) || errors.Is(err, engine.ErrSlow) {
		return ErrClosed
	}
	return err
}

// deliver sends a broadcast to the socket. It never blocks.
func (s *Socket) deliver(frames *engine.Prepared, m engine.Mode) error {
	switch s.state.Load() {
	case connected:
		return s.eng.Send(frames, m)
	case joining:
		s.mu.Lock()
		if s.state.Load() == joining {
			s.early = append(s.early, early{frames, m})
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		if s.state.Load() == connected {
			return s.eng.Send(frames, m)
		}
	}
	return engine.ErrClosed
}

// sending calls the catch-all hooks for an event to this socket alone.
func (s *Socket) sending(name string, event Payload) {
	if s.conn.srv.outgoing.Load() > 0 {
		s.outgoing(name, s.conn.srv.opts.Codec.Rest(clonePayload(event)))
	}
}

// outgoing calls the catch-all hooks for what is sent.
func (s *Socket) outgoing(name string, args Payload) {
	for _, fn := range s.hooked().anyOutgoing {
		(*fn)(name, args)
	}
	if s.ns != nil {
		for _, fn := range s.ns.outgoingHooks() {
			fn(s, name, args)
		}
	}
}

// modeOf translates the flags of a broadcast.
func modeOf(f adapter.Flags) (m engine.Mode) {
	if f.Volatile {
		m |= engine.Volatile
	}
	if f.NoCompress {
		m |= engine.NoCompress
	}
	if f.Later {
		m |= engine.Later
	}
	return m
}
