package adapter

// few is the number of names up to which looking at each is faster than a set.
const few = 12

// picks are the rooms that a list of names stands for at one moment: rooms, and
// members that are in the room of their own ID.
type picks struct {
	own   []*entry
	rooms []*room

	// With more than few of a kind, sets answer. They are made of names that
	// the caller listed, never of the members of a room.
	many    bool
	ownSet  bits
	roomSet map[*room]struct{}

	fetched int // a sum that keeps the compiler from leaving fetch out
}

func (p *picks) reset() {
	clear(p.own)
	clear(p.rooms)
	p.own, p.rooms = p.own[:0], p.rooms[:0]
	p.many, p.roomSet = false, nil
}

// resolve looks names up. The caller holds the lock in either way; the answers
// of has are good until a member leaves.
func (p *picks) resolve(m *memory, names []string) {
	p.reset()
	for _, name := range names {
		if e := m.byID[name]; e != nil && e.own {
			p.own = append(p.own, e)
		}
		if r := m.rooms[name]; r != nil {
			p.rooms = append(p.rooms, r)
		}
	}
	if len(p.own) <= few && len(p.rooms) <= few {
		return
	}
	p.many = true
	p.ownSet.reset(len(m.all))
	for _, e := range p.own {
		p.ownSet.add(int(e.pos))
	}
	p.roomSet = make(map[*room]struct{}, len(p.rooms))
	for _, r := range p.rooms {
		p.roomSet[r] = struct{}{}
	}
}

func (p *picks) none() bool { return len(p.own) == 0 && len(p.rooms) == 0 }

// fetch looks at what has will look at, which changes nothing, so that it is in
// the cache by then: the processor waits for all of it at the same time, and not
// for each entry's before it knows the answer for the entry before.
func (p *picks) fetch(entries []*entry) {
	if p.none() {
		return
	}
	n := 0
	for _, e := range entries {
		n += len(e.places)
	}
	for _, e := range entries {
		if len(e.places) > 0 {
			n += e.places[0].at
		}
	}
	p.fetched = n
}

// has reports whether e, which is not gone, is in any of the rooms.
func (p *picks) has(e *entry) bool {
	if !p.many {
		return p.hasBefore(e, len(p.own), len(p.rooms))
	}
	if p.ownSet.has(int(e.pos)) {
		return true
	}
	for i := range e.places {
		if _, ok := p.roomSet[e.places[i].room]; ok {
			return true
		}
	}
	return false
}

// hasBefore is has for the first few rooms only.
func (p *picks) hasBefore(e *entry, own, rooms int) bool {
	for _, o := range p.own[:own] {
		if o == e {
			return true
		}
	}
	for _, r := range p.rooms[:rooms] {
		if e.in(r) {
			return true
		}
	}
	return false
}

// bits is a set of positions.
type bits []uint64

// reset makes the set empty, with room for positions below n.
func (b *bits) reset(n int) {
	words := (n + 63) / 64
	if cap(*b) < words {
		*b = make(bits, words)
		return
	}
	*b = (*b)[:words]
	clear(*b)
}

// add reports whether i was not in the set.
func (b bits) add(i int) bool {
	mask := uint64(1) << (i % 64)
	if b[i/64]&mask != 0 {
		return false
	}
	b[i/64] |= mask
	return true
}

// has reports whether i is in the set. Members added since reset are not.
func (b bits) has(i int) bool {
	return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0
}
