package sio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/parser"
)

// newID returns 20 characters of 120 random bits.
func newID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// connect is the handshake of a namespace: find it, recover, ask the guards,
// join, tell the client, tell the application. It runs on the socket's lane.
func (s *Socket) connect() {
	srv := s.conn.srv
	if err := s.admit(s.Context()); err != nil {
		why := ReasonServerDisconnect
		if errors.Is(err, ErrClosed) {
			why = ReasonTransportClose
			if s.state.Load() != closed {
				s.eng.Close(nil) // its session went to another connection: there is nothing to answer
			}
		} else if s.state.Load() != closed {
			srv.stats.refused.Add(1)
			var p *panicError
			switch {
			case errors.As(err, &p):
				srv.log.Error("sio: guard panicked", "namespace", s.name, "panic", p.value, "stack", string(p.stack))
			case public(err).Message == privateMessage:
				srv.log.Error("sio: guard failed", "namespace", s.name, "error", err)
			default:
				srv.log.Debug("sio: connect refused", "namespace", clip(s.name), "error", err)
			}
			s.conn.detach(s, false) // before the client knows, and tries again
			_ = s.conn.refuse(s.name, public(err))
		}
		s.close(why)
		return
	}
	srv.stats.connects.Add(1)
	s.greeted = true
	s.conn.accepted()
	for _, fn := range s.ns.connectHooks() {
		err := protect(func() error { return fn(s.Context(), s) })
		if err != nil {
			s.failed("connect", err)
			return
		}
	}
	s.ready.Store(true)
}

// failed logs what went wrong in a hook of the socket and disconnects it. A
// hook that found the connection gone is right: its end, which is about to be
// told, ends the socket, with its own reason and a session to come back to.
func (s *Socket) failed(where string, err error) {
	if errors.Is(err, ErrClosed) && s.lost() {
		return
	}
	var p *panicError
	if errors.As(err, &p) {
		s.conn.srv.stats.panics.Add(1)
		s.conn.srv.log.Error("sio: hook panicked", "hook", where, "panic", p.value, "stack", string(p.stack))
	} else {
		s.conn.srv.log.Error("sio: hook failed", "hook", where, "error", err)
	}
	s.Disconnect()
}

// lost reports whether the connection has ended.
func (s *Socket) lost() bool {
	select {
	case <-s.eng.Done():
		return true
	default:
		return false
	}
}

// admit brings the socket from connecting to connected.
func (s *Socket) admit(ctx context.Context) error {
	ns, path, err := s.conn.srv.resolve(ctx, s)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.ns, s.path = ns, path
	s.mu.Unlock()

	var lost *session
	if ns.recovery != nil {
		lost = ns.recovery.claim(ctx, s)
		s.pid = newID()
	}
	if lost != nil {
		s.mu.Lock()
		s.id, s.pid, s.recovered = lost.id, lost.pid, true
		s.values, s.rooms, s.since = lost.values, lost.rooms, lost.since
		s.mu.Unlock()
	}
	err = s.pass(ctx, lost)
	if errors.Is(err, errForsaken) { // then it begins anew
		ns.recovery.drop(ctx, s, lost)
		s.mu.Lock()
		s.id, s.pid, s.recovered = newID(), newID(), false
		s.values, s.rooms, s.since = nil, nil, nil
		s.mu.Unlock()
		err = s.pass(ctx, nil)
	}
	return err
}

// pass asks the guards and lets the socket in, as the one that lost its
// connection if that is not nil.
func (s *Socket) pass(ctx context.Context, lost *session) error {
	ns := s.ns
	if lost == nil || !ns.srv.opts.Recovery.SkipMiddleware {
		for _, guard := range ns.guards() {
			if err := protect(func() error { return guard(ctx, s) }); err != nil {
				if lost != nil {
					ns.recovery.giveBack(s, lost)
				}
				return err
			}
		}
	}
	if ns.recovery != nil {
		return ns.recovery.enter(ctx, s, lost)
	}
	return s.enter(ctx, nil)
}

// maxEarlyReplay is how many bytes of what was missed are sent before CONNECT,
// as Node.js does with all of it. A client holds them until CONNECT comes and
// does not count them as seen: if the connection is lost in between, it gets
// them again. So what is too much to leave at once comes after CONNECT.
const maxEarlyReplay = 128 << 10

