package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Retention says how much is kept. A zero field is no limit; the oldest goes
// first. Count and Bytes may be exceeded by a sixteenth before records are
// removed, so that they can be removed many at a time.
type Retention struct {
	Age   time.Duration
	Count int64
	Bytes int64 // of the records as they are stored, without their indexes
}

func (r Retention) isZero() bool { return r == Retention{} }

// over reports whether count or bytes exceed r by more than the slack.
func (r Retention) over(count, bytes int64) bool {
	return r.Count > 0 && count > r.Count+r.Count/16 || r.Bytes > 0 && bytes > r.Bytes+r.Bytes/16
}

// fits reports whether a record written at ms may stay among so many.
func (r Retention) fits(count, bytes, ms, now int64) bool {
	return (r.Count <= 0 || count <= r.Count) && (r.Bytes <= 0 || bytes <= r.Bytes) &&
		(r.Age <= 0 || now-ms < r.Age.Milliseconds())
}

// LogOptions are the options of a [Log]. The zero value of a field is its
// default.
type LogOptions struct {
	// Retention of the log as a whole.
	Retention Retention
	// RoomRetention returns the retention of a room's records, for logs in
	// which one busy room must not push out the others, or some rooms are
	// kept for a shorter time. A record in several rooms goes from one room
	// at a time, and for good with the last. Nil: rooms have none of their
	// own. It is called while others wait: it must not block.
	RoomRetention func(room string) Retention
	// IDs says how long publish IDs are remembered.
	IDs IDs
	// MaxRecord bounds Data, Header and all names of one record together, in
	// bytes. Zero: 1 MiB.
	MaxRecord int
	// MaxRooms bounds the rooms of one record. Zero: 64.
	MaxRooms int
}

func (o *LogOptions) withDefaults() *LogOptions {
	var c LogOptions
	if o != nil {
		c = *o
	}
	c.IDs = c.IDs.withDefaults()
	if c.MaxRecord <= 0 {
		c.MaxRecord = 1 << 20
	}
	if c.MaxRooms <= 0 {
		c.MaxRooms = 64
	}
	return &c
}

// A Record is what is appended to a [Log].
type Record struct {
	// ID makes the append idempotent: while it is remembered, a second append
	// with it stores nothing and answers with the first offset. Empty: none.
	ID string
	// Rooms are whom the record is for. None: everybody.
	Rooms []string
	// Except are the rooms that it is not for. The log keeps them for the
	// reader and does not apply them.
	Except []string
	// Header and Data are opaque.
	Header []byte
	Data   []byte
}

// An Entry is a record in a log.
type Entry struct {
	Record
	Offset Offset
	Time   time.Time // when it was appended, in milliseconds
}

// An Appended answers an append.
type Appended struct {
	Offset Offset
	// Duplicate says that the ID was known: Offset is that of the first
	// append, and this one stored nothing.
	Duplicate bool
}

// A Log is an append-only sequence of records, each for some rooms or for
// everybody. A stream of its own per tenant or namespace is what it is meant for.
type Log struct {
	s    *Store
	name string
	opt  atomic.Pointer[LogOptions]
	st   state[logState]
	gone atomic.Bool

	// Both are the leader's.
	ids   *knownIDs
	index roomIndex

	// floor is the first sequence that readers may find. It is raised before
	// records are removed, so that no reader takes a removal for silence.
	floor atomic.Uint64

	// roomStated says that there is a room with a state of its own.
	roomStated atomic.Bool

	line line
}

type logState struct {
	epoch       uint64
	first, next uint64
	count       uint64
	bytes       uint64
	ids         window
}

func encodeLogState(key []byte, v *logState) []byte {
	return encodeNumbers(key, v.epoch, v.first, v.next, v.count, v.bytes, v.ids.gen, v.ids.count, uint64(v.ids.begun))
}

func decodeLogState(key, b []byte) (v logState, err error) {
	var begun uint64
	err = decodeNumbers(key, b, &v.epoch, &v.first, &v.next, &v.count, &v.bytes, &v.ids.gen, &v.ids.count, &begun)
	v.ids.begun = int64(begun)
	return v, err
}

