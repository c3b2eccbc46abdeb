package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// trimStep bounds the records that one op removes, so that writers do not
// wait for a long trim.
const trimStep = 2048

// A roomState is kept for rooms with a retention of their own.
type roomState struct {
	room    string
	count   uint64
	bytes   uint64
	trimmed uint64 // records up to this sequence are gone from the room
	oldest  int64  // when the oldest record was appended, or earlier; in milliseconds
	changed bool
}

func roomStateKey(id uint32, room string) []byte {
	return appendText(objectKey(keyRoomState, id), room)
}

func decodeRoomState(key, b []byte) (r roomState, err error) {
	var oldest uint64
	err = decodeNumbers(key, b, &r.count, &r.bytes, &r.trimmed, &oldest)
	r.oldest = int64(oldest)
	return r, err
}

func (r *roomState) put(tx *tx, id uint32) {
	if !r.changed {
		return
	}
	r.changed = false
	key := roomStateKey(id, r.room)
	tx.put(key, encodeNumbers(key, r.count, r.bytes, r.trimmed, uint64(r.oldest)))
}

func (r *roomState) add(ms int64, size int) {
	if r.count == 0 {
		r.oldest = ms
	}
	r.count++
	r.bytes += uint64(size)
	r.changed = true
}

func (r *roomState) sub(size int) {
	r.count -= min(1, r.count)
	r.bytes -= min(uint64(size), r.bytes)
	r.changed = true
}

