package engine

import (
	"errors"

	"github.com/roomwire/roomwire/internal/poller"
)

// Group is how many connections [Server.Broadcast] takes at most.
const Group = poller.BatchSize

const (
	// fewest is the number of connections, read by a poller, from which on a
	// batch of writes is cheaper than one after the other.
	fewest = 4
	// maxPlanned is how many bytes one write of a batch has at most: what takes
	// the kernel longer is not to keep the others locked.
	maxPlanned = 4 << 10
)

// Broadcast sends p to each of up to [Group] connections of this server, as
// [Conn.Send] does, and puts what that would return into errs, which is as
// long as conns. Where the kernel has io_uring(7) and allows its use, those that
// Send would write to at once are written to with one system call. It may be
// called by many goroutines at once; two sends that follow one another reach
// each connection in that order.
func (s *Server) Broadcast(conns []*Conn, p *Prepared, m Mode, errs []error) {
	polled := fetch(conns)
	var b *poller.Batch
	if polled >= fewest && m&Later == 0 && !s.o.NoIOUring {
		b = s.poller.Batch()
	}
	if b == nil {
		for i, c := range conns {
			errs[i] = c.Send(p, m)
		}
		return
	}
	w := burst{b: b, p: p, m: m, conns: conns, errs: errs}
	if err := w.send(); err != nil {
		s.o.Logger.Warn("engine: io_uring failed, connections are written to one by one", "err", err)
	}
	b.Release()
	if s.o.Hooks.Packet == nil {
		return
	}
	for i, c := range conns {
		if errs[i] == nil {
			c.sent(p)
		}
	}
}

// A burst is a message on its way to connections that are written to together.
type burst struct {
	b       *poller.Batch
	p       *Prepared
	m       Mode
	conns   []*Conn
	errs    []error
	planned [Group]planned
	n       int
}

// A planned write is to a connection whose mu is held until it is done.
type planned struct {
	i      int          // of conns
	size   int          // bytes
	queued bool         // of the queue, else only the message
	joined *[batch]byte // pooled, where they were put together; nil: nowhere
}

// errBusy stands for what is not known yet, as another goroutine has the lock.
var errBusy = errors.New("engine: connection is locked")

// send sends to all. Their locks are held together, which is safe in any order
// as it waits for none of them; those that others have come last.
func (w *burst) send() error {
	for i, c := range w.conns {
		switch {
		case !c.mu.TryLock():
			w.errs[i] = errBusy
		case !w.plan(i, c):
			c.mu.Unlock()
		}
	}
	broken := w.b.Write()
	for k := range w.planned[:w.n] {
		n, err := w.b.Result(k)
		w.done(&w.planned[k], n, err)
	}
	for i, c := range w.conns {
		if w.errs[i] == errBusy {
			c.mu.Lock()
			w.errs[i] = c.send(w.p, w.m)
			c.mu.Unlock()
		}
	}
	return broken
}

// plan plans a write to c, number i, and reports true, or sends at once. c.mu
// is held.
func (w *burst) plan(i int, c *Conn) bool {
	q := &w.planned[w.n]
	*q = planned{i: i}
	var b []byte
	switch {
	case c.direct(w.m):
		b = c.wire(w.p, w.m)
	case c.ws != nil && !c.writing && !c.blocked && c.ws.CanTryWrite():
		if w.errs[i] = c.enqueue(w.p, w.m); w.errs[i] != nil {
			return false
		}
		b = c.gather(&q.joined)
		q.queued = true
	}
	if q.size = len(b); q.size <= maxPlanned && c.ws != nil && c.ws.Plan(w.b, b) {
		w.n++
		return true
	}
	if q.queued {
		q.free()
		c.flush()
	} else {
		w.errs[i] = c.send(w.p, w.m)
	}
	return false
}

// done ends a write, of which the kernel took n bytes.
func (w *burst) done(q *planned, n int, err error) {
	c := w.conns[q.i]
	if !q.queued {
		w.errs[q.i] = c.finish(w.p, w.m, q.size, n, err)
	} else if c.flushed(q.size, n, err) {
		c.flush() // what did not fit
	}
	c.mu.Unlock()
	q.free()
}

func (q *planned) free() {
	if q.joined != nil {
		batches.Put(q.joined)
		q.joined = nil
	}
}
