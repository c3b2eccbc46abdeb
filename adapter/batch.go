package adapter

import "iter"

// chunk is the number of members that are delivered to before others may change
// rooms.
const chunk = 64

// A batch is the sockets chosen for one operation: a snapshot, and what is needed
// to see who has left since.
type batch struct {
	m       *memory
	to      Selector
	targets []*entry
	left    uint64 // memory.left when in was resolved
	moved   bool   // memory.left has moved since the snapshot
	in, out picks
	seen    bits
	members iter.Seq[Member] // each, made once
}

func newBatch(m *memory) *batch {
	b := &batch{m: m}
	b.members = b.each
	return b
}

// choose returns a snapshot of the sockets chosen. The caller releases it.
func (m *memory) choose(to Selector) *batch {
	b := m.batches.Get().(*batch)
	m.mu.RLock()
	defer m.mu.RUnlock()
	b.fill(to)
	return b
}

// release gives b back to the pool, holding on to nothing.
func (b *batch) release() {
	b.to = Selector{}
	clear(b.targets)
	b.targets = b.targets[:0]
	b.in.reset()
	b.out.reset()
	b.m.batches.Put(b)
}

// fill takes the snapshot. The caller holds the lock in either way.
func (b *batch) fill(to Selector) {
	b.to, b.left, b.moved = to, b.m.left, false
	b.out.resolve(b.m, to.Except)
	if len(to.Rooms) > 0 {
		b.in.resolve(b.m, to.Rooms)
		b.union()
		return
	}
	if b.out.none() {
		b.targets = append(b.targets, b.m.all...)
		return
	}
	for _, e := range b.m.all {
		if !b.out.has(e) {
			b.targets = append(b.targets, e)
		}
	}
}

// union appends the members of the rooms, each once. With few rooms a member is
// left out when it is in a room before; with many it is marked.
func (b *batch) union() {
	in := &b.in
	mark := len(in.own)+len(in.rooms) > few
	if mark {
		b.seen.reset(len(b.m.all))
	}
	take := func(e *entry, own, rooms int) {
		if mark {
			if !b.seen.add(int(e.pos)) {
				return
			}
		} else if in.hasBefore(e, own, rooms) {
			return
		}
		if !b.out.has(e) {
			b.targets = append(b.targets, e)
		}
	}
	for i, e := range in.own {
		take(e, i, 0)
	}
	for i, r := range in.rooms {
		for _, e := range r.members {
			take(e, len(in.own), i)
		}
	}
}

// refresh makes valid able to answer. The caller holds the lock in either way.
func (b *batch) refresh() {
	if b.left == b.m.left {
		return
	}
	b.left, b.moved = b.m.left, true
	b.in.resolve(b.m, b.to.Rooms)
}

// valid reports whether e is still in the rooms. The caller has called refresh
// under the same lock. Who has joined an excepted room since stays chosen: the
// promise is about leaving.
func (b *batch) valid(e *entry) bool {
	return !b.moved || e.pos != gone && (len(b.to.Rooms) == 0 || b.in.has(e))
}

// each yields the members of the batch, with the lock held for reading.
func (b *batch) each(yield func(Member) bool) {
	for from := 0; from < len(b.targets); from += chunk {
		if !b.part(b.targets[from:min(from+chunk, len(b.targets))], yield) {
			return
		}
	}
}

// part yields one chunk. The lock is released by defer as yield may panic.
func (b *batch) part(targets []*entry, yield func(Member) bool) bool {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	b.refresh()
	for _, e := range targets {
		if b.valid(e) && !yield(e.member) {
			return false
		}
	}
	return true
}

// still returns target i if it is still chosen.
func (b *batch) still(i int) (Member, bool) {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	b.refresh()
	e := b.targets[i]
	return e.member, b.valid(e)
}

// look returns target i and its rooms if it is still chosen.
func (b *batch) look(i int) (Member, []string, bool) {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	b.refresh()
	e := b.targets[i]
	if !b.valid(e) {
		return nil, nil, false
	}
	return e.member, e.names(e.member.ID()), true
}
