package client

import (
	"bytes"
	"fmt"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/parser"
)

// A link is one connection of a Client, seen from its reader.
type link struct {
	c       *Client
	conn    *engine.ClientConn
	decoder parser.Decoder
	packet  parser.Packet
	since   time.Time // when the server accepted a socket; the reader's own
	last    *Socket   // of the packet before; the reader's own

	ended bool // under the client's lock
	why   error
}

func newLink(c *Client, conn *engine.ClientConn) *link {
	l := &link{c: c, conn: conn, decoder: c.codec.NewDecoder(c.o.Limits)}
	c.mu.Lock()
	c.live[l] = struct{}{}
	over := c.state == closed
	c.mu.Unlock()
	if over {
		conn.Close(nil)
	}
	return l
}

// Message implements [engine.Session].
func (l *link) Message(binary bool, data []byte) error {
	p := &l.packet
	complete, err := l.decoder.Decode(p, binary, data)
	if err != nil || !complete {
		return err
	}
	if h := l.c.o.Hooks.Packet; h != nil {
		h(false, p)
	}
	s := l.last
	if s == nil || s.namespace != p.Namespace {
		if s = l.c.socket(p.Namespace); s == nil {
			return nil // of a namespace nobody asked for
		}
		l.last = s
	}
	switch p.Type {
	case parser.Connect:
		return l.accepted(s, p)
	case parser.ConnectError:
		return l.refused(s, p)
	case parser.Disconnect:
		l.disconnected(s)
	case parser.Event:
		return s.event(l, p)
	case parser.Ack:
		s.acknowledged(l, p)
	}
	return nil
}

// Closed implements [engine.Session].
func (l *link) Closed(why error) {
	c := l.c
	reason := reasonOf(why)
	c.o.Logger.Debug("client: connection closed", "reason", string(reason), "err", why)
	c.mu.Lock()
	delete(c.live, l)
	l.ended, l.why = true, why
	if !l.since.IsZero() && time.Since(l.since) >= c.o.ReconnectionDelayMax {
		c.tries = 0
	}
	if reason == TransportError {
		c.wsGood = false
	}
	for _, s := range c.sockets {
		s.lost(l, reason)
	}
	if c.link == l && c.state == open {
		c.link, c.state = nil, idle
		switch {
		case !c.anyActiveLocked():
		case c.o.NoReconnection:
			for _, s := range c.sockets {
				s.giveUp(fmt.Errorf("client: connection lost: %w", why))
			}
		default:
			c.state = connecting
			c.work.Force(task{again: true})
		}
	}
	c.mu.Unlock()
	if h := c.o.Hooks.Close; h != nil {
		h(reason, why)
	}
}

// accepted handles a CONNECT.
func (l *link) accepted(s *Socket, p *parser.Packet) error {
	var m struct {
		SID string `json:"sid"`
		PID string `json:"pid"`
	}
	if len(p.Payload.Data) > 0 {
		if err := l.c.codec.UnmarshalValue(p.Payload, &m); err != nil {
			return fmt.Errorf("%w: %w", errProtocol, err)
		}
	}
	if m.SID == "" {
		s.refuse(l, errOldServer)
		return nil
	}
	if l.since.IsZero() {
		l.since = time.Now()
	}
	return s.joined(l, m.SID, m.PID)
}

// refused handles a CONNECT_ERROR, which is an object or, of old servers, text.
func (l *link) refused(s *Socket, p *parser.Packet) error {
	e := &event.Error{}
	var m struct {
		Message string `json:"message"`
		Data    any    `json:"data"`
	}
	if err := l.c.codec.UnmarshalValue(p.Payload, &m); err == nil {
		e.Message, e.Data = m.Message, m.Data
	} else if err := l.c.codec.UnmarshalValue(p.Payload, &e.Message); err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	s.refuse(l, e)
	return nil
}

// disconnected handles a DISCONNECT.
func (l *link) disconnected(s *Socket) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if s.left(l) {
		l.c.releaseLocked()
	}
}

// send encodes and sends a packet without waiting.
func (l *link) send(m engine.Mode, p *parser.Packet) error {
	if h := l.c.o.Hooks.Packet; h != nil {
		h(true, p)
	}
	b := getBuffer()
	defer b.free()
	b.data = l.c.codec.AppendHeader(b.data, p)
	first := engine.Message{Binary: l.c.codec.BinaryHeader(), Data: b.data}
	if len(p.Payload.Attachments) == 0 {
		return l.conn.Send(m, first)
	}
	ms := make([]engine.Message, 0, 1+len(p.Payload.Attachments))
	ms = append(ms, first)
	for _, a := range p.Payload.Attachments {
		ms = append(ms, engine.Message{Binary: true, Data: a})
	}
	return l.conn.Send(m, ms...)
}

// clonePayload copies a payload, which the next message would overwrite.
func clonePayload(p parser.Payload) parser.Payload {
	q := parser.Payload{Data: bytes.Clone(p.Data)}
	if len(p.Attachments) > 0 {
		q.Attachments = make([][]byte, len(p.Attachments))
		for i, a := range p.Attachments {
			q.Attachments[i] = append([]byte{}, a...)
		}
	}
	return q
}

// payloadSize is what a payload costs in a buffer.
func payloadSize(p parser.Payload) int {
	n := len(p.Data) + 96
	for _, a := range p.Attachments {
		n += len(a) + 24
	}
	return n
}
