package engine

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// reader is a Conn as its WebSocket sees it.
type reader Conn

// Message implements ws.Handler. What goes wrong closes the connection with a
// close frame; reading goes on until the client has answered that.
func (r *reader) Message(binary bool, data []byte) error {
	c := (*Conn)(r)
	switch {
	case binary:
		c.binary(data)
	case len(data) > 0 && data[0] == 'b': // of a client that asked for b64
		c.base64(data[1:])
	default:
		c.packet(data)
	}
	return nil
}

// Ping implements ws.Handler. Of many pings in one read the last is answered.
func (r *reader) Ping(data []byte) {
	r.pong = &Prepared{plain: ws.AppendFrame(nil, ws.OpPong, data)}
}

// Pong implements ws.Handler. A server sends no pings of WebSocket.
func (r *reader) Pong([]byte) {}

// Idle implements ws.Handler.
func (r *reader) Idle() {
	if r.pong == nil {
		return
	}
	c := (*Conn)(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ponging && c.is(stateOpen) {
		c.ponging = true
		c.queue.push(c.pong, NoCompress|modePong)
		c.flush()
	}
	c.pong = nil
}

// openWebSocket starts a session whose first transport is WebSocket. The
// response and the open packet leave in one write.
func (s *Server) openWebSocket(w http.ResponseWriter, r *http.Request, q query) {
	c, refusal := s.handshake(r, q)
	if refusal != nil {
		s.refuse(w, r, refusal)
		return
	}
	conn, response := s.acceptWebSocket(w, r, c)
	if conn == nil {
		s.addresses.leave(c.from)
		return
	}
	c.take(conn, wantsText(r))
	c.greet(appendText(response, '0', s.openPacket(c.id, false)))
	if err := s.add(c); err != nil {
		s.addresses.leave(c.from)
		cut(conn)
		return
	}
	c.mu.Lock()
	c.flush()
	c.mu.Unlock()
	if p := s.o.InitialPacket; len(p) > 0 {
		_ = c.SendMessage(false, p, 0)
	}
	c.start()
	s.running.Add(1)
	s.read(conn, (*reader)(c), c.ended)
}

// read reads conn for h elsewhere, until end.
func (s *Server) read(conn *ws.Conn, h ws.Handler, end func(error)) {
	if conn.Polled() {
		conn.Start(h, end)
		return
	}
	s.readers.Add(1)
	conn.Start(h, func(err error) {
		s.readers.Add(-1)
		end(err)
	})
}

// ended is served, and tells the server.
func (c *Conn) ended(err error) {
	defer c.srv.running.Done()
	c.served(err)
}

// greet queues what comes before everything else: the response to the
// handshake, which is no frame, and the open packet. c is known to nobody.
func (c *Conn) greet(b []byte) {
	p := &Prepared{plain: b, n: 1}
	p.textOnce.Do(func() { p.texts = b })
	c.countOut(p.n, p.size)
	c.queue.push(p, NoCompress)
}

// take makes w what carries the connection. mu is held, or c is known to nobody.
func (c *Conn) take(w *ws.Conn, textOnly bool) {
	c.ws, c.compress, c.textOnly = w, w.Compress(), textOnly
	c.ahead.Store(w)
}

// wantsText reports whether the client takes binary messages as base64 only.
func wantsText(r *http.Request) bool { return parseQuery(r.URL.RawQuery).b64 != "" }

// acceptWebSocket upgrades r. If c is not nil it is the new connection, and
// what answers the request is left to be written; else that has been. It
// returns nil if r was refused.
func (s *Server) acceptWebSocket(w http.ResponseWriter, r *http.Request, c *Conn) (conn *ws.Conn, response []byte) {
	o := s.accept
	o.Protocols = ws.Protocols(r)
	if s.readers.Load() < int64(s.o.Readers) {
		o.Poller, o.Defer = nil, true
	}
	o.Header = w.Header()
	if c != nil {
		s.firstHeaders(o.Header, r, c.id)
	}
	s.headers(o.Header, r)
	var err error
	if c != nil {
		conn, response, err = ws.Upgrade(w, r, &o)
	} else {
		conn, err = ws.Accept(w, r, &o)
	}
	if err == nil {
		return conn, response
	}
	var he *ws.HandshakeError
	if errors.As(err, &he) {
		w.Header().Del("Set-Cookie")
		for name, values := range he.Header {
			w.Header()[name] = values
		}
		s.refuse(w, r, badRequest(he.Status, "TRANSPORT_HANDSHAKE_ERROR", "error", he.Reason))
	}
	return nil, nil
}

// served ends what Serve left. It is the last that the reader does.
func (c *Conn) served(err error) {
	var ce *ws.CloseError
	isClose := errors.As(err, &ce)
	if isClose && !ce.Remote {
		if ce.Code == 1009 {
			c.srv.count.tooLarge.Add(1)
		}
		c.srv.count.bad.Add(1)
	}
	c.mu.Lock()
	w := c.ws
	last := isClose && !c.is(stateClosed) && !c.shut
	if !c.is(stateClosed) {
		if c.is(stateOpen) {
			c.why = networkError(err)
		}
		c.state.Store(stateClosed) // by hand: end would cut
		c.srv.wheel.cancel(&c.timer)
		if last {
			c.stopWriter()
		}
		last = last && !c.torn && c.queue.off == 0
		c.queue.drop()
		c.wake()
		c.over()
	}
	c.mu.Unlock()
	if last {
		farewell(w, ce)
	}
	cut(w)
	c.leave()
}

// stopWriter waits until the write in progress has ended. mu is held, but not
// while it waits; the state is closed, so there is no next one.
func (c *Conn) stopWriter() {
	if !c.writing {
		return
	}
	done := make(chan struct{})
	c.written = done
	_ = c.ws.SetWriteDeadline(time.Now().Add(farewellTime))
	c.mu.Unlock()
	<-done
	c.mu.Lock()
}

// farewellTime bounds the end of a WebSocket after its last frame.
const farewellTime = time.Second

// farewell answers a close frame, or tells what the client did wrong.
func farewell(w *ws.Conn, ce *ws.CloseError) {
	reason := ce.Reason
	if ce.Remote {
		reason = ""
	}
	frame := ws.AppendClose(nil, ce.Code, reason, false)
	if n, err := w.TryWrite(frame); err != nil {
		return
	} else if n < len(frame) {
		if n > 0 || w.CanTryWrite() {
			return // it does not read
		}
		_ = w.SetWriteDeadline(time.Now().Add(farewellTime))
		if w.Write(frame) != nil {
			return
		}
	}
	if ce.Remote {
		return
	}
	w.Linger(farewellTime)
}

// A probe is a WebSocket that wants to take over a polling session.
type probe struct {
	c     *Conn
	ws    *ws.Conn
	timer timer
	due   time.Duration
	text  bool // the client takes no binary frames
	heard bool // 2probe came and 3probe went; under Conn.mu
	moved bool // it took over; the reader's
}

var errProbe = errors.New("engine: upgrade was not completed")

// upgrade starts a probe.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, c *Conn) {
	conn, _ := s.acceptWebSocket(w, r, nil)
	if conn == nil {
		return
	}
	conn.SetLimit(probeLimit)
	p := &probe{c: c, ws: conn, text: wantsText(r)}
	p.timer.owner = p
	c.mu.Lock()
	if c.lp == nil || c.lp.probe != nil || !c.is(stateOpen) {
		c.mu.Unlock()
		farewell(conn, &ws.CloseError{Code: 1005})
		cut(conn)
		return
	}
	c.lp.probe, c.lp.noops = p, 0
	p.due = s.wheel.now() + s.o.UpgradeTimeout
	s.wheel.schedule(&p.timer, p.due)
	s.running.Add(1)
	c.mu.Unlock()
	s.read(conn, p, p.ended)
}

