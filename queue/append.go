package queue

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// Append stores one record. It returns when the record is durable.
//
// ctx bounds the time until the record is taken; after that Append waits for
// the disk whatever ctx says, because it could not tell whether the record is
// stored. An error that wraps [ErrFailed] leaves that open too: the record
// may or may not be there when the store is opened again. After any other
// error it is not stored.
func (l *Log) Append(ctx context.Context, r Record) (Appended, error) {
	list, err := l.AppendBatch(ctx, []Record{r}, nil)
	if err != nil {
		return Appended{}, err
	}
	return list[0], nil
}

// AppendBatch stores several records, all or none, with sequences one after
// the other; see [Log.Append] for when it returns. Concurrent appends share a
// sync.
//
// When committed is not nil it is called once, before AppendBatch returns and
// on its goroutine, if and only if the records are stored. The calls of one
// log run one at a time, in the order of the log: what they send on has the
// order of the log. Others wait meanwhile, so it must not append to the same
// log with a callback, nor wait for someone who does.
func (l *Log) AppendBatch(ctx context.Context, rs []Record, committed func([]Appended)) ([]Appended, error) {
	opt := l.opt.Load()
	for i := range rs {
		if err := opt.check(&rs[i]); err != nil {
			return nil, err
		}
	}
	if len(rs) == 0 {
		return nil, ctx.Err()
	}
	var (
		answers = make([]Appended, len(rs))
		over    bool
		t       turn
	)
	err := l.s.do(ctx, true, false, func(tx *tx) (err error) {
		over, err = l.append(tx, opt, rs, answers)
		if err == nil && committed != nil {
			t = l.line.take()
		}
		return err
	})
	if t.done != nil {
		t.run(err == nil, func() { committed(answers) })
	}
	if err != nil {
		return nil, fmt.Errorf("queue: log %q: %w", l.name, err)
	}
	if over {
		// What is over the retention can wait for the next append or the
		// janitor if this is refused; the records are stored in any case.
		_ = l.enforce(ctx, roomsOf(rs))
	}
	return answers, nil
}

// append runs in a group.
func (l *Log) append(tx *tx, opt *LogOptions, rs []Record, answers []Appended) (over bool, err error) {
	if l.gone.Load() {
		return false, ErrNotFound
	}
	// Everything that can go wrong comes first: an op that fails writes nothing.
	var rooms []roomState
	for i := range rs {
		if rs[i].ID != "" && opt.IDs.Count > 0 {
			o, ok, err := l.ids.find(tx, &l.st.now.ids, rs[i].ID)
			if err != nil {
				return false, err
			}
			if ok {
				answers[i] = Appended{o, true}
			}
		}
		if opt.RoomRetention != nil {
			if rooms, err = l.roomStates(tx, rooms, rs[i].Rooms); err != nil {
				return false, err
			}
		}
	}
	if len(rooms) > 0 {
		l.roomStated.Store(true)
	}
	l.st.touch(tx)
	v := &l.st.now
	key := recordKey(l.st.id, 0)
	for i := range rs {
		r := &rs[i]
		if answers[i].Duplicate {
			continue
		}
		if j := earlier(rs[:i], r.ID); j >= 0 && opt.IDs.Count > 0 {
			answers[i] = Appended{answers[j].Offset, true}
			continue
		}
		seq := v.next
		v.next++
		binary.BigEndian.PutUint64(key[len(key)-8:], seq)
		b := encodeRecord(tx.c.scratch, key, r, tx.now)
		tx.c.scratch = b[:0]
		tx.batch.Set(key, b)
		v.count++
		v.bytes += uint64(len(b))
		l.index.add(tx, r.Rooms, seq)
		answers[i].Offset = Offset{v.epoch, seq}
		if r.ID != "" && opt.IDs.Count > 0 {
			l.ids.remember(tx, &v.ids, answers[i].Offset, opt.IDs, r.ID)
		}
		for j := range rooms {
			if slices.Contains(r.Rooms, rooms[j].room) {
				rooms[j].add(tx.now, len(b))
			}
		}
	}
	for i := range rooms {
		rooms[i].put(tx, l.st.id)
		over = over || opt.RoomRetention(rooms[i].room).over(int64(rooms[i].count), int64(rooms[i].bytes))
	}
	return over || opt.Retention.over(int64(v.count), int64(v.bytes)), nil
}

// earlier returns the place of the first record with that ID.
func earlier(rs []Record, id string) int {
	if id == "" {
		return -1
	}
	return slices.IndexFunc(rs, func(r Record) bool { return r.ID == id })
}

func roomsOf(rs []Record) []string {
	var rooms []string
	for i := range rs {
		rooms = append(rooms, rs[i].Rooms...)
	}
	slices.Sort(rooms)
	return slices.Compact(rooms)
}

// InOrder calls f in the line of the callbacks of [Log.AppendBatch], with the
// offset of the last record before it: every callback of a record up to last
// has returned, none of a later one has begun. A reader that has caught up
// joins the live stream in it without a hole and without a double.
func (l *Log) InOrder(ctx context.Context, f func(last Offset)) error {
	var (
		t    turn
		last Offset
	)
	err := l.s.do(ctx, false, false, func(tx *tx) error {
		if l.gone.Load() {
			return ErrNotFound
		}
		last = Offset{l.st.now.epoch, l.st.now.next - 1}
		t = l.line.take()
		return nil
	})
	if t.done != nil {
		t.run(err == nil, func() { f(last) })
	}
	return err
}
