package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/typed"
	"github.com/roomwire/roomwire/parser"
)

// Emit sends an event: socket.emit. Each argument is one of the event, or, if it
// embeds [event.Args], as many as it has fields; a []byte at any depth travels
// as binary. Emit returns when the event is on its way or
// in the buffer for the next connection; it waits, until ctx is done, only for
// a server that reads too slowly.
func (s *Socket) Emit(ctx context.Context, name string, args ...any) error {
	return Sender{s: s}.Emit(ctx, name, args...)
}

// EmitAck sends an event, waits for its acknowledgement and decodes the first
// value of that into out, a pointer or nil: socket.emitWithAck. The error form
// of an acknowledgement is an *[event.Error].
func (s *Socket) EmitAck(ctx context.Context, name string, out any, args ...any) error {
	return Sender{s: s}.EmitAck(ctx, name, out, args...)
}

// Volatile returns a sender of events that are dropped, with [ErrDropped], when
// they cannot be sent at once: socket.volatile.
func (s *Socket) Volatile() Sender { return Sender{s: s}.Volatile() }

// Compress returns a sender with compression on, as by default, or off: socket.compress.
func (s *Socket) Compress(on bool) Sender { return Sender{s: s}.Compress(on) }

// Timeout returns a sender whose EmitAck waits for d at most, in place of
// [Options.AckTimeout]: socket.timeout. With retries it is the time of one try.
func (s *Socket) Timeout(d time.Duration) Sender { return Sender{s: s}.Timeout(d) }

// A Sender is a socket with choices of how to send. It is a value: its methods
// return changed copies.
type Sender struct {
	s       *Socket
	mode    engine.Mode
	timeout time.Duration
}

// Volatile is [Socket.Volatile].
func (e Sender) Volatile() Sender { e.mode |= engine.Volatile; return e }

// Compress is [Socket.Compress].
func (e Sender) Compress(on bool) Sender {
	e.mode &^= engine.NoCompress
	if !on {
		e.mode |= engine.NoCompress
	}
	return e
}

// Timeout is [Socket.Timeout].
func (e Sender) Timeout(d time.Duration) Sender { e.timeout = d; return e }

// Emit is [Socket.Emit].
func (e Sender) Emit(ctx context.Context, name string, args ...any) error {
	if e.s.c.o.Retries > 0 && e.mode&engine.Volatile == 0 {
		p := e.newPending(name)
		p.logged = true
		return e.queue(&p, name, args)
	}
	return e.emit(ctx, nil, name, args)
}

// EmitAck is [Socket.EmitAck].
func (e Sender) EmitAck(ctx context.Context, name string, out any, args ...any) error {
	p := e.newCall(name)
	var timeout <-chan time.Time
	if e.s.c.o.Retries > 0 && e.mode&engine.Volatile == 0 {
		if err := e.queue(p, name, args); err != nil {
			return err
		}
	} else {
		if p.timeout > 0 {
			t := time.NewTimer(p.timeout)
			defer t.Stop()
			timeout = t.C
		}
		if err := e.emit(ctx, p, name, args); err != nil {
			return err
		}
	}
	select {
	case r := <-p.ch:
		if !p.retry {
			e.s.spare.Store(p) // who settled it had taken it out before
		}
		if r.err != nil {
			return r.err
		}
		return e.s.decodeAck(r.payload, out)
	case <-timeout:
		e.s.forget(p)
		return ErrAckTimeout
	case <-ctx.Done():
		e.s.forget(p)
		return context.Cause(ctx)
	}
}

func (e Sender) newPending(name string) pending {
	p := pending{id: -1, name: name, mode: e.mode, timeout: e.timeout}
	if p.timeout <= 0 {
		p.timeout = e.s.c.o.AckTimeout
	}
	return p
}

// newCall is newPending for a caller who waits, in the place and with the
// channel of the last one that had its answer.
func (e Sender) newCall(name string) *pending {
	p := e.s.spare.Swap(nil)
	if p == nil {
		p = &pending{ch: make(chan reply, 1)}
	}
	ch := p.ch
	*p = e.newPending(name)
	p.ch = ch
	return p
}