// roomStates adds to list the states of the rooms that have a retention of
// their own.
func (l *Log) roomStates(tx *tx, list []roomState, rooms []string) ([]roomState, error) {
	opt := l.opt.Load()
	for _, room := range rooms {
		if slices.ContainsFunc(list, func(r roomState) bool { return r.room == room }) {
			continue
		}
		if opt.RoomRetention == nil || opt.RoomRetention(room).isZero() {
			continue
		}
		r, _, err := l.roomState(tx, room)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (l *Log) roomState(tx *tx, room string) (r roomState, ok bool, err error) {
	key := roomStateKey(l.st.id, room)
	b, ok, err := tx.get(key)
	if err == nil && ok {
		r, err = decodeRoomState(key, b)
	}
	r.room = room
	return r, ok, err
}

// Trim removes every record up to and including the offset through. What is
// beyond the end, or of another epoch, is not found.
func (l *Log) Trim(ctx context.Context, through Offset) error {
	for more := true; more; {
		err := l.s.do(ctx, true, true, func(tx *tx) (err error) {
			if v := l.st.now; l.gone.Load() || through.Epoch != v.epoch || through.Seq >= v.next {
				return fmt.Errorf("queue: trim of log %q through %v: %w", l.name, through, ErrNotFound)
			}
			more, err = l.trim(tx, func(seq uint64, _ Entry) bool { return seq <= through.Seq })
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// enforce applies the retention of the log and of some of its rooms.
func (l *Log) enforce(ctx context.Context, rooms []string) error {
	opt := l.opt.Load()
	for more := !opt.Retention.isZero(); more; {
		err := l.s.do(ctx, false, true, func(tx *tx) (err error) {
			if l.gone.Load() {
				return ErrNotFound
			}
			v := &l.st.now
			more, err = l.trim(tx, func(_ uint64, e Entry) bool {
				return !opt.Retention.fits(int64(v.count), int64(v.bytes), toMillis(e.Time), tx.now)
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	if opt.RoomRetention == nil {
		return nil
	}
	for _, room := range rooms {
		r := opt.RoomRetention(room)
		for more := !r.isZero(); more; {
			err := l.s.do(ctx, false, true, func(tx *tx) (err error) {
				more, err = l.trimRoom(tx, room, r)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// trim removes records from the front as long as gone says so, up to a step.
func (l *Log) trim(tx *tx, gone func(seq uint64, e Entry) bool) (more bool, err error) {
	v := &l.st.now
	hi := recordKey(l.st.id, v.next)
	lo := recordKey(l.st.id, v.first)
	var rooms []roomState
	next, n := v.first, 0
	c := tx.c.storage.Cursor(lo, hi)
	defer c.Close()
	for ok := c.Seek(lo); ; ok = c.Next() {
		if !ok && errors.Is(c.Err(), ErrDamaged) && next < v.next {
			// Step over what cannot be read; it cannot be kept either.
			if _, fine, err := tx.c.storage.Get(recordKey(l.st.id, next)); fine || err == nil || !gone(next, Entry{}) {
				break
			}
			next++
			c.Close()
			c = tx.c.storage.Cursor(recordKey(l.st.id, next), hi)
			ok = c.Seek(recordKey(l.st.id, next))
		}
		if !ok {
			if err := c.Err(); err != nil {
				return false, err
			}
			break
		}
		seq := lastNumber(c.Key())
		e, err := decodeRecord(c.Key(), c.Value())
		if !gone(seq, e) {
			break
		}
		if n == trimStep {
			more = true
			break
		}
		if n == 0 {
			l.st.touch(tx)
		}
		n++
		next = seq + 1
		size := len(c.Value())
		tx.batch.Delete(c.Key())
		v.count -= min(1, v.count)
		v.bytes -= min(uint64(size), v.bytes)
		if err != nil {
			continue // its rooms are not known; the index below first is never read
		}
		if rooms, err = l.unindex(tx, rooms, e.Rooms, seq, size); err != nil {
			return false, err
		}
	}
	if next == v.first {
		return false, nil
	}
	l.st.touch(tx)
	v.first = next
	l.floor.Store(next)
	for i := range rooms {
		rooms[i].put(tx, l.st.id)
	}
	return more, nil
}

// unindex removes a record from the index of its rooms and from their counts.
func (l *Log) unindex(tx *tx, states []roomState, rooms []string, seq uint64, size int) ([]roomState, error) {
	if len(rooms) == 0 {
		tx.batch.Delete(appendNumber(everybodyPrefix(l.st.id), seq))
		return states, nil
	}
	states, err := l.roomStates(tx, states, rooms)
	if err != nil {
		return nil, err
	}
	for _, room := range rooms {
		tx.batch.Delete(appendNumber(roomPrefix(l.st.id, room), seq))
		for i := range states {
			if r := &states[i]; r.room == room && r.trimmed < seq {
				r.sub(size)
			}
		}
	}
	return states, nil
}

// trimRoom removes the oldest records of a room until ret fits.
func (l *Log) trimRoom(tx *tx, room string, ret Retention) (more bool, err error) {
	if l.gone.Load() {
		return false, ErrNotFound
	}
	state, ok, err := l.roomState(tx, room)
	if err != nil || !ok {
		return false, err
	}
	v := &l.st.now
	prefix := roomPrefix(l.st.id, room)
	c := tx.c.storage.Cursor(appendNumber(slices.Clone(prefix), max(state.trimmed+1, v.first)), after(prefix))
	defer c.Close()
	var row []uint64
	for n := 0; !more && c.Next(); {
		if row, err = decodeRow(row[:0], c.Key(), c.Value()); err != nil {
			return false, err
		}
		for _, seq := range row {
			if seq <= state.trimmed || seq < v.first {
				continue
			}
			if n++; n > trimStep {
				more = true
				break
			}
			done, err := l.trimFrom(tx, &state, seq, ret)
			if err != nil {
				return false, err
			}
			if done {
				state.put(tx, l.st.id)
				return false, nil
			}
		}
		if state.trimmed >= lastNumber(c.Key()) {
			tx.batch.Delete(c.Key())
		}
	}
	state.put(tx, l.st.id)
	return more, c.Err()
}

// trimFrom removes a record from a room, and altogether if no other room holds
// it, unless ret fits: then the room is done.
func (l *Log) trimFrom(tx *tx, room *roomState, seq uint64, ret Retention) (done bool, err error) {
	key := recordKey(l.st.id, seq)
	b, ok, err := tx.c.storage.Get(key)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return false, err
	}
	e, err := decodeRecord(key, b)
	known := ok && err == nil
	if known && ret.fits(int64(room.count), int64(room.bytes), toMillis(e.Time), tx.now) {
		room.oldest, room.changed = toMillis(e.Time), true
		return true, nil
	}
	room.sub(len(b))
	room.trimmed = seq
	if !known {
		return false, nil
	}
	gone, err := l.goneElsewhere(tx, e.Rooms, room.room, seq)
	if err != nil || !gone {
		return false, err
	}
	l.st.touch(tx)
	v := &l.st.now
	tx.batch.Delete(key)
	v.count -= min(1, v.count)
	v.bytes -= min(uint64(len(b)), v.bytes)
	return false, nil
}

// goneElsewhere reports whether no other room than this one holds the record.
func (l *Log) goneElsewhere(tx *tx, rooms []string, but string, seq uint64) (bool, error) {
	for _, room := range rooms {
		if room == but {
			continue
		}
		r, ok, err := l.roomState(tx, room)
		if err != nil || !ok || r.trimmed < seq {
			return false, err
		}
	}
	return true, nil
}

// clean implements [cleaner]: it applies the retention by age, and whatever
// of the others an append left behind.
func (l *Log) clean(ctx context.Context) error {
	opt := l.opt.Load()
	var rooms []string
	if opt.RoomRetention != nil {
		now := l.s.c.now().UnixMilli()
		lo := objectKey(keyRoomState, l.st.id)
		hi := after(lo)
		for len(lo) > 0 {
			err := l.s.reading(func(st Storage) error {
				c := st.Cursor(lo, hi)
				defer c.Close()
				lo = nil
				for n := 0; c.Next(); n++ {
					if n == 1024 {
						lo = slices.Clone(c.Key())
						break
					}
					room, _, _ := cutText(c.Key()[5:])
					r, err := decodeRoomState(c.Key(), c.Value())
					if err == nil && r.count > 0 && !opt.RoomRetention(room).fits(int64(r.count), int64(r.bytes), r.oldest, now) {
						rooms = append(rooms, room)
					}
				}
				return c.Err()
			})
			if err != nil {
				return err
			}
		}
	}
	err := l.enforce(ctx, rooms)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
