package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// A Conn is one Engine.IO connection. Its methods may be called by many
// goroutines at once.
//
// Everything but what says otherwise is guarded by mu, which is held during no
// call but a write that cannot block. One goroutine at a time is the reader,
// the only one that calls the session: while busy is set there is one, a
// WebSocket's or that of a POST in progress, and it settles the connection
// when it stops being the reader. Else [Conn.end] starts one to do that.
type Conn struct {
	// What each send looks at comes first and close together: to many
	// connections, a message costs as much as the memory that it waits for.
	mu       sync.Mutex
	state    atomic.Uint32 // written under mu
	beat     atomic.Uint32 // written under mu
	ws       *ws.Conn      // nil while polling
	srv      *Server
	ahead    atomic.Pointer[ws.Conn] // ws, for fetch
	busy     bool                    // there is a reader
	told     bool                    // Session.Closed was or is being called
	gone     bool                    // removed from the server
	compress bool                    // permessage-deflate was negotiated
	textOnly bool                    // binary messages are sent as base64
	writing  bool                    // the writer is writing, without mu
	writer   bool                    // a writer goroutine exists
	blocked  bool                    // the kernel did not take everything
	shut     bool                    // the close frame was queued
	ponging  bool                    // a pong was queued
	torn     bool                    // a frame was written in part, and the rest never will be
	queue    queue
	traffic  traffic

	id      string
	opening opening
	from    *address // that it counts for; nil: not counted
	session Session
	lp      *longPoll // nil from the upgrade on
	why     error
	due     time.Duration // of the heartbeat, or of the end while closing
	timer   timer
	room    chan struct{} // closed when the queue shrinks; nil: nobody waits
	done    chan struct{} // closed when nothing comes in any more; nil: nobody asked
	need    int           // bytes that did not fit
	pong    *Prepared     // the reader's: to be sent when it has handled what it read
	written chan struct{} // closed when the writer stops; nil: nobody waits
	limit   int           // bytes of a message; 0: Options.MaxPayload
}

// States of a Conn.
const (
	stateOpen    = iota
	stateClosing // what is queued goes out, nothing comes in any more
	stateClosed
)

// States of the heartbeat.
const (
	beatIdle = iota
	beatSent // a pong is awaited
	beatLate // and the one extension was used up
)

// lingerTime is how long a client may take to answer a close frame.
const lingerTime = 2 * time.Second

// newConn makes the connection of r; it is known to nobody yet.
func (s *Server) newConn(r *http.Request, id string) *Conn {
	c := &Conn{srv: s, id: id, busy: true}
	c.timer.owner = c
	c.opening = newOpening(r)
	return c
}

// ID returns the session ID. It is a secret between the server and its client.
func (c *Conn) ID() string { return c.id }

// Request returns the request that opened the connection, without its body.
// Its context keeps its values but is never done. The request is made anew by
// each call: it costs some microseconds, and the caller may change it.
func (c *Conn) Request() *http.Request { return c.opening.request() }

// RemoteAddr returns the address of the client, or of the proxy before it, as
// net/http has it.
func (c *Conn) RemoteAddr() string { return c.opening.field(openRemote) }

// Context returns the context of [Conn.Request].
func (c *Conn) Context() context.Context { return c.opening.context() }

// Transport returns "polling" or "websocket".
func (c *Conn) Transport() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport()
}

func (c *Conn) transport() string {
	if c.ws != nil {
		return "websocket"
	}
	return "polling"
}

func (c *Conn) is(state uint32) bool { return c.state.Load() == state }

// start opens the session and the heartbeat. The caller is the reader.
func (c *Conn) start() {
	returned := false
	defer func() {
		if !returned { // Open panicked
			c.mu.Lock()
			c.end(ErrClosed)
			c.mu.Unlock()
			c.leave()
		}
	}()
	c.mu.Lock()
	c.due = c.srv.wheel.now() + c.srv.o.PingInterval
	if c.is(stateOpen) {
		c.srv.wheel.schedule(&c.timer, c.due)
	}
	c.mu.Unlock()
	session := c.srv.open.Open(c)
	if session == nil {
		panic("engine: Handler.Open returned nil")
	}
	c.session = session
	returned = true
}

// overdue ends the connection if its time is up and the wheel has not noticed
// yet.
func (c *Conn) overdue() {
	c.mu.Lock()
	late := c.is(stateOpen) && c.beat.Load() != beatIdle && c.srv.wheel.now() >= c.due
	c.mu.Unlock()
	if late {
		c.expire()
	}
}

// expire is called when c.due may have passed.
func (c *Conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.srv.wheel.now()
	switch {
	case c.is(stateClosed):
	case now < c.due:
		c.srv.wheel.schedule(&c.timer, c.due)
	case c.is(stateClosing):
		c.end(c.why)
	case c.beat.Load() == beatIdle:
		c.beat.Store(beatSent)
		c.due += c.srv.o.PingTimeout // not from now: the wheel may be late, and the client counts too
		c.srv.wheel.schedule(&c.timer, c.due)
		c.control(pingPacket)
	default:
		c.srv.count.pingTimeouts.Add(1)
		c.bye()
		c.end(ErrPingTimeout)
	}
}

