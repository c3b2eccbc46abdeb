package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// ErrFenced says that a session was taken by someone else meanwhile.
var ErrFenced = errors.New("queue: session was taken by another")

// SessionOptions are the options of [Sessions]. The zero value of a field is
// its default.
type SessionOptions struct {
	// Max bounds the sessions. When it is reached the one that would expire
	// first goes for a new one; live ones stay. Zero: 100,000.
	Max int
	// MaxBytes bounds the data of all together, in the same way. Zero: 256 MiB.
	MaxBytes int64
	// MaxData bounds the data of one. Zero: 64 KiB.
	MaxData int
}

func (o *SessionOptions) withDefaults() *SessionOptions {
	var c SessionOptions
	if o != nil {
		c = *o
	}
	if c.Max <= 0 {
		c.Max = 100_000
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 256 << 20
	}
	if c.MaxData <= 0 {
		c.MaxData = 64 << 10
	}
	return &c
}

// A Session is what a server has to know of a connection to take it up again:
// Socket.IO's connection state recovery.
type Session struct {
	Data []byte
	// Fence is the number of times the session was taken. Whoever puts must
	// bring the fence that it got, zero for a session of its own making.
	Fence uint64
	// TTL is how long the session is kept after the connection is gone.
	TTL time.Duration
	// Live says that the connection is there: the session does not expire.
	// When the store was closed, or its process killed, the TTL begins with
	// the time at which the store is opened again.
	Live bool
}

// Sessions keep sessions by the private ID of their connection.
type Sessions struct {
	s    *Store
	name string
	opt  atomic.Pointer[SessionOptions]
	st   state[sessionsState]
	gone atomic.Bool
}

type sessionsState struct {
	epoch   uint64 // always zero: there are no offsets here
	count   uint64
	bytes   uint64
	evicted uint64
}

func encodeSessionsState(key []byte, v *sessionsState) []byte {
	return encodeNumbers(key, v.epoch, v.count, v.bytes, v.evicted)
}

// A sessionRow is a session as it is stored.
type sessionRow struct {
	fence, starts uint64
	ttl, expires  int64 // milliseconds; expires is zero while it is live
	data          []byte
}

func (r *sessionRow) encode(key []byte) []byte {
	v := newSeal(len(r.data) + 32)
	v = putNumber(v, r.fence)
	v = putNumber(v, r.starts)
	v = putNumber(v, uint64(r.ttl))
	v = putNumber(v, uint64(r.expires))
	return seal(key, putBytes(v, r.data))
}

func decodeSessionRow(key, b []byte) (r sessionRow, err error) {
	d, err := unseal(key, b)
	if err != nil {
		return r, err
	}
	r.fence, r.starts = d.number(), d.number()
	r.ttl, r.expires = int64(d.number()), int64(d.number())
	r.data = d.bytes()
	return r, d.end(key)
}

// over reports whether the session is over its time.
func (r *sessionRow) over(s *Store, now int64) bool {
	if r.expires != 0 {
		return now >= r.expires
	}
	return r.starts != s.starts && now >= s.started+r.ttl
}

// Sessions returns the sessions of that name, for example those of a
// namespace. The options hold from now on; nil leaves them as they are.
func (s *Store) Sessions(ctx context.Context, name string, o *SessionOptions) (*Sessions, error) {
	ss, err := openObject(ctx, s, KindSessions, name, func(tx *tx, id uint32, b []byte) (*Sessions, error) {
		ss := &Sessions{s: s, name: name}
		ss.opt.Store(o.withDefaults())
		key := objectKey(keyState, id)
		if b == nil {
			b = encodeSessionsState(key, &sessionsState{})
			tx.put(key, b)
		}
		var v sessionsState
		if err := decodeNumbers(key, b, &v.epoch, &v.count, &v.bytes, &v.evicted); err != nil {
			return nil, err
		}
		ss.st.init(id, v, encodeSessionsState)
		return ss, nil
	})
	if err == nil && o != nil {
		ss.opt.Store(o.withDefaults())
	}
	return ss, err
}

