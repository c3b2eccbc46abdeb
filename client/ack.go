package client

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/internal/typed"
	"github.com/roomwire/roomwire/parser"
)

// A reply is what becomes of a pending acknowledgement.
type reply struct {
	payload parser.Payload
	err     error
}

// A pending is an acknowledgement that has not come yet. Its fields are under
// the lock of its socket.
type pending struct {
	id       int64 // negative: not sent yet
	name     string
	mode     engine.Mode
	timeout  time.Duration
	ch       chan reply // nil: nobody waits
	buffered bool       // in Socket.buffer

	// With retries only.
	retry    bool
	logged   bool // nobody learns of a failure otherwise
	inFlight bool
	tries    int
	size     int
	payload  parser.Payload
	timer    *time.Timer
}

// settle hands the reply to who waits.
func (p *pending) settle(r reply) {
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.ch == nil {
		return
	}
	select {
	case p.ch <- r:
	default: // settled before
	}
}

// registerLocked gives p an ID once and returns it. A nil p has none.
func (s *Socket) registerLocked(p *pending) int64 {
	if p == nil {
		return -1
	}
	if p.id < 0 {
		p.id = s.nextID
		s.nextID++
		s.acks[p.id] = p
	}
	return p.id
}

// acknowledged settles an acknowledgement, on the reader: it never waits
// behind an event, so a handler may wait for one.
func (s *Socket) acknowledged(l *link, p *parser.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != l {
		return
	}
	a := s.acks[p.ID]
	if a == nil || a.buffered {
		return // it came too late, or was never asked for
	}
	delete(s.acks, p.ID)
	r := reply{}
	if a.ch != nil {
		r.payload = clonePayload(p.Payload)
	}
	retry := a.retry
	a.settle(r) // after which one that does not retry may be another call's
	if retry {
		s.doneLocked(a)
		s.drainLocked(false)
	}
}

// forget stops waiting for an acknowledgement, and sending what was not sent yet.
func (s *Socket) forget(p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.id >= 0 && s.acks[p.id] == p {
		delete(s.acks, p.id)
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.buffered {
		p.buffered = false
		s.buffer = slices.DeleteFunc(s.buffer, func(b buffered) bool {
			if b.p == p {
				s.waiting -= b.size
				return true
			}
			return false
		})
	}
	if p.retry {
		s.doneLocked(p)
		s.drainLocked(false)
	}
}

// loseAcksLocked settles what was sent over a connection that is lost.
func (s *Socket) loseAcksLocked() {
	for id, p := range s.acks {
		if p.buffered {
			continue
		}
		delete(s.acks, id)
		if p.retry {
			s.retryLocked(p, ErrDisconnected)
		} else {
			p.settle(reply{err: ErrDisconnected})
		}
	}
}

// decodeAck decodes an acknowledgement into out.
func (s *Socket) decodeAck(p parser.Payload, out any) error {
	if e := s.errorForm(p); e != nil {
		return e
	}
	if out == nil {
		return nil
	}
	return typed.Into(s.c.codec, p, out)
}

// errorForm recognizes [{"error":{"message":"…","data":…}}], or returns nil.
func (s *Socket) errorForm(p parser.Payload) *event.Error {
	if !bytes.Contains(p.Data[:min(len(p.Data), 32)], []byte("error")) || s.c.codec.Args(p) != 1 {
		return nil
	}
	var v any
	if s.c.codec.Unmarshal(p, 0, &v) != nil {
		return nil
	}
	outer, _ := v.(map[string]any)
	inner, ok := outer["error"].(map[string]any)
	if !ok || len(outer) != 1 {
		return nil
	}
	message, ok := inner["message"].(string)
	if !ok {
		return nil
	}
	return &event.Error{Message: message, Data: inner["data"]}
}

// values are the values of an acknowledgement, when there may be several.
type values []any

// ackError is the error form of an acknowledgement.
type ackError struct {
	Error struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	} `json:"error"`
}

// answer acknowledges an event, unless its connection is gone.
func (s *Socket) answer(w *work, v any, err error) {
	var args []any
	switch {
	case err != nil:
		var e ackError
		e.Error.Message = "internal error"
		if own := (*event.Error)(nil); errors.As(err, &own) {
			e.Error.Message, e.Error.Data = own.Message, own.Data
		}
		args = []any{e}
	default:
		switch v := v.(type) {
		case nil:
		case values:
			args = v
		default:
			args = typed.Args(v)
		}
	}
	b := getBuffer()
	defer b.free()
	payload, err := s.c.codec.Marshal(b.data, "", args...)
	if err != nil {
		s.logError(w.name, err)
		if payload, err = s.c.codec.Marshal(b.data, ""); err != nil {
			return
		}
	}
	b.data = payload.Data
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != w.link || !s.connected {
		return
	}
	err = w.link.send(0, &parser.Packet{Type: parser.Ack, Namespace: s.namespace, ID: w.id, Payload: payload})
	if ignoreClosed(err) != nil {
		s.c.o.Logger.Warn("client: acknowledgement not sent", "namespace", s.namespace, "event", w.name, "err", err)
	}
}
