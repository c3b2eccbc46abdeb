package sio

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"

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
	sess := &session{pid: pid, id: saved.ID, fence: fence, rooms: saved.Rooms, start: position{stored: saved.Start}}
	for key, v := range saved.Values {
		if sess.values == nil {
			sess.values = make(map[string]any)
		}
		sess.values[key] = restored(v)
	}
	return sess
}

// enterDurable reads what a socket missed, most of it before others have to
// wait, and lets it in between two events of the Log.
func (r *recovery) enterDurable(ctx context.Context, s *Socket, sess *session) error {
	var from position
	var events []LogEvent
	whole := sess != nil
	if whole {
		r.mu.Lock()
		from, whole = r.from(sess, sess.offset)
		r.mu.Unlock()
		sess.rooms = r.allowed(ctx, s, sess.rooms)
	}
	if whole {
		events, whole = r.read(ctx, sess, from.stored, nil)
	}
	next := from.stored
	if n := len(events); n > 0 {
		next = events[n-1].At
	}
	if err := r.save(ctx, s, sess, true); err != nil {
		return err
	}
	forsaken := false
	var failed error
	err := r.durable.InOrder(ctx, func(last Place) {
		if whole && last != next {
			events, whole = r.read(ctx, sess, next, events)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if sess != nil && (!whole || from.memory && from.seq < r.lost) {
			sess, forsaken = r.forsake(s, sess), true
		}
		var missed []parser.Payload
		if sess != nil {
			missed = r.merge(events, r.missed(from, sess), sess)
		}
		failed = r.admit(ctx, s, sess, missed)
	})
	if err == nil {
		err = failed
	}
	if err == nil && forsaken {
		err = r.save(ctx, s, nil, true) // it has another ID now
	}
	return err
}

// allowed leaves out the rooms that a recovered socket may not join again.
func (r *recovery) allowed(ctx context.Context, s *Socket, rooms []string) []string {
	if r.opts.MayRejoin == nil {
		return rooms
	}
	rooms = slices.DeleteFunc(slices.Clone(rooms), func(room string) bool { return !r.opts.MayRejoin(ctx, s, room) })
	s.mu.Lock()
	s.rooms = rooms
	s.mu.Unlock()
	return rooms
}

// read appends the durable events after a place that a session is meant to
// get; false tells of a gap.
func (r *recovery) read(ctx context.Context, sess *session, at Place, events []LogEvent) ([]LogEvent, bool) {
	rooms := append(slices.Clone(sess.rooms), sess.id)
	for e, err := range r.durable.After(ctx, at, rooms) {
		if err != nil {
			r.ns.srv.log.Debug("sio: not recovered", "error", err)
			return nil, false
		}
		events = append(events, e)
	}
	return events, true
}

// merge puts durable events and those in memory in the order in which they
// were sent, each durable one with its offset.
func (r *recovery) merge(events []LogEvent, memory []entry, sess *session) (missed []parser.Payload) {
	codec := r.ns.srv.opts.Codec
	for _, e := range events {
		for len(memory) > 0 && memory[0].after.Epoch == e.At.Epoch && memory[0].after.Seq < e.At.Seq {
			missed = append(missed, memory[0].p)
			memory = memory[1:]
		}
		if !meant(sess, e.Rooms, e.Except) {
			continue
		}
		seq := r.seq
		if len(memory) > 0 {
			seq = memory[0].seq - 1 // what is in memory after it has still to come
		}
		offset := e.At.String() + "~" + r.epoch + "." + strconv.FormatUint(seq, 36)
		missed = append(missed, codec.AppendArg(clonePayload(e.Payload), offset))
	}
	for _, e := range memory {
		missed = append(missed, e.p)
	}
	return missed
}

// save stores the session of a socket in the Log.
func (r *recovery) save(ctx context.Context, s *Socket, sess *session, live bool) error {
	s.mu.Lock()
	saved := savedSession{ID: s.id, Rooms: slices.Clone(s.rooms)}
	values, pid := maps.Clone(s.values), s.pid
	state := s.state.Load()
	s.mu.Unlock()
	if state == connected {
		saved.Rooms = r.ns.adapter.Rooms(s)
	}
	saved.Rooms = slices.DeleteFunc(saved.Rooms, func(room string) bool { return room == s.id })
	r.mu.Lock()
	saved.Start = r.stored
	if sess == nil {
		sess = r.sessions[pid]
	}
	if sess != nil {
		saved.Start = sess.start.stored
	}
	r.mu.Unlock()
	saved.Values = make(map[string]json.RawMessage, len(values))
	for key, v := range values {
		if raw, ok := v.(restored); ok {
			saved.Values[key] = json.RawMessage(raw)
			continue
		}
		raw, err := json.Marshal(v)
		if err != nil {
			r.ns.srv.log.Warn("sio: value of a socket cannot be stored", "key", key, "error", err)
			continue
		}
		saved.Values[key] = raw
	}
	data, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	return r.durable.PutSession(ctx, pid, data, s.fence, live, r.opts.MaxAge)
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
	if err := s.ns.recovery.save(s.conn.srv.ctx, s, nil, true); err != nil {
		s.conn.srv.log.Warn("sio: session not stored", "error", err)
	}
}

// depart stores that the connection of a socket is gone, or removes the
// session of one that left for good.
func (r *recovery) depart(s *Socket) {
	if r.durable == nil {
		return
	}
	ctx := context.WithoutCancel(s.Context())
	var err error
	if s.reason.Recoverable() {
		err = r.save(ctx, s, nil, false)
	} else {
		err = r.durable.DropSession(ctx, s.pid, s.fence)
	}
	if err != nil && !errors.Is(err, ErrFenced) {
		r.ns.srv.log.Warn("sio: session not stored", "error", err)
	}
}
