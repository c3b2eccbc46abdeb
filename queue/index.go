package queue

import "slices"

// A roomIndex finds records by their rooms. What came for one room in one group
// is one row, under the sequence of its last record, so that the first row at or
// behind a place holds what follows it. A row of one record is empty; others
// hold the distances back from one record to the one before. The rows of a room
// follow each other, and what was trimmed may stand in the oldest that is left.
type roomIndex struct {
	object uint32
	all    []uint64            // records for everybody
	rooms  map[string][]uint64 // records of rooms; what is here is not written yet
	listed bool                // in tx.dirty
}

// maxRow bounds the records of a row.
const maxRow = 256

// add notes a record. It is written with the group.
func (x *roomIndex) add(tx *tx, rooms []string, seq uint64) {
	if !x.listed {
		x.listed = true
		tx.dirty = append(tx.dirty, x)
	}
	if len(rooms) == 0 {
		x.all = append(x.all, seq)
	}
	for _, room := range rooms {
		if row := x.rooms[room]; len(row) == 0 || row[len(row)-1] != seq {
			x.rooms[room] = append(row, seq)
		}
	}
}

// save implements [changed].
func (x *roomIndex) save(tx *tx) {
	putRows(tx, everybodyPrefix(x.object), x.all)
	for room, seqs := range x.rooms {
		if len(seqs) > 0 {
			putRows(tx, roomPrefix(x.object, room), seqs)
		}
	}
	x.undo()
}

func (x *roomIndex) saved() func() { return nil }

func (x *roomIndex) undo() {
	x.listed = false
	x.all = x.all[:0]
	if len(x.rooms) > 64 {
		clear(x.rooms)
	}
	for room, seqs := range x.rooms { // the next group is often for the same
		x.rooms[room] = seqs[:0]
	}
}

func putRows(tx *tx, prefix []byte, seqs []uint64) {
	for row := range slices.Chunk(seqs, maxRow) {
		key := appendNumber(prefix, row[len(row)-1])
		tx.batch.Set(key, encodeRow(key, row))
	}
}

// encodeRow returns the value of a row under its key.
func encodeRow(key []byte, seqs []uint64) []byte {
	if len(seqs) == 1 {
		return nil
	}
	v := newSeal(len(seqs) + 8)
	for i := len(seqs) - 1; i > 0; i-- {
		v = putNumber(v, seqs[i]-seqs[i-1])
	}
	return seal(key, v)
}

// decodeRow appends the records of a row to dst, oldest first.
func decodeRow(dst []uint64, key, v []byte) ([]uint64, error) {
	at, seq := len(dst), lastNumber(key)
	dst = append(dst, seq)
	if len(v) == 0 {
		return dst, nil
	}
	d, err := unseal(key, v)
	if err != nil {
		return dst[:at], err
	}
	for len(d.rest) > 0 {
		back := d.number()
		if back == 0 || back >= seq {
			d.bad = true
			break
		}
		seq -= back
		dst = append(dst, seq)
	}
	if err := d.end(key); err != nil {
		return dst[:at], err
	}
	slices.Reverse(dst[at:])
	return dst, nil
}