// DeleteSessions removes all sessions of that name.
func (s *Store) DeleteSessions(ctx context.Context, name string) error {
	return s.deleteObject(ctx, KindSessions, name)
}

func (ss *Sessions) deleted() { ss.gone.Store(true) }

func (ss *Sessions) key(pid string) []byte {
	return append(objectKey(keySession, ss.st.id), pid...)
}

func (ss *Sessions) expiryKey(ms int64, pid string) []byte {
	return append(appendNumber(objectKey(keySessionAt, ss.st.id), uint64(ms)), pid...)
}

func (ss *Sessions) row(tx *tx, pid string) (r sessionRow, ok bool, err error) {
	if ss.gone.Load() {
		return r, false, ErrNotFound
	}
	key := ss.key(pid)
	b, ok, err := tx.get(key)
	if err != nil || !ok {
		return r, false, err
	}
	r, err = decodeSessionRow(key, b)
	return r, err == nil, err
}

// write stores r in the place of old.
func (ss *Sessions) write(tx *tx, pid string, r *sessionRow, old *sessionRow) {
	ss.st.touch(tx)
	v := &ss.st.now
	if old != nil {
		v.bytes -= min(uint64(len(old.data)), v.bytes)
		if r == nil || old.expires != r.expires {
			tx.batch.Delete(ss.expiryKey(old.expires, pid))
		}
	} else {
		v.count++
	}
	if r == nil {
		v.count -= min(1, v.count)
		tx.remove(ss.key(pid))
		return
	}
	v.bytes += uint64(len(r.data))
	if old == nil || old.expires != r.expires {
		tx.batch.Set(ss.expiryKey(r.expires, pid), nil)
	}
	key := ss.key(pid)
	tx.put(key, r.encode(key))
}

// Put stores a session; when it returns the session is durable. The error
// wraps [ErrFenced] when it was taken after the caller got it.
func (ss *Sessions) Put(ctx context.Context, pid string, se Session) error {
	opt := ss.opt.Load()
	if pid == "" {
		return fmt.Errorf("%w: session without ID", ErrNotFound)
	}
	if err := checkName("session ID", pid); err != nil {
		return err
	}
	if len(se.Data) > opt.MaxData {
		return fmt.Errorf("%w: session of %d bytes, %d allowed", ErrTooLarge, len(se.Data), opt.MaxData)
	}
	full := false
	run := func(tx *tx) error {
		old, ok, err := ss.row(tx, pid)
		if errors.Is(err, ErrDamaged) {
			ok, err = false, nil // to be replaced
		}
		if err != nil {
			return err
		}
		r := sessionRow{fence: se.Fence, starts: ss.s.starts, ttl: se.TTL.Milliseconds(), data: se.Data}
		if !se.Live {
			r.expires = tx.now + r.ttl
		}
		if !ok {
			ss.write(tx, pid, &r, nil)
		} else if old.fence != se.Fence {
			return ErrFenced
		} else {
			ss.write(tx, pid, &r, &old)
		}
		v := ss.st.now
		full = v.count > uint64(opt.Max) || v.bytes > uint64(opt.MaxBytes)
		return nil
	}
	if err := ss.s.do(ctx, true, false, run); err != nil {
		return err
	}
	if full {
		return ss.evict(ctx, opt)
	}
	return nil
}

// Take makes the caller the owner of a session: it returns it with the next
// fence, so that whoever had it before cannot put or delete it any more. It
// returns [ErrNotFound] when there is none, or it is over its time. Of two
// who take it at once, the one with the higher fence is the owner.
//
// Take is not synced: after a crash the session may be as it was before, and
// both owners are gone.
func (ss *Sessions) Take(ctx context.Context, pid string) (Session, error) {
	var se Session
	err := ss.s.do(ctx, false, false, func(tx *tx) error {
		r, ok, err := ss.row(tx, pid)
		if err != nil {
			return err
		}
		if !ok || r.over(ss.s, tx.now) {
			return ErrNotFound
		}
		old := r
		r.fence++
		r.expires, r.starts = 0, ss.s.starts
		ss.write(tx, pid, &r, &old)
		se = Session{Data: r.data, Fence: r.fence, TTL: time.Duration(r.ttl) * time.Millisecond, Live: true}
		return nil
	})
	return se, err
}

