package engine

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// A Mode says how a message is sent.
type Mode uint8

// The modes, which may be joined.
const (
	Volatile   Mode = 1 << iota // drop it when it cannot be written at once
	NoCompress                  // do not compress it
	Later                       // more follows: queue it, to be written together

	modePong Mode = 1 << 7 // the answer to a WebSocket ping
)

// batch is how many bytes of small frames one write joins, and how many of a
// large one are written under one deadline.
const batch = 64 << 10

// Send sends p after everything sent before. It writes at once if nothing
// waits and the kernel takes it, and queues the rest; it never blocks. Its
// errors are ErrClosed, ErrDropped (of a volatile message), ErrSlow and ErrFull.
//
// What was sent with Later is written with the next message that was not, or
// soon by itself. A volatile message is written or dropped over WebSocket,
// unless TLS hides what the kernel would take: then it is dropped when 64 KiB
// wait. Over polling it is dropped when no request waits for it.
func (c *Conn) Send(p *Prepared, m Mode) error {
	c.mu.Lock()
	err := c.send(p, m)
	c.mu.Unlock()
	if err == nil {
		c.sent(p)
	}
	return err
}

// SendMessage is Send of one message for one connection. It copies data and
// keeps nothing.
func (c *Conn) SendMessage(binary bool, data []byte, m Mode) error {
	c.mu.Lock()
	if !c.direct(m) || binary && c.textOnly {
		c.mu.Unlock()
		return c.Send(Prepare(Message{binary, data}), m)
	}
	buf := buffers.Get().(*[]byte)
	b := (*buf)[:0]
	if o := c.srv.o.Compression; c.compress && m&NoCompress == 0 && len(data) >= o.Threshold {
		b = Prepare(Message{binary, data}).compressed(o)
	} else {
		b = appendMessage(b, binary, data)
	}
	n, err := c.try(b, m)
	if err == nil {
		c.countOut(1, len(data))
		if n < len(b) {
			c.queue.push(Prepare(Message{binary, data}), m)
			c.queue.off = n
			c.block()
		}
	}
	c.mu.Unlock()
	putBuffer(buf, b)
	if h := c.srv.o.Hooks.Packet; h != nil && err == nil {
		h(c, true, '4', len(data))
	}
	return err
}

// sent calls the hook for each packet of p.
func (c *Conn) sent(p *Prepared) {
	if h := c.srv.o.Hooks.Packet; h != nil {
		walk(p.plain, func(_ int, op ws.Opcode, payload []byte) {
			if op == ws.OpBinary {
				h(c, true, '4', len(payload))
			} else {
				h(c, true, payload[0], len(payload)-1)
			}
		})
	}
}

func (c *Conn) countOut(n, size int) {
	c.traffic.packetsOut += int64(n)
	c.traffic.bytesOut += int64(size)
}

// direct reports whether a message can be written without being queued. mu is held.
func (c *Conn) direct(m Mode) bool {
	return c.ws != nil && m&Later == 0 && c.queue.empty() && c.is(stateOpen) && c.ws.CanTryWrite()
}

// try writes b, of which the kernel takes the first n bytes. mu is held.
func (c *Conn) try(b []byte, m Mode) (n int, err error) {
	n, err = c.ws.TryWrite(b)
	return n, c.tried(n, err, m)
}

// tried is what a sender learns of a direct write. Frames that are not written
// at all may be dropped. mu is held.
func (c *Conn) tried(n int, err error, m Mode) error {
	switch {
	case err != nil:
		c.end(networkError(err))
		return ErrClosed
	case n == 0 && m&Volatile != 0 && c.srv.o.Overflow != OverflowDropVolatile:
		c.srv.count.dropped.Add(1)
		return ErrDropped
	}
	return nil
}

// wire returns what an entry is on this connection.
func (c *Conn) wire(p *Prepared, m Mode) []byte {
	if c.textOnly {
		return p.text()
	}
	if c.compress && m&NoCompress == 0 {
		return p.compressed(c.srv.o.Compression)
	}
	return p.plain
}

