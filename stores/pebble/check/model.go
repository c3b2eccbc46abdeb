package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/stores/pebble"
)

// A model is what must be in the store: what was acknowledged is certain, what
// was begun may be there or not until it is seen or repeated.
type model struct {
	epoch uint64
	log   map[string]*fact // by publish ID
	seqs  map[uint64]string
	last  uint64 // of what was seen or acknowledged

	mail  map[string]*fact // by key
	acked map[string]bool  // by message ID: true when acknowledged, false when begun
	jobs  map[string]*fact
	done  map[string]bool

	plan    plan
	repeats int // publishes of what was acknowledged in an earlier life
}

// prepare makes the plan of the next cycle.
func (m *model) prepare(r *rand.Rand) {
	m.plan.Seed = r.Uint64()
	m.plan.Again, m.plan.Remail = some(r, m.log), some(r, m.mail)
	m.plan.Die = randomFault(r)
}

// some returns some of the IDs that are certain, in an order that r decides.
func some(r *rand.Rand, facts map[string]*fact) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(facts)) {
		if facts[id].certain && facts[id].at != "" {
			ids = append(ids, id)
		}
	}
	r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:min(len(ids), 20)]
}

type fact struct {
	room    string
	certain bool
	at      string
}

func newModel() *model {
	return &model{
		log: map[string]*fact{}, seqs: map[uint64]string{}, mail: map[string]*fact{},
		acked: map[string]bool{}, jobs: map[string]*fact{}, done: map[string]bool{},
	}
}

// A violation is an invariant that does not hold.
type violation struct{ text string }

func (v violation) Error() string { return v.text }

func broken(invariant, format string, args ...any) error {
	return violation{invariant + ": " + fmt.Sprintf(format, args...)}
}

func number(id string) int {
	n, _ := strconv.Atoi(id[strings.LastIndexByte(id, '-')+1:])
	return n
}

// hear takes a step in. It returns an error when an answer contradicts an
// earlier one.
func (m *model) hear(s step) error {
	begin := func(facts map[string]*fact) *fact {
		f := facts[s.ID]
		if f == nil {
			f = &fact{room: s.Room}
			facts[s.ID] = f
		}
		return f
	}
	if s.Again {
		m.repeats++
		if f := map[string]*fact{"log": m.log[s.ID], "mail": m.mail[s.ID]}[s.What]; f == nil || f.at != s.At {
			return broken("I7 idempotence", "%s was published again and is at %s: %+v", s.ID, s.At, f)
		}
		return nil
	}
	switch s.What {
	case "log":
		f := begin(m.log)
		p, _ := strconv.Atoi(s.ID[1:strings.IndexByte(s.ID, '-')])
		m.plan.Next[p] = max(m.plan.Next[p], number(s.ID))
		if s.Done {
			if f.at != "" && f.at != s.At {
				return broken("I7 idempotence", "%s is at %s, and acknowledged at %s", s.ID, f.at, s.At)
			}
			if other := m.seqs[s.Seq]; other != "" && other != s.ID {
				return broken("I5 agreement", "%s was acknowledged at %s, where %s is", s.ID, s.At, other)
			}
			f.certain, f.at = true, s.At
			m.seqs[s.Seq] = s.ID
			m.last = max(m.last, s.Seq)
		}
	case "mail":
		f := begin(m.mail)
		m.plan.Mail = max(m.plan.Mail, number(s.ID))
		if s.Done {
			if f.at != "" && f.at != s.At {
				return broken("I7 idempotence", "message %s has ID %s, and was acknowledged as %s", s.ID, f.at, s.At)
			}
			f.certain, f.at = true, s.At
		}
	case "job":
		f := begin(m.jobs)
		m.plan.Jobs = max(m.plan.Jobs, number(s.ID))
		f.certain = f.certain || s.Done
	case "ack":
		m.acked[s.ID] = m.acked[s.ID] || s.Done
	case "work":
		if s.Done && m.done[s.ID] {
			return broken("I13 once", "job %s was done twice", s.ID)
		}
		m.done[s.ID] = m.done[s.ID] || s.Done
	}
	return nil
}

// verify holds what is in the store against the model, and takes over what it
// sees: what is there after a crash is certain from then on.
func (m *model) verify(s *pebble.Store) error {
	ctx := context.Background()
	n, err := openNouns(ctx, s)
	if err != nil {
		return err
	}
	if r, err := s.Check(ctx, queue.CheckOptions{}); err != nil {
		return err
	} else if len(r.Problems) > 0 {
		return broken("fsck", "%v", r.Problems[0])
	}
	if err := m.verifyLog(ctx, n.log); err != nil {
		return err
	}
	if err := m.verifyMail(ctx, n.boxes); err != nil {
		return err
	}
	return m.verifyWork(ctx, n)
}

