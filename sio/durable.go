package sio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/roomwire/roomwire/parser"
)

// isDurable reports whether an event for rooms is to be stored.
func (r *recovery) isDurable(rooms []string) bool {
	if r.durable == nil || r.opts.Durable == nil {
		return false
	}
	if len(rooms) == 0 {
		return r.opts.Durable("")
	}
	return slices.ContainsFunc(rooms, r.opts.Durable)
}

// keeps reports whether one of rooms is durable.
func (r *recovery) keeps(rooms []string) bool {
	return r.durable != nil && r.opts.Durable != nil && slices.ContainsFunc(rooms, r.opts.Durable)
}

// store stores an event, then sends it in the order of the Log.
func (r *recovery) store(ctx context.Context, p *parser.Packet, rooms, except []string, place *Place, send func() error) error {
	e := LogEvent{Rooms: rooms, Except: except, Payload: p.Payload}
	var failed error
	err := r.durable.Append(ctx, e, func(at Place) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stored = at
		if place != nil {
			*place = at
		}
		p.Payload = r.ns.srv.opts.Codec.AppendArg(p.Payload, r.offset())
		failed = send()
	})
	if err != nil {
		return err
	}
	r.ns.srv.stats.stored.Add(1)
	return failed
}

// A savedSession is a session as a Log keeps it.
type savedSession struct {
	ID     string                     `json:"id"`
	Start  Place                      `json:"start"`
	Rooms  []string                   `json:"rooms,omitempty"`
	Since  map[string]Place           `json:"since,omitempty"` // when rooms were joined
	Values map[string]json.RawMessage `json:"values,omitempty"`
}

// A restored value is one that came from a Log, still encoded.
type restored json.RawMessage

// load takes a session of a process before from the Log.
func (r *recovery) load(ctx context.Context, pid string) *session {
	data, fence, err := r.durable.TakeSession(ctx, pid)
	if err != nil {
		if !errors.Is(err, ErrNoSession) {
			r.ns.srv.log.Warn("sio: session not read", "error", err)
		}
		return nil
	}
	var saved savedSession
	if err := json.Unmarshal(data, &saved); err != nil {
		r.ns.srv.log.Warn("sio: session not understood", "error", err)
		return nil
	}
	sess := &session{pid: pid, id: saved.ID, fence: fence, rooms: saved.Rooms, start: position{stored: saved.Start, foreign: true}}
	for room, at := range saved.Since {
		if sess.since == nil {
			sess.since = make(map[string]position)
		}
		sess.since[room] = position{stored: at}
	}
	for key, v := range saved.Values {
		if sess.values == nil {
			sess.values = make(map[string]any)
		}
		sess.values[key] = restored(v)
	}
	return sess
}

// catchUp reads what a claimed session missed, so that others need not wait for
// it later; false tells of a gap.
func (r *recovery) catchUp(ctx context.Context, sess *session) bool {
	r.mu.Lock()
	from, ok := r.from(sess, sess.offset)
	r.mu.Unlock()
	sess.events, sess.next = nil, from.stored
	return ok && r.read(ctx, sess, nil)
}

// enterDurable lets a socket in between two events of the Log.
func (r *recovery) enterDurable(ctx context.Context, s *Socket, sess *session) error {
	if err := r.save(ctx, s, sess, true); err != nil {
		return err
	}
	var failed error
	err := r.durable.InOrder(ctx, func(last Place) {
		if sess != nil && !r.read(ctx, sess, &last) {
			r.mu.Lock()
			defer r.mu.Unlock()
			failed = r.forsake(sess)
			return
		}
		failed = r.admit(ctx, s, sess)
	})
	if err != nil {
		return err
	}
	return failed
}

// read adds what came since to the durable events that a session missed; false
// tells that not all is there. Events after last, if that is not nil, are left
// out: they are stored, and on their way to those who are connected then.
func (r *recovery) read(ctx context.Context, sess *session, last *Place) bool {
	if last != nil && *last == sess.next {
		return true
	}
	bytes := 0
	for _, e := range sess.events {
		bytes += size(e.Payload)
	}
	rooms := append(slices.Clone(sess.rooms), sess.id)
	for e, err := range r.durable.After(ctx, sess.next, rooms) {
		if err == nil && last != nil && e.At.Seq > last.Seq {
			break
		}
		if bytes += size(e.Payload); err == nil && bytes > r.backlog {
			err = errBacklog
		}
		if err != nil {
			r.ns.srv.log.Debug("sio: not recovered", "namespace", r.ns.name, "error", err)
			return false
		}
		sess.events, sess.next = append(sess.events, e), e.At
	}
	return true
}

var errBacklog = errors.New("sio: more was missed than a connection takes at once")