// Log returns the log of that name, and makes it durably when there is none.
// The options hold from now on, for every holder of the log; nil leaves them
// as they are, at first the defaults.
func (s *Store) Log(ctx context.Context, name string, o *LogOptions) (*Log, error) {
	l, err := openObject(ctx, s, KindLog, name, func(tx *tx, id uint32, b []byte) (*Log, error) {
		l := &Log{s: s, name: name}
		l.opt.Store(o.withDefaults())
		key := objectKey(keyState, id)
		if b == nil {
			v := logState{epoch: newEpoch(), first: 1, next: 1}
			b = encodeLogState(key, &v)
			tx.put(key, b)
		}
		v, err := decodeLogState(key, b)
		if err != nil {
			return nil, err
		}
		l.st.init(id, v, encodeLogState)
		l.index = roomIndex{object: id, rooms: make(map[string][]uint64)}
		if l.ids, err = loadIDs(tx.c.storage, id, v.ids); err != nil {
			return nil, err
		}
		l.floor.Store(v.first)
		p := objectKey(keyRoomState, id)
		c := tx.c.storage.Cursor(p, after(p))
		defer c.Close()
		l.roomStated.Store(c.Next())
		return l, c.Err()
	})
	if err == nil && o != nil {
		l.opt.Store(o.withDefaults())
	}
	return l, err
}

// DeleteLog removes a log with everything in it. A log made later under that
// name has another epoch. It is no error when there is none.
func (s *Store) DeleteLog(ctx context.Context, name string) error {
	return s.deleteObject(ctx, KindLog, name)
}

func (l *Log) deleted() { l.gone.Store(true) }

// Name returns the name of l.
func (l *Log) Name() string { return l.name }

// Bounds describe a log.
type Bounds struct {
	Epoch uint64
	First uint64 // sequence of the oldest record kept; Last+1 when there is none
	Last  uint64 // sequence of the newest acknowledged record; 0 before the first
	Count int64
	Bytes int64 // of the records as they are stored
}

// End returns the offset of the newest record.
func (b Bounds) End() Offset { return Offset{b.Epoch, b.Last} }

// Bounds returns the bounds of what is durable in l.
func (l *Log) Bounds() Bounds {
	v := l.st.get()
	return Bounds{Epoch: v.epoch, First: max(v.first, l.floor.Load()), Last: v.next - 1, Count: int64(v.count), Bytes: int64(v.bytes)}
}

// encodeRecord seals a record for key, in the place of what dst holds.
func encodeRecord(dst, key []byte, r *Record, ms int64) []byte {
	v := putNumber(append(dst[:0], sealVersion, 0, 0, 0, 0), uint64(ms))
	v = putText(v, r.ID)
	v = putTexts(v, r.Rooms)
	v = putTexts(v, r.Except)
	v = putBytes(v, r.Header)
	v = putBytes(v, r.Data)
	return seal(key, v)
}

func decodeRecord(key, b []byte) (e Entry, err error) {
	d, err := unseal(key, b)
	if err != nil {
		return e, err
	}
	e.Time = fromMillis(int64(d.number()))
	e.ID = d.text()
	e.Rooms = d.texts()
	e.Except = d.texts()
	e.Header = d.bytes()
	e.Data = d.bytes()
	return e, d.end(key)
}

// check holds r to the limits.
func (o *LogOptions) check(r *Record) error {
	if len(r.Rooms) > o.MaxRooms {
		return fmt.Errorf("%w: %d rooms, %d allowed", ErrTooLarge, len(r.Rooms), o.MaxRooms)
	}
	size := len(r.Data) + len(r.Header) + len(r.ID)
	for _, room := range r.Rooms {
		if err := checkName("room", room); err != nil {
			return err
		}
		size += len(room)
	}
	for _, room := range r.Except {
		size += len(room) + 1
	}
	if size > o.MaxRecord {
		return fmt.Errorf("%w: record of %d bytes, %d allowed", ErrTooLarge, size, o.MaxRecord)
	}
	return checkName("ID", r.ID)
}
