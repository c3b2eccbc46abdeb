package engine

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/roomwire/roomwire/internal/negotiate"
)

// maxNoops is how many polls of one upgrade are answered although there is
// nothing to say. A client that asks for more waits like any other.
const maxNoops = 8

// raceTime is how long a request is held that may have overtaken another one of
// the same client: two requests sent one after the other arrive on two
// connections, and may be handled in either order.
const raceTime = 25 * time.Millisecond

// lateTime is the same for a GET during an upgrade, which may keep the client
// from finishing it.
const lateTime = 6 * time.Millisecond

// longPoll is what a Conn has besides while it is polling. Conn.mu guards it.
type longPoll struct {
	waiting *poll                    // the GET that waits
	post    *http.ResponseController // of the POST in progress
	free    chan struct{}            // closed when the reader stops being it; nil: nobody waits
	arrived chan struct{}            // closed when a GET comes; nil: nobody waits
	probe   *probe
	noops   int
}

// A poll is a GET that waits.
type poll struct {
	ready chan struct{} // closed when it is to be answered
	woken bool
	late  bool   // came during an upgrade, which may be over before it
	wrong bool   // the session has moved to another transport
	last  string // the whole answer; "": what is queued
}

// answer ends the wait of the pending GET, if there is one.
func (l *longPoll) answer(last string) {
	p := l.waiting
	if p == nil {
		return
	}
	if last != "" {
		p.last = last
		l.waiting = nil
	}
	if !p.woken {
		p.woken = true
		close(p.ready)
	}
}

// refuse answers a GET that waits for a transport which the session has left.
func (l *longPoll) refuse() {
	l.waiting.wrong = true
	l.answer("6")
}

func (l *longPoll) dropProbe() {
	if p := l.probe; p != nil {
		l.probe = nil
		p.c.srv.wheel.cancel(&p.timer)
		cut(p.ws)
	}
}

// stopPost ends the reading of a body.
func (l *longPoll) stopPost() {
	if l.post != nil {
		_ = l.post.SetReadDeadline(time.Unix(1, 0))
	}
}

// left tells those who wait that nobody reads any more.
func (l *longPoll) left() {
	l.post = nil
	if l.free != nil {
		close(l.free)
		l.free = nil
	}
}

func (l *longPoll) whenLeft() <-chan struct{} {
	if l.free == nil {
		l.free = make(chan struct{})
	}
	return l.free
}

// openPolling starts a session whose first transport is long-polling.
func (s *Server) openPolling(w http.ResponseWriter, r *http.Request, q query) {
	c, refusal := s.handshake(r, q)
	if refusal != nil {
		s.refuse(w, r, refusal)
		return
	}
	c.lp = &longPoll{}
	if err := s.add(c); err != nil {
		s.addresses.leave(c.from)
		s.notAdded(w, r, err)
		return
	}
	c.start()
	c.leave() // before the client can know the session
	packet := s.openPacket(c.id, true)
	body := append([]byte{'0'}, packet...)
	c.wrote('0', len(packet))
	if p := s.o.InitialPacket; len(p) > 0 {
		body = append(append(body, separator, '4'), p...)
		c.wrote('4', len(p))
	}
	s.firstHeaders(w.Header(), r, c.id)
	if err := s.answer(w, r, body, false); err != nil {
		c.fail(fmt.Errorf("%w: handshake: %w", ErrTransport, err))
	}
}

// wrote counts and reports a packet that goes out past the queue.
func (c *Conn) wrote(typ byte, size int) {
	c.mu.Lock()
	c.countOut(1, size)
	c.mu.Unlock()
	if h := c.srv.o.Hooks.Packet; h != nil {
		h(c, true, typ, size)
	}
}

// poll serves a GET.
func (c *Conn) poll(w http.ResponseWriter, r *http.Request) {
	p, status := c.pollBegins()
	if p == nil {
		w.WriteHeader(status)
		return
	}
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && srv.ReadTimeout > 0 {
		// It bounds the request, which has been read, and not the wait.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	if p.late {
		c.holdLate(p)
	}
	select {
	case <-p.ready:
	case <-r.Context().Done():
		c.pollBroke(p, r.Context().Err())
		return
	}
	if p.wrong {
		c.srv.refuse(w, r, badRequest(http.StatusBadRequest, "TRANSPORT_MISMATCH", "transport", "polling", "previousTransport", "websocket"))
		return
	}
	buf := buffers.Get().(*[]byte)
	body, compress, drained := c.pollEnds(p, (*buf)[:0])
	if err := c.srv.answer(w, r, body, compress); err != nil {
		c.pollBroke(p, err)
	} else if h := c.srv.o.Hooks.Drain; h != nil && drained {
		h(c)
	}
	putBuffer(buf, body)
}

