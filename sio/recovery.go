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

// recovery is connection state recovery of one namespace, in memory: a log of
// the events sent, and the sessions of sockets that are connected or were
// until a short while ago.
//
// Its lock is held while an event is appended and handed to the connections,
// so that on every connection the order of events is the order of the log,
// and while a socket comes back, so that what is replayed and what follows
// meet without a gap or a double.
type recovery struct {
	ns      *Namespace
	opts    *Recovery
	keepFor time.Duration // of events: as long as a session, and as long as a dead connection goes unnoticed
	epoch   string        // of the log, part of every offset

	newest atomic.Uint64 // seq, for those who do not hold mu

	mu       sync.Mutex
	seq      uint64 // of the newest event
	log      []entry
	bytes    int    // of log
	lost     uint64 // sequence number of the newest event dropped before its time
	sessions map[string]*session
	away     list.List // of *session, the longest away first
}

// An entry is one event of the log.
type entry struct {
	seq    uint64
	at     time.Time
	p      parser.Payload // with its offset
	rooms  []string
	except []string
}

// A session is what is kept of a socket.
type session struct {
	pid, id string
	start   uint64 // sequence number when it began
	live    *Socket
	// Set when the connection was lost:
	rooms  []string
	values map[string]any
	left   uint64 // newest event when it left its rooms
	sent   uint64 // newest event sent to it
	until  time.Time
	away   *list.Element
	offset string // what the client says that it has seen last
}

func newRecovery(n *Namespace, o *Recovery) *recovery {
	e := &n.srv.opts.Engine
	interval, timeout := e.PingInterval, e.PingTimeout
	setDefault(&interval, 25*time.Second)
	setDefault(&timeout, 20*time.Second)
	return &recovery{
		ns: n, opts: o, keepFor: o.MaxAge + interval + timeout,
		epoch:    strconv.FormatInt(time.Now().UnixNano(), 36),
		sessions: make(map[string]*session),
	}
}

// offset writes a place in the log as the client sends it back.
func (r *recovery) offset(seq uint64) string { return r.epoch + "." + strconv.FormatUint(seq, 36) }

// place reads an offset.
func (r *recovery) place(offset string) (seq uint64, ok bool) {
	tail, ok := strings.CutPrefix(offset, r.epoch+".")
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(tail, 36, 64)
	return seq, err == nil && seq <= r.seq
}

// broadcast sends an event and, unless it is volatile, logs it.
func (r *recovery) broadcast(ctx context.Context, p *parser.Packet, to adapter.Selector, f adapter.Flags) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Volatile {
		r.mark(p)
	} else {
		r.append(p, to.Rooms, to.Except)
	}
	return r.ns.adapter.Broadcast(ctx, p, to, f)
}

// emit is broadcast to one socket.
func (r *recovery) emit(ctx context.Context, s *Socket, p *parser.Packet, m engine.Mode) error {
	for {
		r.mu.Lock()
		if m&engine.Volatile != 0 {
			r.mark(p)
		} else {
			r.append(p, []string{s.id}, nil)
			s.lastSeq.Store(r.seq)
		}
		err := s.conn.send(p, m)
		r.mu.Unlock()
		if !errors.Is(err, engine.ErrFull) {
			return sendError(err)
		}
		// It is in the log: a client that never gets it now gets it by recovery.
		if err := s.conn.eng.Wait(ctx); err != nil {
			return sendError(err)
		}
		return sendError(s.conn.send(p, m))
	}
}

// mark gives an event that is not logged the offset of the one before, if its
// last argument is a string: a client takes that for an offset.
func (r *recovery) mark(p *parser.Packet) {
	d := p.Payload.Data
	if len(d) > 2 && d[len(d)-2] == '"' && r.ns.srv.opts.Codec.Args(p.Payload) > 1 {
		p.Payload = r.ns.srv.opts.Codec.AppendArg(p.Payload, r.offset(r.seq))
	}
}

