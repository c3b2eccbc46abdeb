package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A Report is what [Check] found.
type Report struct {
	Keys     int64 // all that could be read
	Records  int64
	Messages int64
	Jobs     int64
	Sessions int64
	Lost     bool // something that had been acknowledged may be gone
	Problems []Problem
	More     int // problems beyond those listed
	Repaired int // writes that repair made
}

// A Problem is something in a storage that is not as it should be.
type Problem struct {
	Kind string // "unreadable", "damaged", "index", "count", "missing"
	Key  []byte // where; of the store's own keys
	Text string
}

// String describes p.
func (p Problem) String() string { return fmt.Sprintf("%s at key %x: %s", p.Kind, p.Key, p.Text) }

// maxProblems bounds the problems that a report lists.
const maxProblems = 1000

func (r *Report) add(kind string, key []byte, format string, args ...any) {
	if len(r.Problems) == maxProblems {
		r.More++
		return
	}
	r.Problems = append(r.Problems, Problem{kind, bytes.Clone(key), fmt.Sprintf(format, args...)})
}

// Check looks at the whole of the store, as the package's [Check] does, while
// it is in use. What is written at the same time may look like a problem of
// kind "count", "index" or "missing".
func (s *Store) Check(ctx context.Context, o CheckOptions) (r *Report, err error) {
	if o.Repair {
		return nil, errors.New("queue: a store in use cannot be repaired")
	}
	err = s.reading(func(st Storage) error {
		r, err = Check(ctx, st, o)
		return err
	})
	return r, err
}

// CheckOptions are the options of [Check].
type CheckOptions struct {
	// Repair removes what is damaged, makes indexes and counts anew and, when
	// something was lost, gives new epochs, so that every reader is told by a
	// gap. The storage must not be in use.
	Repair bool
}

// Check reads everything in a storage and compares: checksums, indexes
// against what they are of, counts against what there is. It returns an error
// only when it could not go on.
func Check(ctx context.Context, st Storage, o CheckOptions) (*Report, error) {
	c := &checker{st: st, r: &Report{}, states: make(map[uint32]*tally), boxes: make(map[string]*boxState), rows: make(map[string][]uint64)}
	err := walk(ctx, st, func(key, value []byte) error {
		c.r.Keys++
		c.look(key, value)
		return nil
	}, func(key, from []byte, err error) {
		c.r.Lost = true
		c.r.add("unreadable", key, "nothing between this key and %x can be read: %v", from, err)
	})
	if err != nil {
		return c.r, err
	}
	c.compare()
	if !o.Repair || c.r.sound() {
		return c.r, nil
	}
	return c.r, c.repair()
}

func (r *Report) sound() bool { return len(r.Problems) == 0 }

// tally is what there is of an object.
type tally struct {
	state          []byte // nil: none
	kind           Kind
	count, bytes   uint64
	first, last    uint64
	holes          uint64
	roomRetention  bool
	boxes          uint64
	ready, leased  map[string]uint64
	delayed, dead  map[string]uint64
	damagedRecords bool
}

type checker struct {
	st     Storage
	r      *Report
	states map[uint32]*tally
	boxes  map[string]*boxState // what there is, by key
	rows   map[string][]uint64  // of the index of rooms: the last looked at, by prefix

	set    []keyValue // what a repair writes
	remove [][]byte
}

type keyValue struct{ key, value []byte }

func (c *checker) of(key []byte) *tally {
	id := binary.BigEndian.Uint32(key[1:5])
	t := c.states[id]
	if t == nil {
		t = &tally{ready: map[string]uint64{}, leased: map[string]uint64{}, delayed: map[string]uint64{}, dead: map[string]uint64{}}
		c.states[id] = t
	}
	return t
}

// look checks one key and counts it.
func (c *checker) look(key, v []byte) {
	kind := key[0]
	bad := func(err error) {
		c.r.add("damaged", key, "%v", err)
		c.remove = append(c.remove, bytes.Clone(key))
	}
	if kind == keyStore || kind == keyName {
		if _, err := unseal(key, v); err != nil {
			bad(err)
		}
		return
	}
	if len(key) < 5 || !bytes.Contains([]byte(keysOfObjects), []byte{kind}) {
		bad(errors.New("not a key of this store"))
		return
	}
	t := c.of(key)
	switch kind {
	case keyRoom:
		c.lookRow(t, key, v, bad)
		return
	case keyExpiry, keySessionAt: // they may outlive what they are of
		return
	case keyGroup:
		c.lookGroup(t, key, v, bad)
		return
	}
	if _, err := unseal(key, v); err != nil {
		bad(err)
		switch kind {
		case keyRecord, keyMessage, keyJob, keySession:
			c.r.Lost, t.damagedRecords = true, true
		case keyState:
			c.remove = c.remove[:len(c.remove)-1] // made anew
			t.state = []byte{}
		}
		return
	}
	size := uint64(len(v))
	switch kind {
	case keyState:
		t.state = bytes.Clone(v)
	case keyRoomState:
		t.roomRetention = true
	case keyRecord:
		c.r.Records++
		c.lookRecord(t, key, v)
	case keyMessage:
		c.r.Messages++
		t.count++
		t.bytes += size
		at := string(append([]byte{keyBox}, key[1:len(key)-8]...))
		b := c.boxes[at]
		if b == nil {
			b = &boxState{head: lastNumber(key) - 1}
			c.boxes[at] = b
		}
		b.count++
		b.bytes += size
		t.last = max(t.last, lastNumber(key))
	case keyBox:
		t.boxes++
	case keyJob:
		c.r.Jobs++
		t.count++
		t.last = max(t.last, lastNumber(key))
	case keySession:
		c.r.Sessions++
		t.count++
		if r, err := decodeSessionRow(key, v); err == nil {
			t.bytes += uint64(len(r.data))
		}
	}
}

