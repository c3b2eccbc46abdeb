package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/internal/lane"
	"github.com/roomwire/roomwire/parser"
)

// A Socket is a client in one namespace. Its methods may be called by many
// goroutines at once.
//
// Its handlers run one at a time, in the order in which things happened, on a
// goroutine that exists only while there is work. What OnConnect registered
// returns before the first event of a connection is handled.
type Socket struct {
	c         *Client
	namespace string
	lane      lane.Lane[work]
	handlers  handlers
	spare     atomic.Pointer[pending] // of the last EmitAck, for the next one

	mu        sync.Mutex
	active    bool // wants to be connected
	connected bool
	recovered bool
	shutDown  bool
	id        string
	pid       string // of the session that may be recovered
	offset    string // of the last event of that session
	link      *link  // over which CONNECT went
	waiters   []*waiter
	lastErr   error // of the last attempt to connect

	nextID  int64
	acks    map[int64]*pending
	buffer  []buffered // events emitted while disconnected
	waiting int        // bytes of buffer and retries
	retries []*pending // not acknowledged yet; the first is in flight
	early   []work     // events that came before CONNECT
	earlyN  int        // their bytes
}

// A waiter waits for a socket to be connected.
type waiter struct{ ch chan error }

func newSocket(c *Client, namespace string) *Socket {
	s := &Socket{c: c, namespace: namespace, acks: map[int64]*pending{}}
	s.lane.Init(c.o.ReceiveBuffer, s.run, nil)
	return s
}

// Client returns the connection the socket is on: socket.io.
func (s *Socket) Client() *Client { return s.c }

// Namespace returns the name, with its leading slash: socket.nsp.
func (s *Socket) Namespace() string { return s.namespace }

// Context is done when the client is closed. Handlers run with it.
func (s *Socket) Context() context.Context { return s.c.ctx }

// ID returns the socket's ID while it is connected, else "": socket.id.
func (s *Socket) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Connected reports whether the server has accepted the socket and the
// connection stands: socket.connected.
func (s *Socket) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connected
}

// Active reports whether the socket is connected or will try to be by itself:
// socket.active.
func (s *Socket) Active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active
}

// Recovered reports whether the last connection went on with the session of
// the one before, so that nothing was missed: socket.recovered.
func (s *Socket) Recovered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recovered
}

// Connect waits until the server has accepted the socket: socket.connect and
// the connect event. A refusal of the server is an *[event.Error], after which
// the socket does not try again by itself. Failures of the network are retried
// as the options say, in the background and for as long as the socket is active.
//
// When ctx is done first, Connect returns an error that wraps its cause and, if
// it was this call that began to connect, gives up.
func (s *Socket) Connect(ctx context.Context) error {
	c := s.c
	w := &waiter{ch: make(chan error, 1)}
	c.mu.Lock()
	if c.state == closed {
		c.mu.Unlock()
		return ErrClosed
	}
	s.mu.Lock()
	if s.connected {
		s.mu.Unlock()
		c.mu.Unlock()
		return nil
	}
	began := !s.active
	s.active = true
	s.waiters = append(s.waiters, w)
	s.mu.Unlock()
	if began {
		switch c.state {
		case idle:
			c.state = connecting
			c.work.Force(task{})
		case open:
			c.work.Force(task{join: s, link: c.link})
		}
	}
	c.mu.Unlock()

	select {
	case err := <-w.ch:
		return err
	case <-ctx.Done():
		return s.abandon(ctx, w, began)
	}
}

// abandon ends a call of Connect whose ctx is done.
func (s *Socket) abandon(ctx context.Context, w *waiter, began bool) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.mu.Lock()
	for i, o := range s.waiters {
		if o == w {
			s.waiters = append(s.waiters[:i], s.waiters[i+1:]...)
			break
		}
	}
	last := s.lastErr
	release := began && len(s.waiters) == 0 && !s.connected && s.active
	if release {
		s.active = false
	}
	s.mu.Unlock()
	if release {
		s.c.releaseLocked()
	}
	select {
	case err := <-w.ch: // it was settled in the meantime
		return err
	default:
	}
	if last != nil {
		return fmt.Errorf("client: connect: %w, after: %w", context.Cause(ctx), last)
	}
	return fmt.Errorf("client: connect: %w", context.Cause(ctx))
}

// Disconnect leaves the namespace: socket.disconnect. The connection is closed
// when no other socket uses it. Events that wait for a connection keep waiting
// for the next Connect. It does not wait.
func (s *Socket) Disconnect() {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.mu.Lock()
	if s.connected {
		_ = s.link.send(0, &parser.Packet{Type: parser.Disconnect, Namespace: s.namespace, ID: -1})
		s.link = nil
		s.goneLocked(ClientDisconnect)
	}
	s.endLocked(ErrNotConnected)
	s.mu.Unlock()
	if c.state != closed {
		c.releaseLocked()
	}
}

