package sio

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/bucket"
	"github.com/roomwire/roomwire/parser"
)

// A conn is one Engine.IO connection and the sockets that share it: the Client
// of Node.js. Message and Closed are called by one goroutine at a time.
type conn struct {
	srv    *Server
	eng    *engine.Conn
	dec    parser.Decoder
	opened time.Time
	rate   *bucket.Bucket // of what the client sends; nil: no limit
	joined *time.Timer    // ends a connection that joins no namespace

	mu      sync.Mutex
	sockets []*Socket // connecting or connected; few, so a slice is enough
	ended   []string  // namespaces that this side left; the client may not know yet
	closed  bool
}

// connectExtra is what a CONNECT may have besides its name and its payload;
// nothing longer is of use before one was accepted.
const connectExtra = 64

// Open implements engine.Handler.
func (s *Server) Open(c *engine.Conn) engine.Session {
	cn := &conn{
		srv: s, eng: c, opened: time.Now(),
		dec: s.opts.Codec.NewDecoder(parser.Limits{
			MaxAttachments:     s.opts.Limits.Attachments,
			MaxAttachmentBytes: s.opts.Limits.AttachmentBytes,
			MaxDepth:           s.opts.Limits.Depth,
		}),
	}
	if s.opts.Limits.EventRate > 0 {
		cn.rate = &bucket.Bucket{}
	}
	if l := &s.opts.Limits; l.AuthBytes > 0 && l.NameBytes > 0 {
		c.LimitMessages(l.AuthBytes + l.NameBytes + connectExtra)
	}
	if s.opts.ConnectTimeout > 0 {
		cn.joined = time.AfterFunc(s.opts.ConnectTimeout, func() {
			s.stats.connectTimeouts.Add(1)
			c.Close(errConnectTimeout)
		})
	}
	return cn
}

// packets are for what a codec is asked to read or write: as it is behind an
// interface, they cannot be on the stack.
var packets = sync.Pool{New: func() any { return new(parser.Packet) }}

func putPacket(p *parser.Packet) {
	*p = parser.Packet{}
	packets.Put(p)
}

// Message implements engine.Session.
func (c *conn) Message(binary bool, data []byte) error {
	p := packets.Get().(*parser.Packet)
	defer putPacket(p)
	complete, err := c.dec.Decode(p, binary, data)
	if err != nil {
		return c.violation(err)
	}
	if p.Type == parser.Connect {
		return c.connect(p)
	}
	s, ended := c.socket(p.Namespace)
	if ended {
		return nil
	}
	if s == nil {
		return c.violation(fmt.Errorf("packet of type %d for %q, which is not joined", p.Type, clip(p.Namespace)))
	}
	if !complete {
		return nil
	}
	switch p.Type {
	case parser.Event:
		if s.state.Load() == connecting {
			return c.violation(fmt.Errorf("event for %q before it is joined", clip(p.Namespace)))
		}
		if c.tooFast() {
			return c.drop(p)
		}
		return s.receive(p)
	case parser.Ack:
		s.settle(p.ID, p.Payload)
	case parser.Disconnect:
		c.dec.Reset()
		s.close(ReasonClientDisconnect)
	default:
		return c.violation(fmt.Errorf("packet of type %d from a client", p.Type))
	}
	return nil
}

// errTooFast is what a client reads that sends more than it may.
var errTooFast = &Error{Message: "too many events"}

// tooFast counts an event or a CONNECT and reports whether it is one too many.
func (c *conn) tooFast() bool {
	if c.rate == nil {
		return false
	}
	l := &c.srv.opts.Limits
	if c.rate.Take(time.Now(), l.EventRate, l.EventBurst) {
		return false
	}
	c.srv.stats.rateLimited.Add(1)
	c.srv.log.Debug("sio: too many events", "address", c.eng.RemoteAddr())
	return true
}

// drop answers an event that is not handled, if its sender wants an answer.
func (c *conn) drop(p *parser.Packet) error {
	if p.ID < 0 {
		return nil
	}
	payload, err := c.srv.opts.Codec.Marshal(nil, "", errorReply(errTooFast))
	if err != nil {
		return err
	}
	_ = c.send(&parser.Packet{Type: parser.Ack, Namespace: p.Namespace, ID: p.ID, Payload: payload}, 0)
	return nil
}

// clip shortens a name that a client chose, for the log.
func clip(name string) string {
	const most = 100
	if len(name) <= most {
		return name
	}
	return name[:most] + "…"
}

// violation counts a breach of the protocol, which ends the connection.
func (c *conn) violation(err error) error {
	c.srv.stats.badPackets.Add(1)
	c.srv.log.Debug("sio: protocol violation", "address", c.eng.RemoteAddr(), "error", err)
	return errors.Join(errProtocol, err)
}