// merge puts durable events and those in memory in the order in which they
// were sent, each durable one with its offset. last is the sequence number in
// the last offset.
func (r *recovery) merge(events []LogEvent, memory []entry, sess *session) (missed []parser.Payload, last uint64) {
	codec := r.ns.srv.opts.Codec
	for _, e := range events {
		for len(memory) > 0 && memory[0].after.Epoch == e.At.Epoch && memory[0].after.Seq < e.At.Seq {
			missed, last = append(missed, memory[0].p), memory[0].seq
			memory = memory[1:]
		}
		after := func(joined position) bool { return joined.stored.Epoch != e.At.Epoch || e.At.Seq > joined.stored.Seq }
		if !sess.wants(e.Rooms, e.Except, after) {
			continue
		}
		last = r.seq
		if len(memory) > 0 {
			last = memory[0].seq - 1 // what is in memory after it has still to come
		}
		offset := e.At.String() + "~" + r.epoch + "." + strconv.FormatUint(last, 36)
		missed = append(missed, codec.AppendArg(clonePayload(e.Payload), offset))
	}
	for _, e := range memory {
		missed, last = append(missed, e.p), e.seq
	}
	return missed, last
}

// A stored is what a socket remembers of its stored session.
type stored struct {
	mu   sync.Mutex // held while the session is stored, so that none is followed by an older one
	data []byte     // what was stored last
	live bool
}

// save stores the session of a socket in the Log, unless it has not changed,
// with rooms that it is about to join.
func (r *recovery) save(ctx context.Context, s *Socket, sess *session, live bool, rooms ...string) error {
	s.mu.Lock()
	if s.stored == nil {
		s.stored = &stored{}
	}
	st := s.stored
	s.mu.Unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	pid, data, err := r.describe(s, sess, rooms)
	if err != nil || live == st.live && bytes.Equal(data, st.data) {
		return err
	}
	err = r.durable.PutSession(ctx, pid, data, s.fence, live, r.opts.MaxAge)
	switch {
	case err == nil:
		st.data, st.live = data, live
	case errors.Is(err, ErrFenced):
		return ErrClosed // another connection has the session now
	}
	return err
}

// describe encodes the session of a socket.
func (r *recovery) describe(s *Socket, sess *session, rooms []string) (pid string, data []byte, err error) {
	s.mu.Lock()
	saved := savedSession{ID: s.id, Rooms: slices.Clone(s.rooms)}
	values, since, pid := maps.Clone(s.values), s.since, s.pid
	state := s.state.Load()
	s.mu.Unlock()
	if state == connected {
		saved.Rooms = r.ns.adapter.Rooms(s)
	}
	saved.Rooms = append(saved.Rooms, rooms...)
	saved.Rooms = slices.DeleteFunc(saved.Rooms, func(room string) bool { return room == s.id })
	for _, room := range saved.Rooms {
		if at, ok := since[room]; ok {
			if saved.Since == nil {
				saved.Since = make(map[string]Place)
			}
			saved.Since[room] = at.stored
		}
	}
	r.mu.Lock()
	saved.Start = r.stored
	if sess == nil {
		sess = r.sessions[pid]
	}
	if sess != nil {
		saved.Start = sess.start.stored
	}
	r.mu.Unlock()
	saved.Values = r.encode(values)
	data, err = json.Marshal(saved)
	return pid, data, err
}

// encode encodes the values of a socket; those that cannot be are left out.
func (r *recovery) encode(values map[string]any) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(values))
	for key, v := range values {
		if raw, ok := v.(restored); ok {
			out[key] = json.RawMessage(raw)
			continue
		}
		raw, err := json.Marshal(v)
		if err != nil {
			r.ns.srv.log.Warn("sio: value of a socket cannot be stored", "key", key, "error", err)
			continue
		}
		out[key] = raw
	}
	return out
}

// touch has the session of a socket stored soon, and before the next
// acknowledgement of the socket.
func (s *Socket) touch() {
	if s.state.Load() == connected && s.ns.recovery != nil && s.ns.recovery.durable != nil && s.dirty.CompareAndSwap(false, true) {
		s.do(taskSave)
	}
}

// saveChanges stores the session if it has changed.
func (s *Socket) saveChanges() {
	if !s.dirty.CompareAndSwap(true, false) || s.state.Load() != connected {
		return
	}
	if err := s.ns.recovery.save(s.conn.srv.ctx, s, nil, true); err != nil && !errors.Is(err, ErrClosed) {
		s.conn.srv.log.Warn("sio: session not stored", "error", err)
	}
}

// drop removes a session that its socket has given up from the Log.
func (r *recovery) drop(ctx context.Context, s *Socket, sess *session) {
	if r.durable != nil {
		if err := r.durable.DropSession(ctx, sess.pid, sess.fence); err != nil && !errors.Is(err, ErrFenced) {
			r.ns.srv.log.Warn("sio: session not removed", "error", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fence, s.stored = 0, nil
}

// depart stores that the connection of a socket is gone, or removes the
// session of one that left for good.
func (r *recovery) depart(s *Socket) {
	s.mu.Lock()
	known := s.stored != nil
	s.mu.Unlock()
	if r.durable == nil || !known {
		return
	}
	ctx := context.WithoutCancel(s.Context())
	var err error
	if s.reason.Recoverable() {
		err = r.save(ctx, s, nil, false)
	} else {
		err = r.durable.DropSession(ctx, s.pid, s.fence)
	}
	if err != nil && !errors.Is(err, ErrFenced) && !errors.Is(err, ErrClosed) {
		r.ns.srv.log.Warn("sio: session not stored", "error", err)
	}
}