// shut is Disconnect for ever. The client's lock is held.
func (s *Socket) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected {
		_ = s.link.send(0, &parser.Packet{Type: parser.Disconnect, Namespace: s.namespace, ID: -1})
		s.goneLocked(ClientDisconnect)
	}
	s.shutDown = true
	s.endLocked(ErrClosed)
	for id, p := range s.acks {
		delete(s.acks, id)
		p.settle(reply{err: ErrClosed})
	}
	for _, p := range s.retries {
		p.settle(reply{err: ErrClosed})
	}
	s.buffer, s.retries, s.waiting = nil, nil, 0
}

// endLocked makes the socket inactive.
func (s *Socket) endLocked(err error) {
	s.active = false
	for _, w := range s.waiters {
		w.ch <- err
	}
	s.waiters = nil
}

// goneLocked makes a connected socket disconnected.
func (s *Socket) goneLocked(why Reason) {
	s.connected, s.id = false, ""
	s.loseAcksLocked()
	s.notifyDisconnect(why)
}

// lost tells that a connection has ended. The client's lock is held.
func (s *Socket) lost(l *link, why Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != l {
		return
	}
	s.link, s.early, s.earlyN = nil, nil, 0
	if s.connected {
		s.goneLocked(why)
	}
}

// left handles a DISCONNECT. The client's lock is held.
func (s *Socket) left(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != l || !s.connected {
		return false
	}
	s.link = nil
	s.goneLocked(ServerDisconnect)
	s.endLocked(ErrNotConnected)
	return true
}

// giveUp makes the socket inactive after a failure for good.
func (s *Socket) giveUp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active {
		s.endLocked(err)
	}
}

// attemptFailed tells an active socket that an attempt to connect failed.
func (s *Socket) attemptFailed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active {
		s.lastErr = err
		s.notifyConnectError(err)
	}
}

// refuse handles a CONNECT_ERROR, or a CONNECT that makes no sense.
func (s *Socket) refuse(l *link, err error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.mu.Lock()
	ours := s.link == l && !s.connected
	if ours {
		s.link = nil
		s.refusedLocked(err)
	}
	s.mu.Unlock()
	if ours && c.state == open {
		c.releaseLocked()
	}
}

// refusedLocked makes a socket inactive that was not let in.
func (s *Socket) refusedLocked(err error) {
	s.early, s.earlyN = nil, 0
	if !s.active {
		return
	}
	s.lastErr = err
	s.endLocked(err)
	s.notifyConnectError(err)
}

// sendConnectLocked sends CONNECT.
func (s *Socket) sendConnectLocked(l *link, auth any) error {
	if s.pid != "" {
		merged, err := resume(auth, s.pid, s.offset)
		if err != nil {
			return err
		}
		auth = merged
	}
	p := parser.Packet{Type: parser.Connect, Namespace: s.namespace, ID: -1}
	if auth != nil {
		var err error
		if p.Payload, err = s.c.codec.MarshalValue(nil, auth); err != nil {
			return fmt.Errorf("client: auth: %w", err)
		}
	}
	s.link = l
	err := l.send(0, &p)
	if errors.Is(err, engine.ErrClosed) {
		s.link = nil
		return nil // the next connection will do
	}
	return err
}

// joined handles a CONNECT.
func (s *Socket) joined(l *link, id, pid string) error {
	s.mu.Lock()
	if s.link != l || s.connected {
		s.mu.Unlock()
		return nil
	}
	if !s.active { // it changed its mind while the server was thinking
		s.link, s.early, s.earlyN = nil, nil, 0
		defer s.mu.Unlock()
		return ignoreClosed(l.send(0, &parser.Packet{Type: parser.Disconnect, Namespace: s.namespace, ID: -1}))
	}
	s.recovered = pid != "" && pid == s.pid
	if !s.recovered {
		s.offset = ""
	}
	s.id, s.pid, s.connected, s.lastErr = id, pid, true, nil
	early := s.early
	s.early, s.earlyN = nil, 0
	s.notifyConnect()
	s.flushLocked(l)
	for _, w := range s.waiters {
		w.ch <- nil
	}
	s.waiters = nil
	s.mu.Unlock()

	for _, w := range early {
		if err := s.lane.Put(l.conn.Context(), w, payloadSize(w.payload)); err != nil {
			return err
		}
		s.remember(l, w.id, w.payload)
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, engine.ErrClosed) {
		return nil
	}
	return err
}

// interface satisfaction is part of the contract: constants of package event
// send through sockets.
var _ event.Caller = (*Socket)(nil)