// pollBegins makes a new GET wait, unless there is something for it. Without
// one it returns the status of the refusal.
func (c *Conn) pollBegins() (*poll, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lp
	if l == nil || c.is(stateClosed) {
		return nil, http.StatusBadRequest // it came together with the end, or the upgrade
	}
	if l.waiting != nil {
		c.srv.count.bad.Add(1)
		c.end(fmt.Errorf("%w: two polls at once", ErrTransport))
		return nil, http.StatusBadRequest
	}
	p := &poll{ready: make(chan struct{})}
	l.waiting = p
	probing := l.probe != nil && l.probe.heard && l.noops < maxNoops
	if !c.queue.empty() || c.is(stateClosing) {
		l.answer("")
	} else if probing {
		l.noops++
		p.late = true
	}
	if l.arrived != nil {
		close(l.arrived)
		l.arrived = nil
	}
	return p, 0
}

// holdLate answers a GET that came during an upgrade with a noop, unless the
// upgrade ends right now: then the GET had overtaken the end.
func (c *Conn) holdLate(p *poll) {
	t := time.NewTimer(lateTime)
	defer t.Stop()
	select {
	case <-p.ready:
		return
	case <-t.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lp != nil && c.lp.waiting == p {
		c.lp.answer("")
	}
}

// awaitPoll gives a GET that was sent before a close packet the time to arrive
// after it, so that it is answered and not refused.
func (c *Conn) awaitPoll() {
	c.mu.Lock()
	if c.lp == nil || c.lp.waiting != nil || !c.is(stateOpen) {
		c.mu.Unlock()
		return
	}
	arrived := make(chan struct{})
	c.lp.arrived = arrived
	c.mu.Unlock()
	t := time.NewTimer(raceTime)
	defer t.Stop()
	select {
	case <-arrived:
	case <-t.C:
	}
}

// pollBroke ends the session of a GET that was given up.
func (c *Conn) pollBroke(p *poll, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lp == nil {
		return // it is on WebSocket meanwhile
	}
	if c.lp.waiting == p {
		c.lp.waiting = nil
	}
	c.end(fmt.Errorf("%w: poll ended early: %w", ErrTransport, err))
}

// pollEnds appends what p is answered with to buf. Packets that were queued
// are compressed if any of them may be.
func (c *Conn) pollEnds(p *poll, buf []byte) (body []byte, compress, drained bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.last != "" {
		return append(buf, p.last...), false, false
	}
	c.lp.waiting = nil
	for !c.queue.empty() {
		e := c.queue.waiting()[0]
		if len(buf) > 0 {
			buf = append(buf, separator)
		}
		buf = append(buf, e.p.polling()...)
		compress = compress || e.mode&NoCompress == 0
		drained = true
		c.queue.pop()
	}
	c.wake()
	if len(buf) == 0 && c.is(stateClosing) {
		// Not together with messages: clients close before they look at them.
		buf = append(buf, '1')
		c.end(c.why)
	}
	if len(buf) == 0 {
		buf = append(buf, '6')
	}
	return buf, compress, drained
}

// answer responds to a GET. An error means that the client does not take it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, body []byte, compress bool) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	s.headers(h, r)
	if limit := s.o.HTTPCompressionThreshold; compress && limit >= 0 && len(body) >= limit {
		if encoding := negotiate.Encoding(r.Header["Accept-Encoding"], "gzip", "deflate"); encoding != "" {
			body = squeeze(encoding, body)
			h.Set("Content-Encoding", encoding)
		}
		h.Add("Vary", "Accept-Encoding")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	rc := http.NewResponseController(w)
	bounded := rc.SetWriteDeadline(time.Now().Add(s.o.WriteTimeout)) == nil
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if bounded {
		_ = rc.SetWriteDeadline(time.Time{})
	}
	return nil
}

var (
	gzips = sync.Pool{New: func() any { w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed); return w }}
	zlibs = sync.Pool{New: func() any { w, _ := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed); return w }}
)

