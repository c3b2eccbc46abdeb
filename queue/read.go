package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// A read looks at the storage in pieces, so that it holds no more memory than
// this however much there is, and nothing of the storage between them.
const (
	chunkEntries = 64
	chunkBytes   = 1 << 20
)

// Read yields the durable records after an offset that are for everybody or
// for one of rooms, in the order of the log, each once; at most limit, or all
// up to the end at the time of the call when limit is zero. It seeks in the
// index of each room: what other rooms hold costs nothing.
//
// When something that the reader had to see may be missing, Read yields a
// [*GapError] and ends: at the beginning, or later when records were removed
// while it was reading. A zero offset reads from the oldest record kept.
//
// A record that is damaged is not yielded but an error that wraps
// [ErrDamaged] in its place, with the offset, and the records after it follow.
// It could be anyone's: take it for a gap.
func (l *Log) Read(ctx context.Context, after Offset, rooms []string, limit int) iter.Seq2[Entry, error] {
	rooms = slices.Clone(rooms)
	slices.Sort(rooms)
	rooms = slices.Compact(rooms)
	return l.read(ctx, after, limit, func(st Storage, p *piece) error {
		err := l.seekRooms(st, rooms, p)
		if errors.Is(err, ErrDamaged) {
			// The index is damaged. The records themselves name their rooms.
			return l.scan(st, p, func(e *Entry) bool {
				return len(e.Rooms) == 0 || slices.ContainsFunc(e.Rooms, func(room string) bool {
					_, found := slices.BinarySearch(rooms, room)
					return found
				})
			})
		}
		return err
	}, rooms)
}

// ReadAll is Read for every room. Records that the retention of a room
// removed are left out.
func (l *Log) ReadAll(ctx context.Context, after Offset, limit int) iter.Seq2[Entry, error] {
	return l.read(ctx, after, limit, func(st Storage, p *piece) error {
		return l.scan(st, p, func(*Entry) bool { return true })
	}, nil)
}

// A piece is what a read finds in one go.
type piece struct {
	pos   uint64 // everything up to here was read; find moves it on
	last  uint64 // the end of the read
	want  int
	found []found
}

type found struct {
	e   Entry
	err error
}

func (l *Log) read(ctx context.Context, from Offset, limit int, find func(Storage, *piece) error, rooms []string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		v := l.st.get()
		if from.IsZero() {
			from = Offset{v.epoch, l.floor.Load() - 1}
		}
		p := piece{pos: from.Seq, last: v.next - 1}
		left := limit
		for {
			p.found = p.found[:0]
			p.want = chunkEntries
			if limit > 0 {
				p.want = min(left, chunkEntries)
			}
			err := l.s.reading(func(st Storage) error {
				if l.gone.Load() {
					return ErrNotFound
				}
				if err := l.gap(st, from, p.pos, rooms); err != nil || p.pos >= p.last {
					return err
				}
				before := p.pos
				if err := find(st, &p); err != nil {
					return err
				}
				// Records may have been removed behind the cursor's back.
				if err := l.gap(st, from, before, rooms); err != nil {
					p.found = nil
					return err
				}
				return nil
			})
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, f := range p.found {
				if !yield(f.e, f.err) {
					return
				}
			}
			if left -= len(p.found); p.pos >= p.last || limit > 0 && left <= 0 {
				return
			}
		}
	}
}

// gap returns a *GapError if not everything after pos is there.
func (l *Log) gap(st Storage, from Offset, pos uint64, rooms []string) error {
	v := l.st.get()
	first := max(v.first, l.floor.Load())
	e := &GapError{Log: l.name, After: from, First: Offset{v.epoch, first}, Last: Offset{v.epoch, v.next - 1}}
	switch {
	case from.Epoch != v.epoch:
		e.Reason = GapEpoch
	case pos >= v.next:
		e.Reason = GapBeyond
	case pos+1 < first:
		e.Reason = GapTrimmed
	}
	if e.Reason != "" {
		return e
	}
	if !l.roomStated.Load() {
		return nil
	}
	for _, room := range rooms {
		key := roomStateKey(l.st.id, room)
		b, ok, err := st.Get(key)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		r, err := decodeRoomState(key, b)
		if err != nil {
			return err
		}
		if r.trimmed > pos {
			e.Reason, e.Room = GapTrimmed, room
			return e
		}
	}
	return nil
}

