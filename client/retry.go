package client

import (
	"errors"
	"slices"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/parser"
)

// queue puts an event at the end of those that are sent one by one until they
// are acknowledged.
func (e Sender) queue(p *pending, name string, args []any) error {
	s := e.s
	payload, err := s.encode(nil, name, args)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.retry, p.size = true, payloadSize(payload)
	switch {
	case s.shutDown:
		return ErrClosed
	case !s.active:
		return ErrNotConnected
	case s.waiting+p.size > s.c.o.SendBuffer:
		return ErrBufferFull
	}
	p.payload = clonePayload(payload)
	s.waiting += p.size
	s.retries = append(s.retries, p)
	s.drainLocked(false)
	return nil
}

// drainLocked sends the first event of the queue if it is not in flight. Force
// sends it in any case, over a new connection.
func (s *Socket) drainLocked(force bool) {
	for s.connected && len(s.retries) > 0 {
		p := s.retries[0]
		if p.inFlight && !force {
			return
		}
		p.inFlight = true
		p.tries++
		p.id = -1
		id := s.registerLocked(p)
		if p.timer != nil {
			p.timer.Stop()
		}
		p.timer = time.AfterFunc(p.timeout, func() { s.overdue(p, id) })
		err := s.link.send(p.mode, &parser.Packet{Type: parser.Event, Namespace: s.namespace, ID: id, Payload: p.payload})
		if err == nil || errors.Is(err, engine.ErrClosed) || errors.Is(err, engine.ErrFull) {
			return // the next try will do
		}
		// It can never be sent.
		delete(s.acks, id)
		s.discardLocked(p, err)
	}
}

// overdue is called when no acknowledgement came in time.
func (s *Socket) overdue(p *pending, id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acks[id] != p || p.id != id {
		return
	}
	delete(s.acks, id)
	s.retryLocked(p, ErrAckTimeout)
	s.drainLocked(false)
}

// retryLocked makes an event wait for its next try, or gives it up.
func (s *Socket) retryLocked(p *pending, err error) {
	p.inFlight, p.id = false, -1
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.tries > s.c.o.Retries {
		s.discardLocked(p, err)
	}
}

func (s *Socket) discardLocked(p *pending, err error) {
	s.doneLocked(p)
	p.settle(reply{err: err})
	if p.logged {
		s.c.o.Logger.Warn("client: event given up", "namespace", s.namespace, "event", p.name, "tries", p.tries, "err", err)
	}
}

// doneLocked takes an event from the queue.
func (s *Socket) doneLocked(p *pending) {
	if i := slices.Index(s.retries, p); i >= 0 {
		s.retries = slices.Delete(s.retries, i, i+1)
		s.waiting -= p.size
	}
}