// bye sends a close frame if that can be done at once and in one piece: a client
// that is only late learns that it was closed, as from Node.js. mu is held.
func (c *Conn) bye() {
	if c.ws != nil && c.queue.off == 0 && !c.writing && !c.shut {
		_, _ = c.ws.TryWrite(closeFrame.plain) // the connection is cut in any case
	}
}

var pingPacket = &Prepared{plain: appendText(nil, '2', ""), n: 1}

// pongReceived plans the next ping. One that nobody asked for changes nothing.
func (c *Conn) pongReceived() {
	if c.beat.Load() == beatIdle {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.is(stateOpen) {
		return
	}
	c.beat.Store(beatIdle)
	c.due = c.srv.wheel.now() + c.srv.o.PingInterval
	c.srv.wheel.schedule(&c.timer, c.due)
}

// alive extends the wait for a pong, once.
func (c *Conn) alive() {
	if c.beat.Load() != beatSent {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is(stateOpen) && c.beat.Load() == beatSent {
		c.beat.Store(beatLate)
		c.due = c.srv.wheel.now() + c.srv.o.PingTimeout
	}
}

// packet handles one text packet of the client. It is called by the reader.
func (c *Conn) packet(data []byte) {
	if !c.is(stateOpen) {
		return
	}
	if len(data) == 0 || data[0] < '0' || data[0] > '6' {
		c.srv.count.bad.Add(1)
		c.fail(fmt.Errorf("%w: no such packet", ErrParse))
		return
	}
	typ, data := data[0], data[1:]
	c.countIn(typ, len(data))
	switch typ {
	case '3':
		c.pongReceived()
		return
	case '4':
		c.deliver(false, data)
		return
	case '1':
		c.awaitPoll()
		c.mu.Lock()
		c.quit()
		c.mu.Unlock()
		return
	case '2':
		c.srv.count.bad.Add(1)
		c.fail(fmt.Errorf("%w: a ping in the wrong direction", ErrTransport))
		return
	}
	c.alive() // of the rest nothing is for a server
}

// binary handles one binary message of the client. It is called by the reader.
func (c *Conn) binary(data []byte) {
	if c.is(stateOpen) {
		c.countIn('4', len(data))
		c.deliver(true, data)
	}
}

func (c *Conn) countIn(typ byte, size int) {
	c.traffic.packetsIn.Add(1)
	c.traffic.bytesIn.Add(int64(size))
	if h := c.srv.o.Hooks.Packet; h != nil {
		h(c, false, typ, size)
	}
}

func (c *Conn) deliver(isBinary bool, data []byte) {
	c.alive()
	if err := c.session.Message(isBinary, data); err != nil {
		c.Close(err)
	}
}

// Close sends what is queued, closes the connection and makes why the
// reason that its session learns; nil is [ErrClosed]. It does not wait.
func (c *Conn) Close(why error) {
	if why == nil {
		why = ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close(why)
}

// close is Close. mu is held.
func (c *Conn) close(why error) {
	if !c.is(stateOpen) {
		return
	}
	c.why = why
	c.state.Store(stateClosing)
	c.wake()
	c.over()
	if c.ws != nil {
		c.due = c.srv.wheel.now() + c.srv.o.WriteTimeout
		c.srv.wheel.schedule(&c.timer, c.due)
		c.flush()
		return
	}
	c.lp.dropProbe()
	// A client that is between two polls will come for what is queued; when
	// the server shuts down it has less time for that.
	linger := min(c.srv.o.PingTimeout, 30*time.Second)
	if errors.Is(why, ErrServerClosed) {
		linger = min(linger, lingerTime)
	}
	c.due = c.srv.wheel.now() + linger
	c.srv.wheel.schedule(&c.timer, c.due)
	c.lp.answer("")
	c.settleSoon()
}

// fail closes the connection of a client that broke the protocol.
func (c *Conn) fail(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != nil {
		c.close(why) // with a close frame
	} else {
		c.end(why)
	}
}

// quit ends the connection because the client said so. mu is held.
func (c *Conn) quit() {
	if c.lp != nil {
		c.lp.answer("6")
	}
	c.end(ErrTransportClose)
}

// end ends the connection at once. mu is held.
func (c *Conn) end(why error) {
	if c.is(stateClosed) {
		return
	}
	if c.is(stateOpen) {
		c.why = why
	}
	c.state.Store(stateClosed)
	c.srv.wheel.cancel(&c.timer)
	c.queue.drop()
	c.wake()
	c.over()
	if c.ws != nil {
		cut(c.ws) // its reader settles
		return
	}
	c.lp.dropProbe()
	c.lp.answer("1")
	c.lp.stopPost()
	c.settleSoon()
}

// cut closes the connection below without a word. Closing TLS properly would
// wait for a peer that does not read.
func cut(w *ws.Conn) {
	if t, ok := w.NetConn().(*tls.Conn); ok {
		_ = t.NetConn().Close()
	}
	_ = w.Close()
}

// leave makes the caller no longer the reader.
func (c *Conn) leave() {
	c.mu.Lock()
	c.busy = false
	if c.lp != nil {
		c.lp.left()
	}
	over := !c.is(stateOpen)
	c.mu.Unlock()
	if over {
		c.settle()
	}
}

// settleSoon makes sure that the session learns of the end, from a goroutine
// that holds no lock of anybody. mu is held.
func (c *Conn) settleSoon() {
	if c.busy {
		return // the reader will, when it is done
	}
	c.srv.running.Go(c.settle)
}

// settle does what the end of a connection asks for, each thing once.
func (c *Conn) settle() {
	c.mu.Lock()
	tell := !c.busy && !c.told && !c.is(stateOpen)
	gone := !c.busy && !c.gone && c.is(stateClosed)
	c.told = c.told || tell
	c.gone = c.gone || gone
	if tell {
		c.srv.running.Add(1)
	}
	why := c.why
	c.mu.Unlock()

	if gone {
		c.srv.remove(c)
	}
	if tell {
		if c.session != nil {
			c.session.Closed(why)
		}
		c.srv.running.Done()
	}
	if gone {
		c.srv.running.Done()
	}
}

// wake lets those look again who wait for room in the queue. mu is held.
func (c *Conn) wake() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// over tells those who asked that nothing comes in any more, and has the session
// told even if the reader is doing a job. mu is held.
func (c *Conn) over() {
	if c.ws != nil {
		c.ws.Relieve()
	}
	if c.done != nil && c.done != isOver {
		close(c.done)
	}
	c.done = isOver
}

var isOver = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Done is closed when the connection closes, which its session may not have
// been told yet. A session whose Message has to wait for something waits for
// this, too: while it waits, nobody else can tell it.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
	}
	return c.done
}

// A Job is what [Conn.Defer] is given. One of its methods is called, once.
type Job = interface {
	Do()   // does the work, however long that takes
	Pass() // has it done elsewhere, and returns at once
}

// Defer has the goroutine that reads the connection do job as soon as the
// session was told of all that it has read, and reports whether it will: only
// the first WebSockets, [Options].Readers, have such a goroutine, and it takes
// one job at a time, and none for a while after one that was slow. To wake
// another goroutine costs more than a short job does.
//
// Session.Message alone may call it. The job is done in any case, also when the
// connection closes. While it goes on nothing else is read, for up to 100 ms or
// until anybody calls [Conn.Block]; then another goroutine does that until it is
// done. A job that has not begun when Block is called is passed on. When the
// connection ends during a job the session is told while the job goes on, and
// [Server.Shutdown] does not wait for it: who deferred it does.
func (c *Conn) Defer(job Job) bool {
	w := c.ahead.Load()
	return w != nil && w.Defer(job)
}

// Block tells that the caller, Session.Message, a hook or a [Job], will wait or
// take some milliseconds: another goroutine reads meanwhile, for this and for
// other connections. Without it, what they send may lie for up to 20 ms, and
// what this one sends during a Job for up to 100 ms, before that happens by
// itself. It returns at once; anybody may call it at any time.
func (c *Conn) Block() {
	if w := c.ahead.Load(); w != nil {
		w.Block()
	}
}

// Wait waits until Send would not return [ErrFull], the connection closes, or
// ctx is done. Its errors are ErrClosed and that of ctx.
func (c *Conn) Wait(ctx context.Context) error {
	for {
		c.mu.Lock()
		if !c.is(stateOpen) {
			c.mu.Unlock()
			return ErrClosed
		}
		if c.queue.bytes == 0 || c.queue.bytes+c.need <= c.srv.o.SendBuffer {
			c.need = 0
			c.mu.Unlock()
			return nil
		}
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Drain waits until nothing waits to be sent, the connection closes, or ctx is
// done. Its errors are ErrClosed and that of ctx.
func (c *Conn) Drain(ctx context.Context) error {
	for {
		c.mu.Lock()
		if !c.is(stateOpen) {
			c.mu.Unlock()
			return ErrClosed
		}
		if c.queue.empty() {
			c.mu.Unlock()
			return nil
		}
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Buffered returns the number of bytes that wait to be sent.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.bytes
}

// networkError makes err, of the network, one of ours.
func networkError(err error) error {
	var violation *ws.CloseError
	if errors.As(err, &violation) && !violation.Remote {
		return fmt.Errorf("%w: %w", ErrTransport, err)
	}
	return fmt.Errorf("%w: %w", ErrTransportClose, err)
}