// encode checks an event and encodes it after dst.
func (s *Socket) encode(dst []byte, name string, args []any) (parser.Payload, error) {
	if reserved(name) {
		return parser.Payload{}, fmt.Errorf("%w: %q", ErrReserved, name)
	}
	for _, fn := range s.handlers.anyOutgoing() {
		fn(name, args)
	}
	payload, err := s.c.codec.Marshal(dst, name, typed.Expand(args)...)
	if err != nil {
		return payload, fmt.Errorf("client: emit %q: %w", name, err)
	}
	return payload, nil
}

// A buffered is an event that waits for the socket to be connected.
type buffered struct {
	p       *pending // nil: no acknowledgement was asked for
	mode    engine.Mode
	payload parser.Payload
	size    int
}

// emit sends or buffers an event. p is nil when no acknowledgement is wanted.
func (e Sender) emit(ctx context.Context, p *pending, name string, args []any) error {
	s := e.s
	b := getBuffer()
	defer b.free()
	payload, err := s.encode(b.data, name, args)
	if err != nil {
		return err
	}
	b.data = payload.Data
	for {
		wait, err := s.emitOnce(e.mode, p, payload)
		if wait != nil && err == nil {
			if err = wait.conn.Wait(ctx, s.c.soft()); err == nil || errors.Is(err, engine.ErrClosed) {
				continue
			}
		}
		if err != nil && p != nil {
			s.forget(p)
		}
		return err
	}
}

// soft is the number of bytes on the connection from which on emitting waits.
func (c *Client) soft() int { return c.o.Engine.SendBuffer - 16<<20 - 2*c.o.SendBuffer }

// emitOnce sends or buffers an event, or returns the link whose queue is full.
func (s *Socket) emitOnce(m engine.Mode, p *pending, payload parser.Payload) (full *link, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.shutDown:
		return nil, ErrClosed
	case !s.active:
		return nil, ErrNotConnected
	}
	if s.connected && len(s.buffer) == 0 {
		if m&engine.Volatile == 0 && s.link.conn.Buffered() > s.c.soft() {
			return s.link, nil
		}
		id := s.registerLocked(p)
		err := s.link.send(m, &parser.Packet{Type: parser.Event, Namespace: s.namespace, ID: id, Payload: payload})
		switch {
		case err == nil:
			return nil, nil
		case errors.Is(err, engine.ErrFull):
			return s.link, nil
		case errors.Is(err, engine.ErrDropped):
			return nil, ErrDropped
		case !errors.Is(err, engine.ErrClosed):
			return nil, err
		}
		// The connection is gone, and the socket will hear of it.
	}
	if m&engine.Volatile != 0 {
		return nil, ErrDropped
	}
	size := payloadSize(payload)
	if s.waiting+size > s.c.o.SendBuffer {
		return nil, ErrBufferFull
	}
	s.registerLocked(p)
	s.waiting += size
	if p != nil {
		p.buffered = true
	}
	s.buffer = append(s.buffer, buffered{p: p, mode: m, payload: clonePayload(payload), size: size})
	return nil, nil
}

// flushLocked sends what was emitted while the socket was disconnected.
func (s *Socket) flushLocked(l *link) {
	list := s.buffer
	s.buffer = nil
	for i, b := range list {
		id := int64(-1)
		if b.p != nil {
			id = b.p.id
		}
		m := b.mode
		if i < len(list)-1 {
			m |= engine.Later
		}
		err := l.send(m, &parser.Packet{Type: parser.Event, Namespace: s.namespace, ID: id, Payload: b.payload})
		switch {
		case errors.Is(err, engine.ErrClosed):
			s.buffer = list[i:]
			return
		case errors.Is(err, engine.ErrFull):
			// There is room for more than may be buffered, so this is a
			// connection that takes nothing.
			s.buffer = list[i:]
			l.conn.Close(engine.ErrFull)
			return
		}
		s.waiting -= b.size
		if b.p != nil {
			b.p.buffered = false
		}
		if err != nil {
			s.c.o.Logger.Warn("client: event dropped", "namespace", s.namespace, "err", err)
			if b.p != nil {
				delete(s.acks, b.p.id)
				b.p.settle(reply{err: err})
			}
		}
	}
	s.drainLocked(true)
}
