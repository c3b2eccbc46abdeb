package queue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"time"
)

// IDs says how long a publish ID is remembered, so that a second publish with
// it is answered as the first was. An ID is remembered until Count others
// came after it or Age has passed, whichever is first, and forgotten at the
// latest after twice that.
type IDs struct {
	Count int           // zero: 100,000; negative: IDs are ignored
	Age   time.Duration // zero: 10 minutes
}

func (o IDs) withDefaults() IDs {
	if o.Count == 0 {
		o.Count = 100_000
	}
	if o.Age <= 0 {
		o.Age = 10 * time.Minute
	}
	return o
}

// A window remembers IDs in two generations. When the younger is full or old
// enough it becomes the older one, and the older one goes with one range
// deletion: no ID is ever looked at again only to be forgotten.
type window struct {
	gen   uint64
	count uint64
	begun int64 // when the younger generation got its first ID
}

// The IDs that came in one group are stored in one row, under the sequence of
// the first: the epoch, and each ID with its sequence. A knownIDs tells in which
// row an ID is. It holds hashes alone, eight bytes and a row for each ID of the
// window; what it says is looked up in the row. It is the leader's.
type knownIDs struct {
	object uint32
	hash   maphash.Seed
	text   []byte // of the ID that is looked for

	// Hash of an ID → its row, for this generation, the one before and, because
	// a write that begins one may be refused, the next.
	rows [3]map[uint64]uint64
	gens [3]uint64

	// The row of this group, not written yet.
	gen, first uint64
	body       []byte // empty: there is none
	listed     bool   // in tx.dirty
}

// maxIDRow bounds a row, so that looking up an ID reads little.
const maxIDRow = 16 << 10

func idRowPrefix(object uint32, gen uint64) []byte {
	return binary.BigEndian.AppendUint32(objectKey(keyID, object), uint32(gen))
}

func idRowKey(object uint32, gen, first uint64) []byte {
	return appendNumber(idRowPrefix(object, gen), first)
}

// loadIDs reads the IDs of a window. A damaged row is left out: what it held is
// forgotten, and fsck tells of it.
func loadIDs(st Storage, object uint32, w window) (*knownIDs, error) {
	k := &knownIDs{object: object, hash: maphash.MakeSeed()}
	if w.gen == 0 && w.count == 0 {
		return k, nil
	}
	lo := idRowPrefix(object, w.gen-min(w.gen, 1))
	c := st.Cursor(lo, after(idRowPrefix(object, w.gen)))
	defer c.Close()
	for c.Next() {
		gen, first := uint64(binary.BigEndian.Uint32(c.Key()[5:])), lastNumber(c.Key())
		_ = eachID(c.Key(), c.Value(), func(id []byte, _ Offset) bool {
			k.note(gen, first, id)
			return true
		})
	}
	if err := c.Err(); !errors.Is(err, ErrDamaged) {
		return k, err
	}
	return k, nil
}

// eachID calls f for the IDs of a row, until it returns false.
func eachID(key, row []byte, f func(id []byte, o Offset) bool) error {
	d, err := unseal(key, row)
	if err != nil {
		return err
	}
	for o := (Offset{Epoch: d.number()}); len(d.rest) > 0; {
		id := d.bytes()
		if o.Seq = d.number(); d.bad || !f(id, o) {
			break
		}
	}
	if d.bad {
		return d.end(key)
	}
	return nil
}

// idText is an ID as it is stored: its parts one after the other.
func (k *knownIDs) idText(of []string) []byte {
	k.text = k.text[:0]
	for _, s := range of {
		k.text = appendText(k.text, s)
	}
	return k.text
}

func (k *knownIDs) note(gen, first uint64, id []byte) {
	i := gen % 3
	if k.rows[i] == nil || k.gens[i] != gen {
		k.rows[i], k.gens[i] = make(map[uint64]uint64), gen
	}
	k.rows[i][maphash.Bytes(k.hash, id)] = first
}

// find returns what was remembered for an ID.
func (k *knownIDs) find(tx *tx, w *window, of ...string) (o Offset, ok bool, err error) {
	id := k.idText(of)
	h := maphash.Bytes(k.hash, id)
	for _, gen := range [2]uint64{w.gen, w.gen - 1} { // without one before the first, k has none either
		first, known := k.rows[gen%3][h]
		if !known || k.gens[gen%3] != gen {
			continue
		}
		key := idRowKey(k.object, gen, first)
		row := k.body
		if len(row) == 0 || k.gen != gen || k.first != first {
			var there bool
			if row, there, err = tx.get(key); err != nil || !there {
				if errors.Is(err, ErrDamaged) || err == nil {
					continue // forgotten, or of a write that was refused
				}
				return o, false, err
			}
		} else {
			row = seal(key, row)
		}
		err = eachID(key, row, func(is []byte, at Offset) bool {
			if ok = bytes.Equal(is, id); ok {
				o = at
			}
			return !ok
		})
		if ok {
			return o, true, nil
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			return o, false, err
		}
	}
	return o, false, nil
}

// remember keeps o for an ID. The caller has touched the state that w is in.
func (k *knownIDs) remember(tx *tx, w *window, o Offset, opt IDs, of ...string) {
	if w.count > 0 && (w.count >= uint64(opt.Count) || tx.now-w.begun >= opt.Age.Milliseconds()) {
		w.gen++
		w.count = 0
		if w.gen >= 2 {
			tx.batch.DeleteRange(idRowPrefix(k.object, 0), idRowPrefix(k.object, w.gen-1))
		}
	}
	if w.count == 0 {
		w.begun = tx.now
	}
	w.count++
	if k.gen != w.gen || len(k.body) > maxIDRow {
		k.flush(tx)
	}
	if len(k.body) == 0 {
		k.gen, k.first = w.gen, o.Seq
		k.body = putNumber(newSeal(256), o.Epoch)
	}
	if !k.listed {
		k.listed = true
		tx.dirty = append(tx.dirty, k)
	}
	id := k.idText(of)
	k.note(w.gen, k.first, id)
	k.body = putNumber(putBytes(k.body, id), o.Seq)
}

// flush writes the row of the group.
func (k *knownIDs) flush(tx *tx) {
	if len(k.body) == 0 {
		return
	}
	key := idRowKey(k.object, k.gen, k.first)
	tx.put(key, seal(key, k.body))
	k.body = nil
}

// save implements [changed].
func (k *knownIDs) save(tx *tx) {
	k.flush(tx)
	k.listed = false
}

func (k *knownIDs) saved() func() {
	for i, gen := range k.gens {
		if gen+1 < k.gen {
			k.rows[i] = nil
		}
	}
	return nil
}

func (k *knownIDs) undo() { k.body, k.listed = nil, false }