// ended is called when nothing more comes.
func (p *probe) ended(err error) {
	c := p.c
	if p.moved {
		c.ended(err)
		return
	}
	defer c.srv.running.Done()
	c.mu.Lock()
	if c.lp != nil && c.lp.probe == p {
		c.lp.dropProbe()
	}
	c.mu.Unlock()
	cut(p.ws)
}

// expire implements the deadline of the upgrade.
func (p *probe) expire() {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.lp == nil || p.c.lp.probe != p {
		return
	}
	if p.c.srv.wheel.now() < p.due {
		p.c.srv.wheel.schedule(&p.timer, p.due)
		return
	}
	p.c.lp.dropProbe()
}

// Message implements ws.Handler. An error ends the probe, not the session.
func (p *probe) Message(binary bool, data []byte) error {
	switch {
	case p.moved:
		return (*reader)(p.c).Message(binary, data)
	case binary:
		return errProbe
	case string(data) == "2probe":
		return p.listen()
	case string(data) == "5":
		return p.move()
	}
	return errProbe
}

// Ping implements ws.Handler.
func (p *probe) Ping(data []byte) {
	if p.moved {
		(*reader)(p.c).Ping(data)
	}
}

// Pong implements ws.Handler.
func (p *probe) Pong([]byte) {}

// Idle implements ws.Handler.
func (p *probe) Idle() {
	if p.moved {
		(*reader)(p.c).Idle()
	}
}

// listen answers the probe. From now on no poll is left waiting: the client
// waits for its end before it moves.
func (p *probe) listen() error {
	p.c.mu.Lock()
	again := p.heard
	p.heard = true
	p.c.mu.Unlock()
	if again {
		return errProbe
	}
	answer := appendText(nil, '3', "probe")
	n, err := p.ws.TryWrite(answer)
	if err == nil && n < len(answer) {
		p.ws.Block()
		_ = p.ws.SetWriteDeadline(time.Now().Add(p.c.srv.o.WriteTimeout))
		err = p.ws.Write(answer[n:])
		_ = p.ws.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errProbe, err)
	}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.lp != nil && p.c.lp.probe == p && p.c.lp.waiting != nil {
		p.c.lp.noops++
		p.c.lp.answer("")
	}
	return nil
}

// move makes the WebSocket the transport of the session and the caller its
// reader. A POST in progress came before and is handled before.
func (p *probe) move() error {
	c := p.c
	c.mu.Lock()
	defer func() { c.mu.Unlock() }()
	for c.busy && c.lp != nil && c.lp.probe == p {
		done := c.lp.whenLeft()
		c.mu.Unlock()
		p.ws.Block()
		<-done
		c.mu.Lock()
	}
	if c.lp == nil || c.lp.probe != p || !p.heard || !c.is(stateOpen) {
		return errProbe
	}
	c.busy, p.moved = true, true
	c.srv.wheel.cancel(&p.timer)
	if p := c.lp.waiting; p != nil && p.late && !p.woken {
		c.lp.refuse()
	} else {
		c.lp.answer("6")
	}
	c.lp = nil
	c.take(p.ws, p.text)
	c.ws.SetLimit(c.maxMessage())
	c.srv.count.upgrades.Add(1)
	c.flush()
	if h := c.srv.o.Hooks.Upgrade; h != nil {
		c.mu.Unlock()
		h(c)
		c.mu.Lock()
	}
	return nil
}