func (c *checker) lookRecord(t *tally, key, v []byte) {
	seq := lastNumber(key)
	if t.count == 0 {
		t.first = seq
	} else {
		t.holes += seq - t.last - 1
	}
	t.last = seq
	t.count++
	t.bytes += uint64(len(v))
	e, err := decodeRecord(key, v)
	if err != nil {
		return
	}
	id := binary.BigEndian.Uint32(key[1:5])
	prefixes := [][]byte{everybodyPrefix(id)}
	if len(e.Rooms) > 0 {
		prefixes = nil
		for _, room := range e.Rooms {
			prefixes = append(prefixes, roomPrefix(id, room))
		}
	}
	for i, p := range prefixes {
		if c.indexed(p, seq) || len(e.Rooms) > 0 && c.trimmed(id, e.Rooms[i], seq) {
			continue
		}
		c.r.add("index", key, "room index lacks the record")
		c.set = append(c.set, keyValue{appendNumber(bytes.Clone(p), seq), nil})
	}
}

// indexed reports whether a row of the index of rooms holds a record.
func (c *checker) indexed(prefix []byte, seq uint64) bool {
	row := c.rows[string(prefix)]
	if len(row) == 0 || row[len(row)-1] < seq {
		cur := c.st.Cursor(appendNumber(bytes.Clone(prefix), seq), after(prefix))
		defer cur.Close()
		if !cur.Next() {
			return false
		}
		row, _ = decodeRow(nil, cur.Key(), cur.Value())
		if len(c.rows) > 10_000 {
			clear(c.rows)
		}
		c.rows[string(prefix)] = row
	}
	_, found := slices.BinarySearch(row, seq)
	return found
}

// trimmed reports whether a room's own retention removed the record.
func (c *checker) trimmed(id uint32, room string, seq uint64) bool {
	r, err := c.roomState(id, room)
	return err == nil && r.trimmed >= seq
}

func (c *checker) roomState(id uint32, room string) (r roomState, err error) {
	key := roomStateKey(id, room)
	v, ok, err := c.st.Get(key)
	if err != nil || !ok {
		return r, err
	}
	return decodeRoomState(key, v)
}

// lookRow checks that the records that a row of the index of rooms names are
// there, but for those that were trimmed.
func (c *checker) lookRow(t *tally, key, v []byte, bad func(error)) {
	row, err := decodeRow(nil, key, v)
	if err != nil {
		bad(err) // records that it named lack it, which is noted
		return
	}
	id := binary.BigEndian.Uint32(key[1:5])
	state, _ := decodeLogState(objectKey(keyState, id), t.state)
	first := state.first
	if room, _, ok := cutText(key[5:]); ok {
		if r, err := c.roomState(id, room); err == nil {
			first = max(first, r.trimmed+1)
		}
	}
	var there []uint64
	gone := false
	for _, seq := range row {
		if _, ok, err := c.st.Get(recordKey(id, seq)); ok || err != nil {
			there = append(there, seq)
		} else if seq >= first {
			gone = true
		}
	}
	if len(there) > 0 && !gone {
		return
	}
	c.r.add("index", key, "room index names a record that is not there")
	c.remove = append(c.remove, bytes.Clone(key))
	for _, seq := range there {
		c.set = append(c.set, keyValue{appendNumber(bytes.Clone(key[:len(key)-8]), seq), nil})
	}
}

func (c *checker) lookGroup(t *tally, key, v []byte, bad func(error)) {
	group, rest, ok := cutText(key[5:])
	if !ok || len(rest) < 9 {
		bad(errors.New("not a key of this store"))
		return
	}
	if rest[0] == subExpiry {
		return
	}
	if _, err := unseal(key, v); err != nil {
		bad(err)
		c.r.Lost = true
		return
	}
	switch rest[0] {
	case subReady:
		t.ready[group]++
	case subLeased:
		t.leased[group]++
	case subDelayed:
		t.delayed[group]++
	case subDead:
		t.dead[group]++
	}
}
