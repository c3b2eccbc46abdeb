package adapter

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// chunk is the number of members that are delivered to before others may change
// rooms.
const chunk = 64

// A batch is the sockets chosen for one operation: a snapshot.
type batch struct {
	m       *memory
	to      Selector
	targets []*entry
	next    atomic.Int64 // of targets that nobody has taken
	left    uint64       // memory.left at the time of the snapshot
	in, out picks
	seen    bits
	groups  iter.Seq[[]Member] // each, made once
}

// A view is what one goroutine needs to go through a batch.
type view struct {
	*batch
	at    uint64 // memory.left when now was resolved
	moved bool   // memory.left has moved since the snapshot
	now   picks  // what to.Rooms stand for since it has
	group [chunk]Member
}

func newBatch(m *memory) *batch {
	b := &batch{m: m}
	b.groups = b.each
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
	b.next.Store(0)
	b.in.reset()
	b.out.reset()
	b.m.batches.Put(b)
}

// fill takes the snapshot. The caller holds the lock in either way.
func (b *batch) fill(to Selector) {
	b.to, b.left = to, b.m.left
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
	for group := range slices.Chunk(b.m.all, chunk) {
		b.out.fetch(group)
		for _, e := range group {
			if !b.out.has(e) {
				b.targets = append(b.targets, e)
			}
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
		for group := range slices.Chunk(r.members, chunk) {
			b.out.fetch(group)
			for _, e := range group {
				take(e, len(in.own), i)
			}
		}
	}
}

var views = sync.Pool{New: func() any { return new(view) }}

// view returns a view of b. The caller closes it.
func (b *batch) view() *view {
	v := views.Get().(*view)
	v.batch, v.at, v.moved = b, b.left, false
	return v
}

// close gives v back to the pool, holding on to nothing.
func (v *view) close() {
	v.batch = nil
	v.now.reset()
	clear(v.group[:])
	views.Put(v)
}

// refresh makes valid able to answer. The caller holds the lock in either way.
func (v *view) refresh() {
	if v.at == v.m.left {
		return
	}
	v.at, v.moved = v.m.left, true
	v.now.resolve(v.m, v.to.Rooms)
}

// valid reports whether e is still in the rooms. The caller has called refresh
// under the same lock. Who has joined an excepted room since stays chosen: the
// promise is about leaving.
func (v *view) valid(e *entry) bool {
	return !v.moved || e.pos != gone && (len(v.to.Rooms) == 0 || v.now.has(e))
}

// each yields the members of the batch that no other call of it has taken, in
// groups, with the lock held for reading.
func (b *batch) each(yield func([]Member) bool) {
	v := b.view()
	defer v.close()
	for {
		to := int(b.next.Add(chunk))
		if to-chunk >= len(b.targets) || !v.part(b.targets[to-chunk:min(to, len(b.targets))], yield) {
			return
		}
	}
}

// part yields one group. The lock is released by defer as yield may panic.
func (v *view) part(targets []*entry, yield func([]Member) bool) bool {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	v.refresh()
	n := 0
	for _, e := range targets {
		if v.valid(e) {
			v.group[n] = e.member
			n++
		}
	}
	return n == 0 || yield(v.group[:n])
}

// still returns target i if it is still chosen.
func (v *view) still(i int) (Member, bool) {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	v.refresh()
	e := v.targets[i]
	return e.member, v.valid(e)
}

// look returns target i and its rooms if it is still chosen.
func (v *view) look(i int) (Member, []string, bool) {
	v.m.mu.RLock()
	defer v.m.mu.RUnlock()
	v.refresh()
	e := v.targets[i]
	if !v.valid(e) {
		return nil, nil, false
	}
	return e.member, e.names(e.member.ID()), true
}