// seekRooms finds the next records of rooms and of everybody.
func (l *Log) seekRooms(st Storage, rooms []string, p *piece) error {
	prefix := objectKey(keyRoom, l.st.id)
	c := st.Cursor(prefix, after(prefix))
	defer c.Close()
	var seqs, row []uint64
	// Up to the horizon every room was looked at.
	horizon := p.last
	look := func(prefix []byte) error {
		n := 0
		for ok := c.Seek(appendNumber(prefix, p.pos+1)); ok && bytes.HasPrefix(c.Key(), prefix); ok = c.Next() {
			var err error
			if row, err = decodeRow(row[:0], c.Key(), c.Value()); err != nil {
				return err
			}
			for _, seq := range row {
				switch {
				case seq <= p.pos:
					continue
				case seq > horizon:
					return c.Err()
				}
				seqs = append(seqs, seq)
				if n++; n == p.want {
					horizon = seq
					return c.Err()
				}
			}
		}
		return c.Err()
	}
	if err := look(everybodyPrefix(l.st.id)); err != nil {
		return err
	}
	for _, room := range rooms {
		if err := look(roomPrefix(l.st.id, room)); err != nil {
			return err
		}
	}
	slices.Sort(seqs)
	seqs = slices.Compact(seqs)
	if i, _ := slices.BinarySearch(seqs, horizon+1); i < len(seqs) {
		seqs = seqs[:i]
	}
	if len(seqs) > p.want {
		seqs = seqs[:p.want]
		horizon = seqs[p.want-1]
	}
	if len(seqs) == 0 {
		p.pos = horizon
		return nil
	}
	size := 0
	// Seeking forward with one cursor is cheaper than asking for each.
	rec := st.Cursor(recordKey(l.st.id, seqs[0]), recordKey(l.st.id, horizon+1))
	defer rec.Close()
	for _, seq := range seqs {
		if size > chunkBytes {
			break
		}
		f := l.fetchFrom(st, rec, seq)
		if f.err != nil && !errors.Is(f.err, ErrDamaged) {
			return f.err
		}
		size += len(f.e.Data) + len(f.e.Header)
		p.found = append(p.found, f)
		p.pos = seq
	}
	if len(p.found) == len(seqs) {
		p.pos = horizon
	}
	return nil
}

// scan finds the next records that are wanted, looking at each.
func (l *Log) scan(st Storage, p *piece, wanted func(*Entry) bool) error {
	hi := recordKey(l.st.id, p.last+1)
	c := st.Cursor(recordKey(l.st.id, p.pos+1), hi)
	defer func() { c.Close() }()
	size := 0
	for n := 0; n < 1024 && len(p.found) < p.want && size <= chunkBytes; n++ {
		var f found
		if c.Next() {
			seq := lastNumber(c.Key())
			e, err := decodeRecord(c.Key(), bytes.Clone(c.Value()))
			f = l.locate(seq, e, err)
			p.pos = seq
		} else if err := c.Err(); err == nil {
			p.pos = p.last
			return nil
		} else if !errors.Is(err, ErrDamaged) {
			return err
		} else {
			// A part of the storage cannot be read: go on one by one until
			// it can.
			if p.pos >= p.last {
				return nil
			}
			p.pos++
			f = l.fetch(st, p.pos)
			if f.err != nil && !errors.Is(f.err, ErrDamaged) {
				return f.err
			}
			c.Close()
			c = st.Cursor(recordKey(l.st.id, p.pos+1), hi)
		}
		if f.err != nil || wanted(&f.e) {
			p.found = append(p.found, f)
			size += len(f.e.Data) + len(f.e.Header)
		}
	}
	return nil
}

// fetchFrom is fetch with a cursor over records, which is moved on.
func (l *Log) fetchFrom(st Storage, c Cursor, seq uint64) found {
	key := recordKey(l.st.id, seq)
	if !c.Seek(key) || !bytes.Equal(c.Key(), key) {
		return l.fetch(st, seq)
	}
	e, err := decodeRecord(key, bytes.Clone(c.Value()))
	return l.locate(seq, e, err)
}

// fetch reads the record of that sequence, which must be there.
func (l *Log) fetch(st Storage, seq uint64) found {
	key := recordKey(l.st.id, seq)
	b, ok, err := st.Get(key)
	if err == nil && !ok {
		err = fmt.Errorf("%w: no record under key %x", ErrDamaged, key)
	}
	if err != nil {
		return l.locate(seq, Entry{}, err)
	}
	e, err := decodeRecord(key, b)
	return l.locate(seq, e, err)
}

func (l *Log) locate(seq uint64, e Entry, err error) found {
	at := Offset{l.st.get().epoch, seq}
	if err != nil {
		return found{Entry{Offset: at}, fmt.Errorf("queue: log %q, offset %v: %w", l.name, at, err)}
	}
	e.Offset = at
	return found{e, nil}
}