func squeeze(encoding string, body []byte) []byte {
	out := bytes.NewBuffer(make([]byte, 0, len(body)/2))
	pool := &gzips
	if encoding == "deflate" {
		pool = &zlibs
	}
	w := pool.Get().(interface {
		io.WriteCloser
		Reset(io.Writer)
	})
	w.Reset(out)
	_, _ = w.Write(body) // a buffer cannot fail
	_ = w.Close()
	w.Reset(io.Discard)
	pool.Put(w)
	return out.Bytes()
}

// post serves a POST.
func (c *Conn) post(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	if !c.postBegins(rc) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	status := c.receive(rc, r)
	// Not later: the client may send the next one as soon as it has the answer.
	c.leave()
	if status != http.StatusOK {
		w.Header().Set("Connection", "close")
		w.WriteHeader(status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html")
	h.Set("Content-Length", "2")
	h.Set("Cache-Control", "no-store")
	c.srv.headers(h, r)
	_, _ = io.WriteString(w, "ok")
}

// receive reads and handles a body and returns the status of the answer.
func (c *Conn) receive(rc *http.ResponseController, r *http.Request) int {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "application/octet-stream" {
		c.srv.count.bad.Add(1)
		c.fail(fmt.Errorf("%w: content type of Engine.IO 3", ErrTransport))
		return http.StatusBadRequest
	}
	buf := buffers.Get().(*[]byte)
	body, status, err := c.readBody(rc, r, (*buf)[:0])
	switch {
	case err != nil:
		c.fail(fmt.Errorf("%w: request body: %w", ErrTransport, err))
	case status == http.StatusRequestEntityTooLarge:
		c.srv.count.tooLarge.Add(1)
	default:
		c.payload(body)
	}
	putBuffer(buf, body)
	return status
}

// postBegins makes the caller the reader, if there is none.
func (c *Conn) postBegins(rc *http.ResponseController) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lp == nil || c.is(stateClosed) {
		return false // it came together with the end, or the upgrade
	}
	if c.busy {
		c.srv.count.bad.Add(1)
		c.end(fmt.Errorf("%w: two posts at once", ErrTransport))
		return false
	}
	c.busy = true
	c.lp.post = rc
	return true
}

// readBody reads the body of r, no more than allowed and not for ever. Memory
// grows with what has arrived, not with what was announced.
func (c *Conn) readBody(rc *http.ResponseController, r *http.Request, buf []byte) ([]byte, int, error) {
	c.mu.Lock()
	limit := c.maxMessage()
	c.mu.Unlock()
	if r.ContentLength > int64(limit) {
		return buf, http.StatusRequestEntityTooLarge, nil
	}
	c.mu.Lock()
	bounded := !c.is(stateClosed) && rc.SetReadDeadline(time.Now().Add(c.srv.o.PingTimeout)) == nil
	c.mu.Unlock()
	if cap(buf) < 512 {
		buf = make([]byte, 0, 512)
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			return buf, http.StatusRequestEntityTooLarge, nil
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return buf, http.StatusBadRequest, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if bounded && !c.is(stateClosed) {
		_ = rc.SetReadDeadline(time.Time{})
	}
	if c.lp != nil {
		// There is nothing left to stop, and a deadline would hit the next
		// request on the same connection.
		c.lp.post = nil
	}
	return buf, http.StatusOK, nil
}

// payload handles the packets of a body, one after the other, until one ends
// the connection.
func (c *Conn) payload(body []byte) {
	if !utf8.Valid(body) {
		c.srv.count.bad.Add(1)
		c.fail(fmt.Errorf("%w: payload is not UTF-8", ErrParse))
		return
	}
	for more := true; more && c.is(stateOpen); {
		var packet []byte
		packet, body, more = bytes.Cut(body, []byte{separator})
		if len(packet) > 0 && packet[0] == 'b' {
			c.base64(packet[1:])
		} else {
			c.packet(packet)
		}
	}
}

// base64 handles a binary message.
func (c *Conn) base64(data []byte) {
	buf := buffers.Get().(*[]byte)
	out, err := base64.StdEncoding.Strict().AppendDecode((*buf)[:0], data)
	if err == nil && bytes.ContainsAny(data, "\r\n") { // which the decoder skips
		err = base64.CorruptInputError(0)
	}
	if err != nil {
		c.srv.count.bad.Add(1)
		c.fail(fmt.Errorf("%w: binary message: %w", ErrParse, err))
	} else {
		c.binary(out)
	}
	putBuffer(buf, out)
}
