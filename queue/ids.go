package queue

import (
	"encoding/binary"
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

func windowKey(id uint32, gen uint64, of ...string) []byte {
	k := binary.BigEndian.AppendUint32(objectKey(keyID, id), uint32(gen))
	for _, s := range of {
		k = appendText(k, s)
	}
	return k
}

// A seen holds hashes of the IDs of the generations that began while the
// process ran, so that the storage is not asked for an ID that is new: nearly
// all are. It is the leader's, and holds no more than the window does.
type seen struct {
	covered uint64 // generations from this one on are here in full
	hash    maphash.Seed
	sets    [2]map[uint64]struct{} // by generation, even and odd
	gens    [2]uint64              // whose sets they are: a refused write may have begun one in vain
}

// newSeen returns a seen for a window that was loaded, or is new.
func newSeen(w window) *seen {
	s := &seen{covered: w.gen, hash: maphash.MakeSeed()}
	if w.count > 0 {
		s.covered++
	}
	return s
}

// not reports whether a key of a generation was surely never remembered.
func (s *seen) not(gen uint64, key []byte) bool {
	if gen < s.covered || s.sets[gen%2] != nil && s.gens[gen%2] != gen {
		return false
	}
	_, ok := s.sets[gen%2][maphash.Bytes(s.hash, key)]
	return !ok
}

// add remembers the key of an ID. The first of a generation makes room.
func (s *seen) add(gen uint64, first bool, key []byte) {
	if first || s.sets[gen%2] == nil {
		s.sets[gen%2], s.gens[gen%2] = make(map[uint64]struct{}), gen
	}
	s.sets[gen%2][maphash.Bytes(s.hash, key)] = struct{}{}
}

// find returns what was remembered for an ID.
func (w *window) find(tx *tx, s *seen, id uint32, of ...string) (o Offset, ok bool, err error) {
	for gen := w.gen; gen+1 >= w.gen; gen-- { // this one and the one before
		key := windowKey(id, gen, of...)
		var v []byte
		ok := false
		if !s.not(gen, key) {
			v, ok, err = tx.get(key)
		}
		if err != nil {
			return o, false, err
		}
		if ok {
			err = decodeNumbers(key, v, &o.Epoch, &o.Seq)
			return o, err == nil, err
		}
		if gen == 0 {
			break
		}
	}
	return o, false, nil
}

// remember keeps o for an ID. The caller has touched the state that w is in.
func (w *window) remember(tx *tx, s *seen, id uint32, o Offset, opt IDs, of ...string) {
	if w.count > 0 && (w.count >= uint64(opt.Count) || tx.now-w.begun >= opt.Age.Milliseconds()) {
		w.gen++
		w.count = 0
		if w.gen >= 2 {
			lo := binary.BigEndian.AppendUint32(objectKey(keyID, id), 0)
			hi := binary.BigEndian.AppendUint32(objectKey(keyID, id), uint32(w.gen-1))
			tx.batch.DeleteRange(lo, hi)
		}
	}
	if w.count == 0 {
		w.begun = tx.now
	}
	w.count++
	key := windowKey(id, w.gen, of...)
	s.add(w.gen, w.count == 1, key)
	tx.put(key, encodeNumbers(key, o.Epoch, o.Seq))
}
