package sio

import (
	"context"
	"errors"
	"maps"
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
	if sess == nil || !r.take(sess, s, auth.Offset) {
		r.ns.srv.stats.recoveryFailed.Add(1)
		return nil
	}
	if r.durable != nil && !r.catchUp(ctx, sess) {
		r.mu.Lock()
		_ = r.forsake(sess)
		r.mu.Unlock()
		r.drop(ctx, s, sess)
		return nil
	}
	return sess
}

// take makes s the owner of a session, if it can be recovered and nobody else
// was faster.
func (r *recovery) take(sess *session, s *Socket, offset string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.sessions[sess.pid]; known != nil && known != sess || sess.live != nil || !r.reaches(sess, offset) {
		return false
	}
	r.own(sess, s)
	sess.offset, s.fence = offset, sess.fence
	return true
}

// own makes s the socket of a session.
func (r *recovery) own(sess *session, s *Socket) {
	r.back(sess)
	sess.live = s
	r.sessions[sess.pid] = sess
}

// find looks for a session in memory, then in the Log. If a connection holds
// it, find waits until that one has let go.
func (r *recovery) find(ctx context.Context, pid string) *session {
	r.mu.Lock()
	r.prune(time.Now())
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
		old.eng.Close(nil)
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
func (r *recovery) giveBack(s *Socket, sess *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sess.live == s {
		r.release(sess)
	}
}

// release makes a session free to be claimed, as it was before.
func (r *recovery) release(sess *session) {
	sess.live, sess.events = nil, nil
	r.gone(sess)
}

// reaches reports whether memory still has all that a session missed.
func (r *recovery) reaches(sess *session, offset string) bool {
	from, ok := r.from(sess, offset)
	return ok && (from.foreign || from.seq >= r.lost)
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
	if p.seq >= sess.sent {
		p.seq = max(p.seq, sess.left)
	}
	return p, true
}

// enter lets a socket connect. With a session, it first gets what it missed;
// the error is errForsaken if that is not there any more.
func (r *recovery) enter(ctx context.Context, s *Socket, sess *session) error {
	if sess != nil {
		r.allow(ctx, s, sess)
	}
	if r.durable != nil {
		return r.enterDurable(ctx, s, sess)
	}
	return r.admit(ctx, s, sess)
}

// errForsaken says that a session turned out not to be recoverable.
var errForsaken = errors.New("sio: session cannot be recovered any more")

// forsake gives a claimed session up. mu is held.
func (r *recovery) forsake(sess *session) error {
	delete(r.sessions, sess.pid)
	r.ns.srv.stats.recoveryFailed.Add(1)
	return errForsaken
}

// allow leaves out the rooms that a recovered socket may not join again.
func (r *recovery) allow(ctx context.Context, s *Socket, sess *session) {
	if r.opts.MayRejoin == nil {
		return
	}
	refused := func(room string) bool { return !r.opts.MayRejoin(ctx, s, room) }
	rooms := slices.DeleteFunc(slices.Clone(sess.rooms), refused)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms = slices.DeleteFunc(slices.Clone(s.rooms), func(room string) bool {
		return slices.Contains(sess.rooms, room) && !slices.Contains(rooms, room)
	})
	sess.rooms = rooms
}

// admit begins or continues the session and sends CONNECT after what was missed.
func (r *recovery) admit(ctx context.Context, s *Socket, sess *session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.state.Load() == closed || sess != nil && sess.live != s {
		return ErrClosed // it waited too long, or somebody else has come for the session
	}
	var missed []parser.Payload
	if sess == nil {
		sess = &session{pid: s.pid, id: s.id, start: r.here()}
		s.lastSeq.Store(0)
	} else {
		from, ok := r.from(sess, sess.offset)
		if !ok || !from.foreign && from.seq < r.lost { // trimmed while the guards ran
			return r.forsake(sess)
		}
		var last uint64
		if missed, last = r.merge(sess.events, r.missed(from, sess), sess); sizes(missed) > r.backlog {
			return r.forsake(sess)
		}
		s.lastSeq.Store(max(sess.sent, last))
		sess.events = nil
		r.ns.srv.stats.recovered.Add(1)
	}
	s.admitted = true
	r.own(sess, s)
	return s.enter(ctx, missed)
}

func sizes(ps []parser.Payload) (n int) {
	for _, p := range ps {
		n += size(p)
	}
	return n
}

// missed returns the events in memory after from that were meant for a session.
func (r *recovery) missed(from position, sess *session) (missed []entry) {
	first, _ := slices.BinarySearchFunc(r.events, from.seq+1, func(e entry, seq uint64) int {
		return int(int64(e.seq) - int64(seq))
	})
	for _, e := range r.events[first:] {
		if sess.wants(e.rooms, e.except, func(joined position) bool { return e.seq > joined.seq }) {
			missed = append(missed, e)
		}
	}
	return missed
}

// wants reports whether an event was meant for a session. after tells whether
// the event came after a position, that at which a room was joined.
func (sess *session) wants(rooms, except []string, after func(joined position) bool) bool {
	in := func(room string) bool { return room == sess.id || slices.Contains(sess.rooms, room) }
	then := func(room string) bool {
		joined, later := sess.since[room]
		return in(room) && (!later || after(joined))
	}
	return (len(rooms) == 0 || slices.ContainsFunc(rooms, then)) && !slices.ContainsFunc(except, in)
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
	why, rooms, values, since := s.reason, s.rooms, s.values, s.since
	s.mu.Unlock()
	if !why.Recoverable() {
		delete(r.sessions, s.pid)
		return
	}
	if !s.admitted {
		r.release(sess)
		return
	}
	now := time.Now()
	sess.rooms = slices.DeleteFunc(slices.Clone(rooms), func(room string) bool { return room == s.id })
	sess.values, sess.since = values, since
	sess.left, sess.sent = s.left, s.lastSeq.Load()
	sess.until = now.Add(r.opts.MaxAge)
	sess.weigh()
	r.release(sess)
	r.prune(now)
}

// joins notes where in the order of events a socket is about to join rooms: what
// was sent to them before is not for it. The session is stored before the socket
// is in a durable room, so that it is never recovered without it.
func (r *recovery) joins(ctx context.Context, s *Socket, rooms []string) error {
	r.mu.Lock()
	here := r.here()
	r.mu.Unlock()
	fresh := freshRooms(r.ns.adapter.Rooms(s), rooms)
	s.mu.Lock()
	since := maps.Clone(s.since)
	if since == nil {
		since = make(map[string]position, len(fresh))
	}
	for _, room := range fresh {
		since[room] = here
	}
	s.since = since
	s.mu.Unlock()
	if r.keeps(fresh) {
		return r.save(ctx, s, nil, true, fresh...)
	}
	return nil
}

// leaves forgets rooms that a socket is not in any more.
func (r *recovery) leaves(ctx context.Context, s *Socket, rooms []string) error {
	s.mu.Lock()
	since := maps.Clone(s.since)
	for _, room := range rooms {
		delete(since, room)
	}
	s.since = since
	s.mu.Unlock()
	if r.keeps(rooms) {
		return r.save(ctx, s, nil, true)
	}
	return nil
}