// enter joins the rooms and sends CONNECT and, mostly before it, the events that
// a recovered socket missed. Deliveries that come meanwhile follow.
func (s *Socket) enter(ctx context.Context, missed []parser.Payload) error {
	s.mu.Lock()
	if s.state.Load() == closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.state.Store(joining)
	rooms := s.rooms
	s.mu.Unlock()

	if err := s.ns.enter(ctx, s, rooms); err != nil {
		return err
	}

	s.eng.LimitMessages(0) // before the client knows, and sends
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() == closed {
		return ErrClosed
	}
	replay := func(last engine.Mode) {
		for i, p := range missed {
			m := engine.Later
			if i == len(missed)-1 {
				m = last
			}
			_ = s.conn.send(&parser.Packet{Type: parser.Event, Namespace: s.name, ID: -1, Payload: p}, m)
		}
	}
	long := sizes(missed) > maxEarlyReplay
	if !long {
		replay(engine.Later)
	}
	hello := struct {
		SID string `json:"sid"`
		PID string `json:"pid,omitempty"`
	}{s.id, s.pid}
	payload, err := s.conn.srv.opts.Codec.MarshalValue(nil, hello)
	if err != nil {
		return err
	}
	if err := s.conn.send(&parser.Packet{Type: parser.Connect, Namespace: s.name, ID: -1, Payload: payload}, 0); err != nil {
		return ErrClosed
	}
	if long {
		replay(0)
	}
	for _, e := range s.early {
		_ = s.eng.Send(e.frames, e.mode)
	}
	s.early, s.rooms = nil, nil
	s.state.Store(connected)
	return nil
}

// disconnect ends the socket from this side; with closeConn, all sockets of
// its connection and the connection.
func (s *Socket) disconnect(closeConn bool) {
	if !closeConn {
		s.part()
		return
	}
	for _, other := range s.conn.all() {
		other.part()
	}
	s.part()
	s.eng.Close(nil)
}

// part tells the client that the socket leaves the namespace.
func (s *Socket) part() {
	if s.state.Load() == closed {
		return
	}
	s.discard.Store(true)
	if s.state.Load() >= joining {
		s.conn.detach(s, true)
		_ = s.conn.send(&parser.Packet{Type: parser.Disconnect, Namespace: s.name, ID: -1}, 0)
	}
	s.close(ReasonServerDisconnect)
}

// close ends the socket once: nothing is sent to it any more, who waits for it
// is told, and its last hooks follow the events that have arrived.
func (s *Socket) close(why Reason) {
	s.mu.Lock()
	before := s.state.Load()
	if before == closed {
		s.mu.Unlock()
		return
	}
	s.reason = why
	s.state.Store(closed)
	acks, done, after := s.acks, s.done, s.after
	s.acks, s.after, s.early = nil, nil, nil
	if done == nil {
		s.done = closedDone
	}
	s.mu.Unlock()

	if done != nil {
		close(done)
	}
	for fn := range after {
		(*fn)()
	}
	for _, ack := range acks {
		ack(parser.Payload{}, ErrClosed)
	}
	s.conn.detach(s, false)
	if before == connected {
		s.leave.Do(s.leaveAll)
	}
	s.do(taskDisconnect)
}

// leaveAll takes the socket out of its rooms, which are remembered for the
// last hooks and for recovery.
func (s *Socket) leaveAll() {
	if s.ns.recovery != nil {
		s.left = s.ns.recovery.head() // before leaving: what comes after may not reach it any more
	}
	if rooms := s.ns.adapter.Rooms(s); rooms != nil { // else it never got that far
		s.mu.Lock()
		s.rooms = rooms
		s.mu.Unlock()
	}
	if err := s.ns.adapter.Remove(context.WithoutCancel(s.Context()), s); err != nil {
		s.conn.srv.log.Warn("sio: socket not removed from its rooms", "error", err)
	}
	s.ns.forget(s)
	if s.ns.recovery != nil {
		s.ns.recovery.keep(s)
	}
}

// disconnected runs the last hooks, on the lane.
func (s *Socket) disconnected() {
	defer s.conn.srv.tasks.end()
	if s.ns == nil {
		return
	}
	defer s.conn.srv.release(s.ns)
	s.leave.Do(s.leaveAll) // when it closed while joining
	if s.ns.recovery != nil {
		s.ns.recovery.depart(s)
	}
	if !s.greeted {
		return
	}
	s.conn.srv.stats.disconnects.Add(1)
	h := s.hooked()
	disconnecting, disconnect := s.ns.disconnectHooks()
	ctx := s.Context()
	run := func(where string, fn func()) {
		if err := protect(func() error { fn(); return nil }); err != nil {
			s.failed(where, err)
		}
	}
	for _, fn := range h.disconnecting {
		run("disconnecting", func() { fn(ctx, s.reason) })
	}
	for _, fn := range disconnecting {
		run("disconnecting", func() { fn(ctx, s, s.reason) })
	}
	for _, fn := range h.disconnect {
		run("disconnect", func() { fn(ctx, s.reason) })
	}
	for _, fn := range disconnect {
		run("disconnect", func() { fn(ctx, s, s.reason) })
	}
}