// Delete removes a session; the error wraps [ErrFenced] when it was taken by
// someone else. It is no error when there is none.
func (ss *Sessions) Delete(ctx context.Context, pid string, fence uint64) error {
	return ss.s.do(ctx, true, false, func(tx *tx) error {
		r, ok, err := ss.row(tx, pid)
		if err != nil || !ok {
			return err
		}
		if r.fence != fence {
			return ErrFenced
		}
		ss.write(tx, pid, nil, &r)
		return nil
	})
}

// SessionStats count sessions.
type SessionStats struct {
	Sessions int64
	Bytes    int64
	Evicted  int64 // sessions that went before their time because there were too many
}

// Stats returns what is durable.
func (ss *Sessions) Stats() SessionStats {
	v := ss.st.get()
	return SessionStats{int64(v.count), int64(v.bytes), int64(v.evicted)}
}

// evict removes the sessions that would expire first, until the limits hold.
func (ss *Sessions) evict(ctx context.Context, opt *SessionOptions) error {
	return ss.removeWhile(ctx, ss.expiryKey(1, ""), func(tx *tx, _ int64, _ sessionRow) bool {
		v := &ss.st.now
		if v.count <= uint64(opt.Max) && v.bytes <= uint64(opt.MaxBytes) {
			return false
		}
		ss.st.touch(tx)
		v.evicted++
		return true
	})
}

// clean implements [cleaner].
func (ss *Sessions) clean(ctx context.Context) error {
	err := ss.removeWhile(ctx, ss.expiryKey(1, ""), func(tx *tx, ms int64, _ sessionRow) bool { return ms <= tx.now })
	if err != nil {
		return err
	}
	return ss.cleanLive(ctx)
}

// cleanLive removes sessions that were live when the process died, and did
// not come back. Those of this process are stepped over.
func (ss *Sessions) cleanLive(ctx context.Context) error {
	lo, hi := ss.expiryKey(0, ""), ss.expiryKey(1, "")
	for len(lo) > 0 {
		var over []string
		err := ss.s.reading(func(st Storage) error {
			c := st.Cursor(lo, hi)
			defer c.Close()
			lo = nil
			now := ss.s.c.now().UnixMilli()
			for n := 0; c.Next(); n++ {
				if n == 1024 {
					lo = slices.Clone(c.Key())
					break
				}
				pid := string(c.Key()[13:])
				b, ok, err := st.Get(ss.key(pid))
				if err != nil || !ok {
					continue
				}
				if r, err := decodeSessionRow(ss.key(pid), b); err == nil && r.over(ss.s, now) {
					over = append(over, pid)
				}
			}
			return c.Err()
		})
		if err != nil {
			return err
		}
		for _, pid := range over {
			err := ss.s.do(ctx, false, false, func(tx *tx) error {
				if r, ok, err := ss.row(tx, pid); err == nil && ok && r.over(ss.s, tx.now) {
					ss.write(tx, pid, nil, &r)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// removeWhile removes sessions in the order of their expiry from lo on.
func (ss *Sessions) removeWhile(ctx context.Context, lo []byte, over func(tx *tx, ms int64, r sessionRow) bool) error {
	for more := true; more; {
		more = false
		err := ss.s.do(ctx, false, true, func(tx *tx) error {
			if ss.gone.Load() {
				return nil
			}
			c := tx.c.storage.Cursor(lo, after(objectKey(keySessionAt, ss.st.id)))
			defer c.Close()
			for n := 0; c.Next(); n++ {
				if n == 1024 {
					more = true
					break
				}
				at := bytes.Clone(c.Key())
				ms, pid := int64(lastNumber(at[:13])), string(at[13:])
				r, ok, err := ss.row(tx, pid)
				if err != nil || !ok || r.expires != ms {
					tx.batch.Delete(at) // of a session that is no more
					continue
				}
				if !over(tx, ms, r) {
					break
				}
				ss.write(tx, pid, nil, &r)
			}
			return c.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}