func (m *model) verifyLog(ctx context.Context, l *queue.Log) error {
	b := l.Bounds()
	if m.epoch == 0 {
		m.epoch = b.Epoch
	}
	if b.Epoch != m.epoch {
		return broken("I10 epoch", "epoch %d became %d", m.epoch, b.Epoch)
	}
	if b.Last < m.last {
		return broken("I1 no loss", "log ends at %d, %d was acknowledged (postfix)", b.Last, m.last)
	}
	seen := make(map[string]bool)
	inRoom := make(map[string][]uint64)
	counters := make(map[string]int)
	next := uint64(1)
	for e, err := range l.ReadAll(ctx, queue.Offset{}, 0) {
		if err != nil {
			return broken("I9 honest errors", "reading: %v", err)
		}
		if e.Offset.Seq != next {
			return broken("I6 dense", "record %d follows %d", e.Offset.Seq, next-1)
		}
		next++
		f := m.log[e.ID]
		if f == nil || !bytes.Equal(e.Data, payload(e.ID)) {
			return broken("I2 no invention", "record %v holds %q of %q", e.Offset, e.Data, e.ID)
		}
		if seen[e.ID] {
			return broken("I3 dedupe", "%s is there twice", e.ID)
		}
		seen[e.ID] = true
		if f.at != "" && f.at != e.Offset.String() {
			return broken("I7 idempotence", "%s was at %s and is at %v", e.ID, f.at, e.Offset)
		}
		if other := m.seqs[e.Offset.Seq]; other != "" && other != e.ID {
			return broken("I5 agreement", "%v held %s and holds %s", e.Offset, other, e.ID)
		}
		room := strings.Join(e.Rooms, ",")
		if room != f.room {
			return broken("I8 privacy", "%s is for %q, was published for %q", e.ID, room, f.room)
		}
		p := e.ID[:strings.IndexByte(e.ID, '-')]
		if c := number(e.ID); c <= counters[p] {
			return broken("I4 order", "%s comes after %s-%d", e.ID, p, counters[p])
		} else {
			counters[p] = c
		}
		f.certain, f.at = true, e.Offset.String()
		m.seqs[e.Offset.Seq] = e.ID
		m.last = e.Offset.Seq
		inRoom[room] = append(inRoom[room], e.Offset.Seq)
	}
	for id, f := range m.log {
		if f.certain && !seen[id] {
			return broken("I1 no loss", "%s was acknowledged at %s and is not there", id, f.at)
		}
	}
	return m.verifyRooms(ctx, l, inRoom)
}

// verifyRooms reads room by room, and holds that against the log as a whole.
func (m *model) verifyRooms(ctx context.Context, l *queue.Log, inRoom map[string][]uint64) error {
	for i := 1; i < rooms; i++ {
		room := roomName(i)
		n, last := 0, uint64(0)
		for e, err := range l.Read(ctx, queue.Offset{}, []string{room}, 0) {
			if err != nil {
				return broken("I9 honest errors", "reading %s: %v", room, err)
			}
			if len(e.Rooms) > 0 && e.Rooms[0] != room {
				return broken("I8 privacy", "reading %s yields %v of %v", room, e.Offset, e.Rooms)
			}
			if e.Offset.Seq <= last {
				return broken("I4 order", "reading %s: %d after %d", room, e.Offset.Seq, last)
			}
			last = e.Offset.Seq
			n++
		}
		if wanted := len(inRoom[room]) + len(inRoom[""]); n != wanted {
			return broken("I1 no loss", "room %s yields %d of %d records (middle)", room, n, wanted)
		}
	}
	return nil
}

func (m *model) verifyMail(ctx context.Context, b *queue.Mailboxes) error {
	byID := make(map[string]string)
	for i := range boxes {
		last := uint64(0)
		for msg, err := range b.Box(fmt.Sprint("user", i), "").Pending(ctx, 0, 0) {
			if err != nil {
				return broken("I9 honest errors", "mailbox: %v", err)
			}
			f := m.mail[msg.Key]
			if f == nil || !bytes.Equal(msg.Data, payload(msg.Key)) || number(msg.Key)%boxes != i {
				return broken("I2 no invention", "message %s of %q", msg.ID, msg.Key)
			}
			if byID[msg.ID] != "" || msg.Seq <= last {
				return broken("I4 order", "message %s after %d", msg.ID, last)
			}
			last = msg.Seq
			if f.at != "" && f.at != msg.ID {
				return broken("I7 idempotence", "message %s had ID %s and has %s", msg.Key, f.at, msg.ID)
			}
			if m.acked[msg.ID] {
				return broken("I3 dedupe", "message %s is back after its ack", msg.ID)
			}
			byID[msg.ID] = msg.Key
			f.certain, f.at = true, msg.ID
		}
	}
	for key, f := range m.mail {
		if _, begun := m.acked[f.at]; f.certain && !begun && byID[f.at] != key {
			return broken("I1 no loss", "message %s of %s was acknowledged and is not there", f.at, key)
		}
		// An ack that was begun and whose message is gone was done.
		if done, begun := m.acked[f.at]; begun && !done && byID[f.at] == "" {
			m.acked[f.at] = true
		}
	}
	return nil
}

// verifyWork waits until all leases of the dead process are over and looks at
// every job; it leases them for a moment itself.
func (m *model) verifyWork(ctx context.Context, n nouns) error {
	time.Sleep(51 * time.Millisecond)
	there := make(map[string]bool)
	jobs, err := n.group.Lease(ctx, 1<<20, time.Millisecond)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		id := jobID(j.Data)
		if m.jobs[id] == nil || !bytes.Equal(j.Data, payload(id)) {
			return broken("I2 no invention", "job %q", j.Data)
		}
		if there[id] {
			return broken("I3 dedupe", "job %s is there twice", id)
		}
		if m.done[id] {
			return broken("I13 once", "job %s is back after it was done", id)
		}
		there[id] = true
		m.jobs[id].certain = true
	}
	for id, f := range m.jobs {
		if done, begun := m.done[id]; f.certain && !begun && !there[id] {
			return broken("I1 no loss", "job %s was acknowledged and is not there", id)
		} else if begun && !done && !there[id] {
			m.done[id] = true
		}
	}
	return nil
}
