package sio

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/parser"
)

// recovery is connection state recovery of one namespace: the recent events,
// in memory, and the sessions of sockets that are connected or were until a
// short while ago; with a [Log] also the durable events and sessions in it.
//
// Its lock is held while an event gets its place and is handed to the
// connections, so that on every connection the order of events is the order
// of the log, and while a socket comes back, so that what is replayed and what
// follows meet without a gap or a double.
//
// An offset, the last argument of an event, names the place in memory and, if
// there is a Log, the place in that: "place~epoch.sequence".
type recovery struct {
	ns      *Namespace
	opts    *Recovery
	durable Log           // nil: memory only
	backlog int           // bytes that one socket may have missed: what its connection takes at once
	keepFor time.Duration // of events: as long as a session, and as long as a dead connection goes unnoticed
	epoch   string        // of the events in memory

	newest atomic.Uint64 // seq, for those who do not hold mu

	mu       sync.Mutex
	seq      uint64 // of the newest event in memory
	stored   Place  // of the newest durable event sent
	events   []entry
	bytes    int    // of events
	lost     uint64 // sequence number of the newest event dropped before its time
	sessions map[string]*session
	away     list.List   // of *session, the longest away first
	sizes    int         // of those
	sweep    *time.Timer // drops what is too old, also when nothing happens; nil: there is nothing
}

// An entry is one event in memory.
type entry struct {
	seq    uint64
	after  Place // the durable event before it
	at     time.Time
	p      parser.Payload // with its offset
	rooms  []string
	except []string
}

// A position is what an offset names.
type position struct {
	stored  Place
	seq     uint64
	foreign bool // of a process before; all that is in memory came after it
}

// A session is what is kept of a socket.
type session struct {
	pid, id string
	start   position // when it began
	live    *Socket
	fence   uint64     // of the Log
	events  []LogEvent // while it is claimed: what it missed, up to next
	next    Place
	// Set when the connection was lost:
	rooms  []string
	since  map[string]position // when rooms were joined; those that are not in it were from the start
	values map[string]any
	left   uint64 // newest event in memory when it was about to leave its rooms
	sent   uint64 // newest event in memory sent to it
	size   int    // of the three above
	until  time.Time
	away   *list.Element
	offset string // what the client says that it has seen last
}

func newRecovery(n *Namespace, o *Recovery) (*recovery, error) {
	e := &n.srv.opts.Engine
	interval, timeout := e.PingInterval, e.PingTimeout
	setDefault(&interval, 25*time.Second)
	setDefault(&timeout, 20*time.Second)
	backlog := e.SendBuffer
	setDefault(&backlog, 4<<20)
	r := &recovery{
		ns: n, opts: o, backlog: backlog, keepFor: o.MaxAge + interval + timeout,
		epoch:    strconv.FormatInt(time.Now().UnixNano(), 36),
		sessions: make(map[string]*session),
	}
	if o.Log == nil {
		return r, nil
	}
	var err error
	if r.durable, err = o.Log(n.name); err != nil {
		return nil, err
	}
	return r, r.durable.InOrder(n.srv.ctx, func(last Place) { r.stored = last })
}

// offset writes the current position as the client sends it back.
func (r *recovery) offset() string {
	memory := r.epoch + "." + strconv.FormatUint(r.seq, 36)
	if r.durable == nil {
		return memory
	}
	return r.stored.String() + "~" + memory
}

// position reads an offset.
func (r *recovery) position(offset string) (p position, ok bool) {
	if r.durable != nil {
		var stored string
		if stored, offset, ok = strings.Cut(offset, "~"); !ok {
			return p, false
		}
		if p.stored, ok = parsePlace(stored); !ok {
			return p, false
		}
	}
	epoch, seq, ok := strings.Cut(offset, ".")
	if !ok {
		return p, false
	}
	n, err := strconv.ParseUint(seq, 36, 64)
	if err != nil {
		return p, false
	}
	if epoch == r.epoch {
		p.seq = n
		return p, n <= r.seq
	}
	p.foreign = true
	return p, r.durable != nil
}

// here is the current position.
func (r *recovery) here() position { return position{stored: r.stored, seq: r.seq} }