// send is Send without the hooks. mu is held.
func (c *Conn) send(p *Prepared, m Mode) error {
	if c.direct(m) {
		b := c.wire(p, m)
		n, err := c.ws.TryWrite(b)
		return c.finish(p, m, len(b), n, err)
	}
	if err := c.enqueue(p, m); err != nil {
		return err
	}
	switch {
	case c.ws == nil:
		c.lp.answer("")
	case m&Later != 0:
		c.startWriter()
	default:
		c.flush()
	}
	return nil
}

// enqueue makes p the last of the queue, if it may be. mu is held.
func (c *Conn) enqueue(p *Prepared, m Mode) error {
	if err := c.admit(p, m); err != nil {
		return err
	}
	c.countOut(p.n, p.size)
	c.queue.push(p, m)
	return nil
}

// finish ends a direct write of p, size bytes, of which the kernel took n, and
// returns what its sender gets. mu is held.
func (c *Conn) finish(p *Prepared, m Mode, size, n int, err error) error {
	if err := c.tried(n, err, m); err != nil {
		return err
	}
	c.countOut(p.n, p.size)
	if n < size {
		c.queue.push(p, m)
		c.queue.off = n
		c.block()
	}
	return nil
}

// admit decides whether p may be queued. mu is held.
func (c *Conn) admit(p *Prepared, m Mode) error {
	if !c.is(stateOpen) {
		return ErrClosed
	}
	o := &c.srv.o
	if m&Volatile != 0 && o.Overflow != OverflowDropVolatile && c.stuck() {
		c.srv.count.dropped.Add(1)
		return ErrDropped
	}
	over := c.queue.bytes + len(p.plain) - o.SendBuffer
	if c.queue.empty() || over <= 0 {
		return nil
	}
	switch o.Overflow {
	case OverflowRefuse:
		c.need = max(c.need, len(p.plain))
		return ErrFull
	case OverflowDropVolatile:
		keep := 0
		if c.writing || c.queue.off > 0 {
			keep = c.gatherable()
		}
		// More than needed, so that the queue is not searched each time.
		c.srv.count.dropped.Add(int64(c.queue.dropVolatile(keep, over+o.SendBuffer/8)))
		if c.queue.bytes+len(p.plain) <= o.SendBuffer || c.queue.empty() {
			return nil
		}
		if m&Volatile != 0 {
			c.srv.count.dropped.Add(1)
			return ErrDropped
		}
	}
	c.srv.count.slow.Add(1)
	c.end(ErrSlow)
	return ErrSlow
}

// stuck reports whether a volatile message has to wait. mu is held.
func (c *Conn) stuck() bool {
	switch {
	case c.ws == nil:
		return c.lp.waiting == nil || !c.queue.empty()
	case c.ws.CanTryWrite():
		return c.blocked
	default:
		return c.queue.bytes > batch
	}
}

// control sends a packet of the protocol's own. mu is held.
func (c *Conn) control(p *Prepared) {
	c.countOut(p.n, p.size)
	if c.direct(0) {
		n, err := c.try(p.plain, 0)
		if err == nil && n < len(p.plain) {
			c.queue.push(p, NoCompress)
			c.queue.off = n
			c.block()
		}
		return
	}
	c.queue.push(p, NoCompress)
	if c.ws == nil {
		c.lp.answer("")
	} else {
		c.flush()
	}
}

// block leaves the queue to a writer that can wait. mu is held.
func (c *Conn) block() {
	c.blocked = true
	c.startWriter()
}

// flush writes what is queued if that can be done at once, and leaves the rest
// to the writer. mu is held.
func (c *Conn) flush() {
	if c.writing {
		return // and goes on
	}
	if c.blocked || !c.ws.CanTryWrite() {
		c.startWriter()
		return
	}
	var buf *[batch]byte
	for c.pending() {
		b := c.gather(&buf)
		n, err := c.ws.TryWrite(b)
		if !c.flushed(len(b), n, err) {
			break
		}
	}
	if buf != nil {
		batches.Put(buf)
	}
}

// flushed notes that the kernel took n of size queued bytes, and reports whether
// it may take more. mu is held.
func (c *Conn) flushed(size, n int, err error) bool {
	if err != nil {
		c.end(networkError(err))
		return false
	}
	c.advance(n)
	if n < size {
		c.block()
		return false
	}
	return true
}

