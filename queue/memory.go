package queue

import (
	"bytes"
	"sort"
	"sync"
)

// Memory returns an empty storage that is gone with the process. What is
// applied is as durable as it gets.
func Memory() Storage { return &memory{} }

// leafSize bounds the entries of a leaf; a full one is split in two.
const leafSize = 128

// memory keeps entries in order in a list of short sorted leaves: two binary
// searches find a key, and an insertion moves at most one leaf.
type memory struct {
	mu      sync.RWMutex
	leaves  []*leaf // none is empty
	changes uint64  // counts writes, so that a cursor knows that its place is stale
}

type leaf struct{ entries []entry }

type entry struct{ key, value []byte }

// find returns the place of the first key ≥ key; leaf is len(leaves) at the end.
func (m *memory) find(key []byte) (leaf, at int) {
	leaf = sort.Search(len(m.leaves), func(i int) bool {
		e := m.leaves[i].entries
		return bytes.Compare(e[len(e)-1].key, key) >= 0
	})
	if leaf == len(m.leaves) {
		return leaf, 0
	}
	e := m.leaves[leaf].entries
	return leaf, sort.Search(len(e), func(i int) bool { return bytes.Compare(e[i].key, key) >= 0 })
}

// Get implements [Storage].
func (m *memory) Get(key []byte) ([]byte, bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	l, i := m.find(key)
	if l == len(m.leaves) || !bytes.Equal(m.leaves[l].entries[i].key, key) {
		return nil, false, nil
	}
	return bytes.Clone(m.leaves[l].entries[i].value), true, nil
}

func (m *memory) set(key, value []byte) {
	l, i := m.find(key)
	if l == len(m.leaves) {
		if l == 0 {
			m.leaves = append(m.leaves, &leaf{})
			l++
		}
		l--
		i = len(m.leaves[l].entries)
	} else if bytes.Equal(m.leaves[l].entries[i].key, key) {
		m.leaves[l].entries[i].value = value
		return
	}
	f := m.leaves[l]
	f.entries = append(f.entries, entry{})
	copy(f.entries[i+1:], f.entries[i:])
	f.entries[i] = entry{key, value}
	if len(f.entries) < leafSize {
		return
	}
	// Keys often come in order: leave the left leaf well filled.
	cut := leafSize / 2
	if i == len(f.entries)-1 {
		cut = leafSize - 8
	}
	right := &leaf{entries: append(make([]entry, 0, leafSize), f.entries[cut:]...)}
	clear(f.entries[cut:])
	f.entries = f.entries[:cut]
	m.leaves = append(m.leaves, nil)
	copy(m.leaves[l+2:], m.leaves[l+1:])
	m.leaves[l+1] = right
}

func (m *memory) deleteRange(lo, hi []byte) {
	l, i := m.find(lo)
	keep := l
	for ; l < len(m.leaves); l++ {
		e := m.leaves[l].entries
		j := len(e)
		if bytes.Compare(e[j-1].key, hi) >= 0 {
			j = sort.Search(len(e), func(k int) bool { return bytes.Compare(e[k].key, hi) >= 0 })
		}
		more := j == len(e)
		n := copy(e[i:], e[j:])
		clear(e[i+n:])
		m.leaves[l].entries = e[:i+n]
		i = 0
		if len(m.leaves[l].entries) > 0 {
			m.leaves[keep] = m.leaves[l]
			keep++
		}
		if !more {
			l++
			break
		}
	}
	if keep == l {
		return
	}
	n := copy(m.leaves[keep:], m.leaves[l:])
	clear(m.leaves[keep+n:])
	m.leaves = m.leaves[:keep+n]
}

// NewBatch implements [Storage].
func (m *memory) NewBatch() Batch { return &memoryBatch{} }

// Apply implements [Storage].
func (m *memory) Apply(b Batch, _ bool) (func() error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
	for _, w := range b.(*memoryBatch).writes {
		switch w.kind {
		case writeSet:
			m.set(w.a, w.b)
		case writeDelete:
			m.deleteRange(w.a, append(bytes.Clone(w.a), 0))
		case writeDeleteRange:
			m.deleteRange(w.a, w.b)
		}
	}
	return nil, nil
}

// Close implements [Storage]. What was stored is kept, so that the same
// storage may be opened again.
func (m *memory) Close() error { return nil }

type writeKind uint8

const (
	writeSet writeKind = iota
	writeDelete
	writeDeleteRange
)

type memoryWrite struct {
	kind writeKind
	a, b []byte
}

type memoryBatch struct{ writes []memoryWrite }

func (b *memoryBatch) Set(key, value []byte) {
	b.writes = append(b.writes, memoryWrite{writeSet, bytes.Clone(key), bytes.Clone(value)})
}

func (b *memoryBatch) Delete(key []byte) {
	b.writes = append(b.writes, memoryWrite{writeDelete, bytes.Clone(key), nil})
}

func (b *memoryBatch) DeleteRange(lo, hi []byte) {
	b.writes = append(b.writes, memoryWrite{writeDeleteRange, bytes.Clone(lo), bytes.Clone(hi)})
}

func (b *memoryBatch) Len() int { return len(b.writes) }

// Cursor implements [Storage].
func (m *memory) Cursor(lo, hi []byte) Cursor {
	return &memoryCursor{m: m, lo: bytes.Clone(lo), hi: bytes.Clone(hi)}
}

// A memoryCursor remembers its key; its place in the leaves holds as long as
// nothing was written.
type memoryCursor struct {
	m       *memory
	lo, hi  []byte
	at      entry
	begun   bool
	leaf, i int
	changes uint64
}

func (c *memoryCursor) Seek(key []byte) bool {
	if bytes.Compare(key, c.lo) < 0 {
		key = c.lo
	}
	c.m.mu.RLock()
	defer c.m.mu.RUnlock()
	c.begun = true
	c.leaf, c.i = c.m.find(key)
	return c.settle()
}

// settle takes the entry at the cursor's place.
func (c *memoryCursor) settle() bool {
	c.changes = c.m.changes
	if c.leaf < len(c.m.leaves) && c.i == len(c.m.leaves[c.leaf].entries) {
		c.leaf, c.i = c.leaf+1, 0
	}
	if c.leaf >= len(c.m.leaves) {
		c.at = entry{}
		return false
	}
	e := c.m.leaves[c.leaf].entries[c.i]
	if bytes.Compare(e.key, c.hi) >= 0 {
		c.at = entry{}
		return false
	}
	c.at = e
	return true
}

func (c *memoryCursor) Next() bool {
	if !c.begun {
		return c.Seek(c.lo)
	}
	if c.at.key == nil {
		return false
	}
	c.m.mu.RLock()
	defer c.m.mu.RUnlock()
	if c.changes == c.m.changes {
		c.i++
	} else {
		c.leaf, c.i = c.m.find(append(bytes.Clone(c.at.key), 0))
	}
	return c.settle()
}

func (c *memoryCursor) Key() []byte   { return c.at.key }
func (c *memoryCursor) Value() []byte { return c.at.value }
func (c *memoryCursor) Err() error    { return nil }
func (c *memoryCursor) Close() error  { return nil }