// broadcast sends an event and, unless it is volatile or transient, logs it. If
// at is not nil, it becomes the place of an event that is stored.
func (r *recovery) broadcast(ctx context.Context, p *parser.Packet, to adapter.Selector, f adapter.Flags, transient bool, at *Place) error {
	transient = transient || f.Volatile
	if !transient && r.isDurable(to.Rooms) {
		return r.store(ctx, p, to.Rooms, to.Except, at, func() error {
			return r.ns.adapter.Broadcast(ctx, p, to, f)
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if transient {
		r.mark(p)
	} else {
		r.append(p, to.Rooms, to.Except)
	}
	return r.ns.adapter.Broadcast(ctx, p, to, f)
}

// emit is broadcast to one socket.
func (r *recovery) emit(ctx context.Context, s *Socket, p *parser.Packet, m engine.Mode, transient bool, at *Place) error {
	transient = transient || m&engine.Volatile != 0
	rooms := []string{s.id}
	var err error
	if !transient && r.isDurable(rooms) {
		err = r.store(ctx, p, rooms, nil, at, func() error { return s.conn.send(p, m) })
	} else {
		r.mu.Lock()
		if transient {
			r.mark(p)
		} else {
			r.append(p, rooms, nil)
			s.lastSeq.Store(r.seq)
		}
		err = s.conn.send(p, m)
		r.mu.Unlock()
	}
	if !errors.Is(err, engine.ErrFull) {
		return sendError(err)
	}
	// If it is logged, a client that never gets it now gets it by recovery.
	if err := s.eng.Wait(ctx); err != nil {
		return sendError(err)
	}
	return sendError(s.conn.send(p, m))
}

// mark gives an event that is not logged the offset of the one before, if its
// last argument is a string: a client takes that for an offset.
func (r *recovery) mark(p *parser.Packet) {
	d := p.Payload.Data
	if len(d) > 2 && d[len(d)-2] == '"' && r.ns.srv.opts.Codec.Args(p.Payload) > 1 {
		p.Payload = r.ns.srv.opts.Codec.AppendArg(p.Payload, r.offset())
	}
}

// append logs an event in memory; it gets its offset as a further argument.
func (r *recovery) append(p *parser.Packet, rooms, except []string) {
	r.seq++
	r.newest.Store(r.seq)
	p.Payload = clonePayload(r.ns.srv.opts.Codec.AppendArg(p.Payload, r.offset()))
	now := time.Now()
	r.events = append(r.events, entry{
		seq: r.seq, after: r.stored, at: now, p: p.Payload,
		rooms: slices.Clone(rooms), except: slices.Clone(except),
	})
	r.bytes += size(p.Payload)
	r.prune(now)
}

func size(p parser.Payload) int {
	n := len(p.Data)
	for _, a := range p.Attachments {
		n += len(a)
	}
	return n
}

// prune drops events and sessions that are too old or too many.
func (r *recovery) prune(now time.Time) {
	n := 0
	for n < len(r.events) {
		e := &r.events[n]
		old := now.Sub(e.at) > r.keepFor
		if !old && len(r.events)-n <= r.opts.MaxEvents && r.bytes <= r.opts.MaxBytes {
			break
		}
		if !old {
			r.lost = e.seq
			r.ns.srv.stats.recoveryTrimmed.Add(1)
		}
		r.bytes -= size(e.p)
		n++
	}
	if n > 0 {
		clear(r.events[:n])
		r.events = r.events[n:]
	}
	for e := r.away.Front(); e != nil; e = r.away.Front() {
		s := e.Value.(*session)
		old := now.After(s.until)
		if !old && r.away.Len() <= r.opts.MaxSessions && r.sizes <= r.opts.MaxSessionBytes {
			break
		}
		if !old {
			r.ns.srv.stats.recoveryEvicted.Add(1)
		}
		r.back(s)
		delete(r.sessions, s.pid)
	}
	if r.sweep == nil && (len(r.events) > 0 || r.away.Len() > 0) {
		next := r.keepFor
		if e := r.away.Front(); e != nil {
			next = e.Value.(*session).until.Sub(now)
		} else {
			next -= now.Sub(r.events[0].at)
		}
		r.sweep = time.AfterFunc(max(next, time.Second/100), r.swept)
	}
}

// swept is called now and then while there is something to get too old.
func (r *recovery) swept() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep = nil
	r.prune(time.Now())
}

// stop ends the sweeping.
func (r *recovery) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sweep != nil {
		r.sweep.Stop()
	}
}

// kept returns the number of sessions of lost connections in memory.
func (r *recovery) kept() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away.Len()
}

// gone notes that the connection of a session is lost. mu is held.
func (r *recovery) gone(sess *session) {
	sess.away = r.away.PushBack(sess)
	r.sizes += sess.size
}

// back undoes gone. mu is held.
func (r *recovery) back(sess *session) {
	if sess.away != nil {
		r.away.Remove(sess.away)
		sess.away = nil
		r.sizes -= sess.size
	}
}

// weigh sets the size of a session.
func (sess *session) weigh() {
	const each = 32 // of an entry, besides its bytes
	sess.size = 0
	for _, room := range sess.rooms {
		sess.size += each + len(room)
	}
	for room := range sess.since {
		sess.size += each + len(room)
	}
	for key, v := range sess.values {
		sess.size += each + len(key)
		switch v := v.(type) {
		case string:
			sess.size += len(v)
		case []byte:
			sess.size += len(v)
		case restored:
			sess.size += len(v)
		}
	}
}
