package engine

import "sync"

// A queue holds what waits to be sent on one connection. An empty one has no
// memory.
type queue struct {
	entries  []entry
	head     int32 // of entries that wait
	volatile int32 // entries that may be dropped
	off      int   // bytes of the first one that were written
	bytes    int   // that wait, counted as plain frames
}

// An entry is what one Send queued.
type entry struct {
	p    *Prepared
	mode Mode
}

// queueArray is how many entries the pooled arrays have.
const queueArray = 64

var queueArrays = sync.Pool{New: func() any { return new([queueArray]entry) }}

func (q *queue) empty() bool { return int(q.head) == len(q.entries) }

func (q *queue) waiting() []entry { return q.entries[q.head:] }

func (q *queue) push(p *Prepared, m Mode) {
	if q.entries == nil {
		q.entries = queueArrays.Get().(*[queueArray]entry)[:0]
	}
	if q.head > queueArray && int(q.head) > len(q.entries)/2 {
		n := copy(q.entries, q.entries[q.head:])
		clear(q.entries[n:])
		q.entries, q.head = q.entries[:n], 0
	}
	q.entries = append(q.entries, entry{p, m})
	q.bytes += len(p.plain)
	if m&Volatile != 0 {
		q.volatile++
	}
}

// pop removes the first entry.
func (q *queue) pop() {
	e := &q.entries[q.head]
	q.bytes -= len(e.p.plain)
	if e.mode&Volatile != 0 {
		q.volatile--
	}
	*e = entry{}
	q.head++
	q.off = 0
	if q.empty() {
		q.drop()
	}
}

// drop empties q and lets go of its memory.
func (q *queue) drop() {
	if cap(q.entries) == queueArray {
		all := q.entries[:queueArray]
		clear(all)
		queueArrays.Put((*[queueArray]entry)(all))
	}
	*q = queue{}
}

// dropVolatile removes the oldest volatile entries, but for the first keep
// ones, until want bytes are free or there are no more.
func (q *queue) dropVolatile(keep, want int) (dropped int) {
	if q.volatile == 0 {
		return 0
	}
	old := q.entries
	kept := q.entries[:min(int(q.head)+keep, len(q.entries))]
	for _, e := range old[len(kept):] {
		if e.mode&Volatile != 0 && want > 0 {
			want -= len(e.p.plain)
			q.bytes -= len(e.p.plain)
			q.volatile--
			dropped++
			continue
		}
		kept = append(kept, e)
	}
	clear(old[len(kept):])
	q.entries = kept
	if q.empty() {
		q.drop()
	}
	return dropped
}
