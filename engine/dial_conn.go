package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// A ClientConn is the client's end of one Engine.IO connection. Its methods may
// be called by many goroutines at once.
//
// It owns a goroutine that reads, one that writes while a write has to wait,
// and for a moment those of an upgrade and of Close. The last of them to end
// calls Closed of the session.
type ClientConn struct {
	d       *dialer
	open    func(*ClientConn) Session
	session Session
	hs      Handshake

	ctx    context.Context // of every request; done when the connection has ended
	cancel context.CancelFunc
	done   chan struct{}

	deadline atomic.Int64 // when the next heartbeat is overdue, in ns of wall time; 0: no handshake yet
	expiry   *time.Timer
	stamp    atomic.Int64 // makes the URLs of requests differ

	mu      sync.Mutex
	why     error // of the end
	closing bool  // by Close
	closed  bool
	running int // goroutines

	ws     *ws.Conn // nil: the transport is polling
	probe  *ws.Conn // of an upgrade in progress
	paused bool     // an upgrade is waiting for silence on polling
	wrote  bool     // something was sent over ws
	// reverted tells that the next poll shows whether the session is still there.
	reverted bool
	// polling tells that a goroutine polls, writing that one sends.
	polling, writing bool

	queue  []outgoing
	queued int    // bytes in queue and in rest
	rest   []byte // end of a frame of which the kernel took only the start

	still   chan struct{} // closed when nothing polls and nothing is sent
	drained chan struct{} // closed when nothing waits to be sent
	space   chan struct{} // closed when queued has shrunk

	pings   uint64  // of WebSocket
	flushes []flush // that wait for a pong
}

// An outgoing is a packet that waits. kind is the type of Engine.IO, or 'b' for
// a binary message, or 'P' for a pong and 'N' for a ping of WebSocket.
type outgoing struct {
	kind       byte
	noCompress bool
	data       []byte
}

// perPacket is what a packet counts for besides its data.
const perPacket = 16