// append logs an event, which gets its offset as a further argument.
func (r *recovery) append(p *parser.Packet, rooms, except []string) {
	r.seq++
	r.newest.Store(r.seq)
	p.Payload = clonePayload(r.ns.srv.opts.Codec.AppendArg(p.Payload, r.offset(r.seq)))
	now := time.Now()
	r.log = append(r.log, entry{
		seq: r.seq, at: now, p: p.Payload,
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
	for n < len(r.log) {
		e := &r.log[n]
		old := now.Sub(e.at) > r.keepFor
		if !old && len(r.log)-n <= r.opts.MaxEvents && r.bytes <= r.opts.MaxBytes {
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
		clear(r.log[:n])
		r.log = r.log[n:]
	}
	for e := r.away.Front(); e != nil; e = r.away.Front() {
		s := e.Value.(*session)
		if !now.After(s.until) && r.away.Len() <= r.opts.MaxSessions {
			break
		}
		r.away.Remove(e)
		delete(r.sessions, s.pid)
	}
}

// claim returns the session that a connecting socket names in its CONNECT, if
// it can be recovered; it belongs to that socket from then on. A connection
// that still holds the session is closed: the client has given it up.
func (r *recovery) claim(s *Socket) *session {
	var auth struct {
		PID    string `json:"pid"`
		Offset string `json:"offset"`
	}
	if err := s.Auth(&auth); err != nil || auth.PID == "" {
		return nil
	}
	r.mu.Lock()
	var old *Socket
	if sess := r.sessions[auth.PID]; sess != nil {
		old = sess.live
	}
	r.mu.Unlock()
	if old != nil {
		old.close(ReasonTransportClose)
		r.barrier() // it may be half-way in
		old.leave.Do(old.leaveAll)
		old.conn.eng.Close(nil)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune(time.Now())
	sess := r.sessions[auth.PID]
	if sess == nil || sess.live != nil || !r.reaches(sess, auth.Offset) {
		r.ns.srv.stats.recoveryFailed.Add(1)
		return nil
	}
	r.away.Remove(sess.away)
	sess.live, sess.away, sess.offset = s, nil, auth.Offset
	return sess
}

// barrier returns when no socket is entering that was when it was called.
func (r *recovery) barrier() {
	r.mu.Lock()
	defer r.mu.Unlock()
}

// giveBack returns a claimed session that a guard refused.
func (r *recovery) giveBack(sess *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sess.live = nil
	sess.away = r.away.PushBack(sess)
}

// reaches reports whether the log still has all that a session missed.
func (r *recovery) reaches(sess *session, offset string) bool {
	from, ok := r.from(sess, offset)
	return ok && from >= r.lost
}

// from returns the sequence number after which a session may have missed
// events. A client without an offset has seen none since its session began.
// One that has seen the last event sent to it has missed none up to the
// moment when it left, however long ago that event was; events that are
// dropped because of their age are older than the last heartbeat that it
// answered, so it has them.
func (r *recovery) from(sess *session, offset string) (seq uint64, ok bool) {
	seq = sess.start
	if offset != "" {
		if seq, ok = r.place(offset); !ok {
			return 0, false
		}
	}
	if seq >= sess.sent {
		seq = max(seq, sess.left)
	}
	return seq, true
}

// enter lets a socket connect. With a session, it first gets what it missed.
func (r *recovery) enter(ctx context.Context, s *Socket, sess *session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var missed []parser.Payload
	if sess == nil {
		sess = &session{pid: s.pid, id: s.id, start: r.seq, live: s}
	} else {
		from, ok := r.from(sess, sess.offset)
		if !ok || from < r.lost { // trimmed while the guards ran
			delete(r.sessions, sess.pid)
			s.mu.Lock()
			s.pid, s.recovered = newID(), false
			s.mu.Unlock()
			sess = &session{pid: s.pid, id: s.id, start: r.seq, live: s}
			r.ns.srv.stats.recoveryFailed.Add(1)
		} else {
			missed = r.missed(from, sess)
			r.ns.srv.stats.recovered.Add(1)
		}
	}
	s.lastSeq.Store(sess.sent)
	if len(missed) > 0 {
		s.lastSeq.Store(r.seq)
	}
	r.sessions[sess.pid] = sess
	return s.enter(ctx, missed)
}

// missed returns the events after from that were meant for a session.
func (r *recovery) missed(from uint64, sess *session) (missed []parser.Payload) {
	first, _ := slices.BinarySearchFunc(r.log, from+1, func(e entry, seq uint64) int {
		return int(int64(e.seq) - int64(seq))
	})
	for _, e := range r.log[first:] {
		if meant(sess, e.rooms, e.except) {
			missed = append(missed, e.p)
		}
	}
	return missed
}

func meant(sess *session, rooms, except []string) bool {
	in := func(room string) bool { return room == sess.id || slices.Contains(sess.rooms, room) }
	return (len(rooms) == 0 || slices.ContainsFunc(rooms, in)) && !slices.ContainsFunc(except, in)
}

// keep remembers a socket that has left its rooms, or forgets its session when
// it left for good.
func (r *recovery) keep(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sess := r.sessions[s.pid]
	if sess == nil || sess.live != s {
		return
	}
	s.mu.Lock()
	why, rooms, values := s.reason, s.rooms, s.values
	s.mu.Unlock()
	if !why.Recoverable() {
		delete(r.sessions, s.pid)
		return
	}
	now := time.Now()
	sess.live = nil
	sess.rooms = slices.DeleteFunc(slices.Clone(rooms), func(room string) bool { return room == s.id })
	sess.values = values
	sess.left, sess.sent = r.seq, s.lastSeq.Load()
	sess.until = now.Add(r.opts.MaxAge)
	sess.away = r.away.PushBack(sess)
	r.prune(now)
}
