package main

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"sync"
)

// A ledger knows everything that was said, by whom, in what order.
type ledger struct {
	lmu  sync.Mutex
	book map[string][]entry // by sender
}

// An entry is one event.
type entry struct {
	seq, room, except int
	others            bool
	sure              bool // the server has taken it; else it may have been lost on the way
}

func (l *ledger) init() { l.book = map[string][]entry{} }

// write notes an event before it is sent.
func (l *ledger) write(m *say) {
	l.lmu.Lock()
	defer l.lmu.Unlock()
	l.book[m.From] = append(l.book[m.From], entry{m.Seq, m.Room, m.Except, m.Others, false})
}

// sure notes that the server has taken the events of a sender up to seq.
func (l *ledger) sure(from string, seq int) {
	l.lmu.Lock()
	defer l.lmu.Unlock()
	all := l.book[from]
	for i := len(all) - 1; i >= 0 && !all[i].sure; i-- {
		if all[i].seq <= seq {
			all[i].sure = true
		}
	}
}

// entries is what a sender has said so far.
func (l *ledger) entries(from string) []entry {
	l.lmu.Lock()
	defer l.lmu.Unlock()
	return append([]entry(nil), l.book[from]...)
}

func (l *ledger) senders() (names []string) {
	l.lmu.Lock()
	defer l.lmu.Unlock()
	for name := range l.book {
		names = append(names, name)
	}
	return names
}

// fill gives an event bytes of its own.
func fill(m *say, r *rand.Rand) {
	size := r.IntN(400)
	if r.IntN(50) == 0 {
		size = 20_000
	}
	b := content(m.From, m.Seq, size)
	if r.IntN(3) == 0 {
		m.Bytes = b
	} else {
		for i, c := range b {
			b[i] = 'a' + c%26
		}
		m.Text = string(b)
	}
}

// own reports whether the bytes of an event are its own.
func own(m *say) bool {
	if m.Text == "" {
		return bytes.Equal(m.Bytes, content(m.From, m.Seq, len(m.Bytes)))
	}
	want := content(m.From, m.Seq, len(m.Text))
	for i, c := range want {
		want[i] = 'a' + c%26
	}
	return m.Bytes == nil && m.Text == string(want)
}

func content(from string, seq, size int) []byte {
	h := fnv.New64a()
	_, _ = h.Write([]byte(from))
	r := rand.New(rand.NewPCG(h.Sum64(), uint64(seq)))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