// pending reports whether there is something to write, making the close frame
// the last of it. mu is held.
func (c *Conn) pending() bool {
	if c.is(stateClosed) {
		return false
	}
	if c.queue.empty() && c.is(stateClosing) && !c.shut {
		c.shut = true
		c.queue.push(closeFrame, NoCompress)
		c.due = c.srv.wheel.now() + min(lingerTime, c.srv.o.WriteTimeout)
		c.srv.wheel.schedule(&c.timer, c.due)
	}
	return !c.queue.empty()
}

var closeFrame = &Prepared{plain: ws.AppendClose(nil, 1005, "", false)}

// gatherable is how many entries gather would take at most. mu is held.
func (c *Conn) gatherable() (n int) {
	size := -c.queue.off
	for _, e := range c.queue.waiting() {
		n++
		if size += len(c.wire(e.p, e.mode)); size > batch {
			break
		}
	}
	return n
}

var batches = sync.Pool{New: func() any { return new([batch]byte) }}

// gather returns the next bytes to write: many small entries joined in a
// pooled array, which is got on first use, or a piece of a single one. mu is held.
func (c *Conn) gather(array **[batch]byte) []byte {
	entries := c.queue.waiting()
	first := c.wire(entries[0].p, entries[0].mode)[c.queue.off:]
	if len(entries) == 1 || len(first) >= batch {
		return first[:min(len(first), batch)]
	}
	if *array == nil {
		*array = batches.Get().(*[batch]byte)
	}
	buf := append((*array)[:0], first...)
	for _, e := range entries[1:] {
		b := c.wire(e.p, e.mode)
		if len(buf)+len(b) > batch {
			break
		}
		buf = append(buf, b...)
	}
	return buf
}

// advance removes n bytes, which were written. mu is held.
func (c *Conn) advance(n int) {
	for n > 0 && !c.queue.empty() {
		e := c.queue.waiting()[0]
		left := len(c.wire(e.p, e.mode)) - c.queue.off
		if n < left {
			c.queue.off += n
			break
		}
		n -= left
		if e.mode&modePong != 0 {
			c.ponging = false
		}
		c.queue.pop()
	}
	if c.room != nil && c.queue.bytes+c.need <= c.srv.o.SendBuffer || c.queue.empty() {
		c.wake()
	}
}

// startWriter makes sure that there is a writer. mu is held.
func (c *Conn) startWriter() {
	if !c.writer && !c.is(stateClosed) {
		c.writer = true
		c.srv.running.Add(1)
		go c.write()
	}
}

// write empties the queue. It is a goroutine that exists only while there is
// something in it.
func (c *Conn) write() {
	defer c.srv.running.Done()
	var buf *[batch]byte
	waited := false
	c.mu.Lock()
	for c.pending() {
		b := c.gather(&buf)
		c.writing = true
		c.mu.Unlock()
		err := c.writeAll(b, &waited)
		c.mu.Lock()
		c.writing = false
		if err != nil {
			c.torn = true
			c.writeFailed(err)
			break
		}
		c.advance(len(b))
	}
	if c.written != nil {
		close(c.written)
		c.written = nil
	}
	if waited && !c.is(stateClosed) {
		_ = c.ws.SetWriteDeadline(time.Time{})
	}
	c.writer, c.blocked = false, false
	drained := c.is(stateOpen)
	c.mu.Unlock()
	if buf != nil {
		batches.Put(buf)
	}
	if h := c.srv.o.Hooks.Drain; h != nil && drained {
		h(c)
	}
}

// writeAll writes b, waiting if the kernel does not take it at once.
func (c *Conn) writeAll(b []byte, waited *bool) error {
	n, err := c.ws.TryWrite(b)
	if err != nil || n == len(b) {
		return err
	}
	*waited = true
	if err := c.ws.SetWriteDeadline(time.Now().Add(c.srv.o.WriteTimeout)); err != nil {
		return err
	}
	return c.ws.Write(b[n:])
}

// writeFailed ends the connection. mu is held.
func (c *Conn) writeFailed(err error) {
	if c.is(stateClosed) {
		return // which is why it failed
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.srv.count.slow.Add(1)
		c.end(fmt.Errorf("%w: %w", ErrSlow, err))
		return
	}
	c.end(networkError(err))
}