func newClientConn(d *dialer, open func(*ClientConn) Session) *ClientConn {
	c := &ClientConn{d: d, open: open, done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// ID returns the session ID. It is a secret between the client and its server.
func (c *ClientConn) ID() string { return c.hs.SID }

// Handshake returns what the server said at the start.
func (c *ClientConn) Handshake() Handshake { return c.hs }

// Transport returns "polling" or "websocket".
func (c *ClientConn) Transport() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != nil {
		return "websocket"
	}
	return "polling"
}

// Done is closed when the connection has ended, its session has been told and
// none of its goroutines does anything any more.
func (c *ClientConn) Done() <-chan struct{} { return c.done }

// Context is done when the connection has ended. A session whose Message has to
// wait for something must not wait longer than that.
func (c *ClientConn) Context() context.Context { return c.ctx }

// Buffered returns the number of bytes that wait to be sent.
func (c *ClientConn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

// Wait waits until at most n bytes wait to be sent, ctx is done, or the
// connection ends, which makes it return [ErrClosed].
func (c *ClientConn) Wait(ctx context.Context, n int) error {
	for {
		c.mu.Lock()
		if c.closing || c.closed {
			c.mu.Unlock()
			return ErrClosed
		}
		if c.queued <= n {
			c.mu.Unlock()
			return nil
		}
		if c.space == nil {
			c.space = make(chan struct{})
		}
		space := c.space
		c.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close sends what is queued, closes the connection and makes why the reason
// that its session learns; nil is [ErrClosed]. It does not wait: see [ClientConn.Done].
func (c *ClientConn) Close(why error) {
	if why == nil {
		why = ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.closed {
		return
	}
	c.closing, c.why = true, why
	c.drained = make(chan struct{})
	c.wakeLocked(&c.space)
	if !c.writing && !c.paused && (len(c.queue) > 0 || len(c.rest) > 0) {
		c.startWriterLocked()
	}
	c.settleLocked()
	c.spawnLocked(c.finish)
}

// finish is the goroutine of Close.
func (c *ClientConn) finish() {
	patience := time.NewTimer(c.d.o.WriteTimeout)
	defer patience.Stop()
	c.mu.Lock()
	drained := c.drained
	c.mu.Unlock()
	if drained != nil {
		select {
		case <-drained:
			c.farewell()
		case <-patience.C:
		case <-c.ctx.Done():
		}
	} else {
		c.farewell()
	}
	c.fail(ErrClosed)
}

// farewell tells the server that the client goes.
func (c *ClientConn) farewell() {
	c.mu.Lock()
	conn := c.ws
	c.mu.Unlock()
	if conn == nil {
		ctx, cancel := context.WithTimeout(c.ctx, min(c.d.o.WriteTimeout, c.d.o.RequestTimeout))
		defer cancel()
		_ = c.post(ctx, []byte{'1'}) // the server will notice anyway
		return
	}
	c.writeClose(conn, 1000, "")
}

// fail ends the connection at once. Only the first reason counts.
func (c *ClientConn) fail(why error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	if c.why == nil {
		c.why = why
	}
	c.queue, c.rest, c.queued = nil, nil, 0
	c.wakeLocked(&c.space)
	c.wakeLocked(&c.still)
	c.wakeLocked(&c.drained)
	conn, probe := c.ws, c.probe
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.mu.Unlock()

	c.cancel()
	if conn != nil {
		_ = conn.Close()
	}
	if probe != nil {
		_ = probe.Close()
	}
}

// abandon ends a connection whose opening failed and waits for its goroutines.
func (c *ClientConn) abandon() {
	c.fail(ErrClosed)
	c.mu.Lock()
	running := c.running
	c.mu.Unlock()
	if running > 0 {
		<-c.done
	}
}

// opened takes the handshake and makes the session.
func (c *ClientConn) opened(data []byte) error {
	hs, err := parseHandshake(data)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.hs = hs
	c.expiry = time.AfterFunc(hs.PingInterval+hs.PingTimeout, func() { c.fail(ErrPingTimeout) })
	c.mu.Unlock()
	c.alive()
	c.session = c.open(c)
	return nil
}

// alive postpones the moment at which the server is given up.
func (c *ClientConn) alive() {
	d := c.hs.PingInterval + c.hs.PingTimeout
	c.deadline.Store(time.Now().Add(d).UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.expiry.Reset(d)
	}
}

// expired reports whether the heartbeat is overdue, by the clock on the wall:
// a machine that slept wakes up with timers that know nothing of it.
func (c *ClientConn) expired() bool {
	d := c.deadline.Load()
	return d != 0 && time.Now().UnixNano() >= d
}

// spawnLocked runs fn on a goroutine of the connection.
func (c *ClientConn) spawnLocked(fn func()) {
	c.running++
	go func() {
		defer c.exit()
		fn()
	}()
}

// spawn is spawnLocked if the connection is not closed.
func (c *ClientConn) spawn(fn func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.spawnLocked(fn)
	return true
}

func (c *ClientConn) exit() {
	c.mu.Lock()
	c.running--
	last, why := c.running == 0 && c.closed, c.why
	c.mu.Unlock()
	if !last {
		return
	}
	if c.session != nil {
		c.session.Closed(why)
		c.d.closeIdle()
	}
	close(c.done)
}

// settleLocked wakes those who wait for silence.
func (c *ClientConn) settleLocked() {
	if !c.writing && !c.polling {
		c.wakeLocked(&c.still)
	}
	if !c.writing && !c.paused && len(c.queue) == 0 && len(c.rest) == 0 {
		c.wakeLocked(&c.drained)
	}
}

func (c *ClientConn) wakeLocked(ch *chan struct{}) {
	if *ch != nil {
		close(*ch)
		*ch = nil
	}
}

// A sessionError is an error of the session's own, to be told from the network's.
type sessionError struct{ error }

// packet handles one text packet of either transport.
func (c *ClientConn) packet(data []byte) error {
	if len(data) == 0 {
		return fmt.Errorf("%w: empty packet", ErrTransport)
	}
	if h := c.d.o.Hooks.Packet; h != nil {
		h(c, false, data[0], len(data)-1)
	}
	switch data[0] {
	case '4':
		return c.deliver(false, data[1:])
	case '2':
		c.alive()
		c.control('3', nil)
		if h := c.d.o.Hooks.Ping; h != nil {
			h(c)
		}
	case '6', '3': // nothing to do
	case '1':
		return ErrTransportClose
	case 'b':
		return c.deliverBase64(data[1:])
	default:
		return fmt.Errorf("%w: unexpected packet of type %q", ErrTransport, data[0])
	}
	return nil
}

func (c *ClientConn) deliver(binary bool, data []byte) error {
	c.mu.Lock()
	over := c.closing || c.closed
	c.mu.Unlock()
	if over {
		return nil
	}
	if err := c.session.Message(binary, data); err != nil {
		return sessionError{err}
	}
	return nil
}

// ended handles the error that ended a reader.
func (c *ClientConn) ended(err error) {
	var own sessionError
	if errors.As(err, &own) {
		c.Close(own.error)
		return
	}
	c.fail(err)
}
