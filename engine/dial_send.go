package engine

import (
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// Send sends ms, one after the other with nothing between them, after
// everything sent before. It writes at once if nothing waits and the kernel
// takes it, and queues the rest; it never blocks and keeps nothing of ms. All
// of ms is sent or nothing. Its errors are [ErrClosed], [ErrDropped] (of
// volatile messages), [ErrFull] and [ErrMaxPayload].
//
// It closes the connection when the server's heartbeat is overdue, rather than
// send into the void.
func (c *ClientConn) Send(m Mode, ms ...Message) error {
	if c.expired() {
		c.fail(ErrPingTimeout)
		return ErrClosed
	}
	size := 0
	for i := range ms {
		size += len(ms[i].Data) + perPacket
	}
	c.mu.Lock()
	if c.closing || c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	idle := !c.writing && !c.paused && len(c.queue) == 0
	switch {
	case !c.fitsLocked(ms):
		c.mu.Unlock()
		return ErrMaxPayload
	case m&Volatile != 0 && !idle:
		c.mu.Unlock()
		return ErrDropped
	case c.queued+size > c.d.o.SendBuffer:
		c.mu.Unlock()
		return ErrFull
	}
	if idle && m&Later == 0 && c.ws != nil && c.ws.CanTryWrite() {
		err := c.writeInlineLocked(ms, m)
		c.mu.Unlock()
		if err != nil {
			c.fail(fmt.Errorf("%w: %w", ErrTransportClose, err))
			return ErrClosed
		}
	} else {
		c.queueLocked(ms, m)
		if m&Later == 0 && !c.writing && !c.paused {
			c.startWriterLocked()
		}
		c.mu.Unlock()
	}
	if h := c.d.o.Hooks.Packet; h != nil {
		for i := range ms {
			h(c, true, '4', len(ms[i].Data))
		}
	}
	return nil
}

// fitsLocked reports whether the server takes messages of these sizes.
func (c *ClientConn) fitsLocked(ms []Message) bool {
	limit := c.hs.MaxPayload
	if limit == 0 {
		return true
	}
	for i := range ms {
		n := len(ms[i].Data) + 1
		if ms[i].Binary {
			n--
			if c.d.o.ForceBase64 || c.ws == nil && !c.paused {
				n = 1 + base64.StdEncoding.EncodedLen(n)
			}
		}
		if n > limit {
			return false
		}
	}
	return true
}

func (c *ClientConn) queueLocked(ms []Message, m Mode) {
	for i := range ms {
		o := outgoing{kind: '4', noCompress: m&NoCompress != 0, data: append([]byte(nil), ms[i].Data...)}
		if ms[i].Binary {
			o.kind = 'b'
		}
		c.queue = append(c.queue, o)
		c.queued += len(o.data) + perPacket
	}
}

// control sends a packet of the protocol's own. There is no more than one of
// each kind in the queue, however many the server asks for.
func (c *ClientConn) control(kind byte, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	for i := range c.queue {
		if c.queue[i].kind == kind {
			return
		}
	}
	c.queue = append(c.queue, outgoing{kind: kind, data: append([]byte(nil), data...)})
	c.queued += len(data) + perPacket
	if h := c.d.o.Hooks.Packet; h != nil && kind == '3' {
		h(c, true, kind, len(data))
	}
	if !c.writing && !c.paused {
		c.startWriterLocked()
	}
}

// buffers are for frames on their way to the kernel.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keepBuffer is the size above which a buffer is not kept.
const keepBuffer = 64 << 10

func putBuffer(p *[]byte, b []byte) {
	if cap(b) <= keepBuffer {
		*p = b[:0]
		buffers.Put(p)
	}
}

// writeInlineLocked writes frames as far as the kernel takes them at once.
func (c *ClientConn) writeInlineLocked(ms []Message, m Mode) error {
	p := buffers.Get().(*[]byte)
	b := (*p)[:0]
	for i := range ms {
		o := outgoing{kind: '4', noCompress: m&NoCompress != 0, data: ms[i].Data}
		if ms[i].Binary {
			o.kind = 'b'
		}
		b = c.appendFrame(b, c.ws, o)
	}
	defer func() { putBuffer(p, b) }()
	c.wrote = true
	n, err := c.ws.TryWrite(b)
	if err != nil {
		return err
	}
	if n < len(b) {
		c.rest = append([]byte(nil), b[n:]...)
		c.queued += len(c.rest)
		c.startWriterLocked()
	}
	return nil
}

// appendFrame appends the WebSocket frame of a packet.
func (c *ClientConn) appendFrame(dst []byte, conn *ws.Conn, o outgoing) []byte {
	switch o.kind {
	case 'P':
		return ws.AppendMasked(dst, ws.OpPong, o.data)
	case 'N':
		return ws.AppendMasked(dst, ws.OpPing, o.data)
	}
	op, payload := ws.OpText, o.data
	if o.kind == 'b' && !c.d.o.ForceBase64 {
		op = ws.OpBinary
	} else {
		p := buffers.Get().(*[]byte)
		payload = appendPacket((*p)[:0], o)
		defer func() { putBuffer(p, payload) }()
	}
	if z := c.d.o.Compression; z != nil && conn.Compress() && !o.noCompress {
		threshold := z.Threshold
		orDefault(&threshold, 1024)
		if len(payload) >= threshold {
			return ws.AppendDeflated(dst, op, payload, z.Level, true)
		}
	}
	return ws.AppendMasked(dst, op, payload)
}

// appendPacket appends the text form of a packet.
func appendPacket(dst []byte, o outgoing) []byte {
	dst = append(dst, o.kind)
	if o.kind == 'b' {
		return base64.StdEncoding.AppendEncode(dst, o.data)
	}
	return append(dst, o.data...)
}

// startWriterLocked starts the goroutine that empties the queue.
func (c *ClientConn) startWriterLocked() {
	if c.closed {
		return
	}
	c.writing = true
	c.spawnLocked(c.write)
}

// write empties the queue and ends.
func (c *ClientConn) write() {
	for {
		c.mu.Lock()
		if c.closed || c.paused || len(c.queue) == 0 && len(c.rest) == 0 {
			c.writing = false
			drained := !c.closed && !c.paused
			c.settleLocked()
			c.mu.Unlock()
			if h := c.d.o.Hooks.Drain; h != nil && drained {
				h(c)
			}
			return
		}
		conn := c.ws
		body, size := c.batchLocked()
		c.mu.Unlock()

		if err := c.writeBatch(conn, body); err != nil {
			c.fail(err)
		}
		c.mu.Lock()
		if !c.closed {
			c.queued -= size
		}
		c.wakeLocked(&c.space)
		c.mu.Unlock()
	}
}

func (c *ClientConn) writeBatch(conn *ws.Conn, body []byte) error {
	if conn == nil {
		err := c.post(c.ctx, body)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrTransport, err)
		}
		return nil
	}
	_ = conn.SetWriteDeadline(time.Now().Add(c.d.o.WriteTimeout))
	if err := conn.Write(body); err != nil {
		return fmt.Errorf("%w: %w", ErrTransportClose, err)
	}
	return nil
}

// batchSize is where a batch is cut when the server gives no limit.
const batchSize = 256 << 10

// batchLocked takes packets that go together from the queue: frames of
// WebSocket, or a payload that is no larger than the server takes, unless it is
// a single packet.
func (c *ClientConn) batchLocked() (body []byte, size int) {
	body = c.rest
	size, c.rest = len(body), nil
	limit := batchSize
	if c.ws == nil && c.hs.MaxPayload > 0 {
		limit = min(limit, c.hs.MaxPayload)
	}
	n := 0
	for ; n < len(c.queue); n++ {
		o := c.queue[n]
		if n > 0 && len(body)+2+base64.StdEncoding.EncodedLen(len(o.data)) > limit {
			// Counted as base64: a little early for text, never too late.
			break
		}
		size += len(o.data) + perPacket
		switch {
		case c.ws != nil:
			c.wrote = true
			body = c.appendFrame(body, c.ws, o)
		case len(body) > 0:
			body = appendPacket(append(body, separator), o)
		default:
			body = appendPacket(body, o)
		}
	}
	clear(c.queue[:n])
	if n == len(c.queue) {
		c.queue = c.queue[:0]
	} else {
		c.queue = c.queue[n:]
	}
	return body, size
}
