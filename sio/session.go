package sio

import (
	"context"
	"slices"
	"time"

	"github.com/roomwire/roomwire/parser"
)

// claim returns the session that a connecting socket names in its CONNECT, if
// it can be recovered; it belongs to that socket from then on. A connection
// that still holds the session is closed: the client has given it up.
func (r *recovery) claim(ctx context.Context, s *Socket) *session {
	var auth struct {
		PID    string `json:"pid"`
		Offset string `json:"offset"`
	}
	if err := s.Auth(&auth); err != nil || auth.PID == "" {
		return nil
	}
	sess := r.find(ctx, auth.PID)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune(time.Now())
	if known := r.sessions[auth.PID]; known != nil {
		sess = known
	}
	if sess == nil || sess.live != nil || !r.reaches(sess, auth.Offset) {
		r.ns.srv.stats.recoveryFailed.Add(1)
		return nil
	}
	r.own(sess, s)
	sess.offset, s.fence = auth.Offset, sess.fence
	return sess
}

// own makes s the socket of a session.
func (r *recovery) own(sess *session, s *Socket) {
	if sess.away != nil {
		r.away.Remove(sess.away)
		sess.away = nil
	}
	sess.live = s
	r.sessions[sess.pid] = sess
}

// find looks for a session in memory, then in the Log. If a connection holds
// it, find waits until that one has let go.
func (r *recovery) find(ctx context.Context, pid string) *session {
	r.mu.Lock()
	sess := r.sessions[pid]
	var old *Socket
	if sess != nil {
		old = sess.live
	}
	r.mu.Unlock()
	if old != nil {
		old.close(ReasonTransportClose)
		r.barrier() // it may be half-way in
		old.leave.Do(old.leaveAll)
		old.conn.eng.Close(nil)
	}
	if r.durable == nil {
		return sess
	}
	stored := r.load(ctx, pid)
	if sess != nil && stored != nil {
		r.mu.Lock()
		sess.fence = stored.fence // what the socket before it still stores comes too late
		r.mu.Unlock()
	}
	if sess != nil {
		return sess
	}
	return stored
}

// barrier returns when no socket is entering that was when it was called.
func (r *recovery) barrier() { r.head() }

// head returns the sequence number of the newest event in memory. It has been
// handed to every connection that it was for.
func (r *recovery) head() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq
}

// giveBack returns a claimed session that a guard refused.
func (r *recovery) giveBack(sess *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sess.live = nil
	if sess.away == nil {
		sess.away = r.away.PushBack(sess)
	}
}

// reaches reports whether memory still has all that a session missed.
func (r *recovery) reaches(sess *session, offset string) bool {
	from, ok := r.from(sess, offset)
	return ok && (!from.memory || from.seq >= r.lost)
}

// from returns the position after which a session may have missed events. A
// client without an offset has seen none since its session began. One that has
// seen the last event sent to it has missed none up to the moment when it
// left, however long ago that event was; events that are dropped because of
// their age are older than the last heartbeat that it answered, so it has them.
func (r *recovery) from(sess *session, offset string) (p position, ok bool) {
	p = sess.start
	if offset != "" {
		if p, ok = r.position(offset); !ok {
			return p, false
		}
	}
	if p.memory && p.seq >= sess.sent {
		p.seq = max(p.seq, sess.left)
	}
	return p, true
}

// enter lets a socket connect. With a session, it first gets what it missed.
func (r *recovery) enter(ctx context.Context, s *Socket, sess *session) error {
	if r.durable != nil {
		return r.enterDurable(ctx, s, sess)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var missed []parser.Payload
	if sess != nil {
		if from, ok := r.from(sess, sess.offset); ok && from.seq >= r.lost {
			for _, e := range r.missed(from, sess) {
				missed = append(missed, e.p)
			}
		} else { // trimmed while the guards ran
			sess = r.forsake(s, sess)
		}
	}
	return r.admit(ctx, s, sess, missed)
}

// forsake makes a socket that was to be recovered a new one.
func (r *recovery) forsake(s *Socket, sess *session) *session {
	delete(r.sessions, sess.pid)
	s.mu.Lock()
	s.pid, s.recovered = newID(), false
	s.mu.Unlock()
	r.ns.srv.stats.recoveryFailed.Add(1)
	return nil
}

// admit begins or continues the session and sends CONNECT after what was missed.
func (r *recovery) admit(ctx context.Context, s *Socket, sess *session, missed []parser.Payload) error {
	if sess == nil {
		sess = &session{pid: s.pid, id: s.id, start: r.here()}
	} else {
		r.ns.srv.stats.recovered.Add(1)
	}
	s.lastSeq.Store(sess.sent)
	if len(missed) > 0 {
		s.lastSeq.Store(r.seq)
	}
	r.own(sess, s)
	return s.enter(ctx, missed)
}

// missed returns the events in memory after from that were meant for a session.
func (r *recovery) missed(from position, sess *session) (missed []entry) {
	if !from.memory {
		return nil
	}
	first, _ := slices.BinarySearchFunc(r.events, from.seq+1, func(e entry, seq uint64) int {
		return int(int64(e.seq) - int64(seq))
	})
	for _, e := range r.events[first:] {
		if meant(sess, e.rooms, e.except) {
			missed = append(missed, e)
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
	sess.left, sess.sent = s.left, s.lastSeq.Load()
	sess.until = now.Add(r.opts.MaxAge)
	sess.away = r.away.PushBack(sess)
	r.prune(now)
}