// connect starts the handshake of a namespace. The answer is left to the
// socket's lane, but the place is taken here, so that a second CONNECT for the
// same namespace is refused at once.
func (c *conn) connect(p *parser.Packet) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	for _, s := range c.sockets {
		if s.name == p.Namespace {
			c.mu.Unlock()
			return c.violation(fmt.Errorf("second CONNECT for %q", clip(p.Namespace)))
		}
	}
	limits := &c.srv.opts.Limits
	var refusal *Error
	switch {
	case over(len(p.Namespace), limits.NameBytes):
		refusal = &Error{Message: "name of the namespace is too long"}
	case over(len(c.sockets)+1, limits.Namespaces):
		refusal = &Error{Message: "too many namespaces"}
	case c.tooFast():
		refusal = errTooFast
	case over(len(p.Payload.Data), limits.AuthBytes):
		refusal = &Error{Message: "auth payload is too large"}
	case !c.srv.tasks.start():
		refusal = &Error{Message: string(ReasonServerShutdown)}
	}
	if refusal != nil {
		c.mu.Unlock()
		c.srv.stats.refused.Add(1)
		c.srv.log.Debug("sio: connect refused", "namespace", clip(p.Namespace), "error", refusal)
		return c.refuse(p.Namespace, refusal)
	}
	s := newSocket(c, p.Namespace, slices.Clone(p.Payload.Data))
	c.sockets = append(c.sockets, s)
	c.ended = slices.DeleteFunc(c.ended, func(name string) bool { return name == p.Namespace })
	c.mu.Unlock()
	s.do(taskConnect)
	return nil
}

// refuse answers a CONNECT with CONNECT_ERROR.
func (c *conn) refuse(namespace string, e *Error) error {
	v := struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{e.Message, e.Data}
	payload, err := c.srv.opts.Codec.MarshalValue(nil, v)
	if err != nil {
		c.srv.log.Error("sio: data of an error cannot be encoded", "error", err)
		payload, _ = c.srv.opts.Codec.MarshalValue(nil, map[string]string{"message": e.Message})
	}
	_ = c.send(&parser.Packet{Type: parser.ConnectError, Namespace: namespace, ID: -1, Payload: payload}, 0)
	return nil
}

// send encodes and sends one packet, and keeps nothing of it.
func (c *conn) send(packet *parser.Packet, m engine.Mode) error {
	p := packets.Get().(*parser.Packet)
	defer putPacket(p)
	*p = *packet
	codec := c.srv.opts.Codec
	if len(p.Payload.Attachments) > 0 {
		return c.eng.Send(prepare(codec, p), m)
	}
	buf := getBuffer()
	*buf = codec.AppendHeader((*buf)[:0], p)
	err := c.eng.SendMessage(codec.BinaryHeader(), *buf, m)
	putBuffer(buf)
	return err
}

// prepare encodes a packet for any number of connections.
func prepare(codec parser.Codec, p *parser.Packet) *engine.Prepared {
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = codec.AppendHeader((*buf)[:0], p)
	head := engine.Message{Binary: codec.BinaryHeader(), Data: *buf}
	if len(p.Payload.Attachments) == 0 {
		return engine.Prepare(head)
	}
	ms := make([]engine.Message, 1, 1+len(p.Payload.Attachments))
	ms[0] = head
	for _, a := range p.Payload.Attachments {
		ms = append(ms, engine.Message{Binary: true, Data: a})
	}
	return engine.Prepare(ms...)
}

// socket returns the socket of a namespace, or nil; ended tells that this side
// left the namespace, so that what still comes for it is no violation.
func (c *conn) socket(namespace string) (s *Socket, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sockets {
		if s.name == namespace {
			return s, false
		}
	}
	return nil, slices.Contains(c.ended, namespace)
}

// all returns the sockets of the connection.
func (c *conn) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sockets)
}

// detach forgets s; byUs tells that the client did not ask for it.
func (c *conn) detach(s *Socket, byUs bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.sockets, s)
	if i < 0 {
		return
	}
	c.sockets = slices.Delete(c.sockets, i, i+1)
	if byUs && !over(len(c.ended)+1, c.srv.opts.Limits.Namespaces) {
		c.ended = append(c.ended, s.name)
	}
}

// accepted tells that a namespace was joined.
func (c *conn) accepted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.joined != nil {
		c.joined.Stop()
		c.joined = nil
	}
}

// Closed implements engine.Session.
func (c *conn) Closed(why error) {
	c.accepted()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.dec.Reset()
	reason := reasonOf(why)
	for _, s := range c.all() {
		s.close(reason)
	}
}
