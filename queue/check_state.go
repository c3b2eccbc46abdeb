package queue

import (
	"bytes"
	"sort"
)

// compare holds the states against what there is.
func (c *checker) compare() {
	names := c.st.Cursor([]byte{keyName}, []byte{keyName + 1})
	defer names.Close()
	for names.Next() {
		var id uint64
		if len(names.Key()) < 2 || decodeNumbers(names.Key(), names.Value(), &id) != nil {
			continue
		}
		key := objectKey(keyState, uint32(id))
		t := c.of(key)
		t.kind = Kind(names.Key()[1])
		switch t.kind {
		case KindLog:
			c.compareLog(key, t)
		case KindMailboxes:
			c.compareBoxes(key, t)
		case KindWork:
			c.compareWork(key, t)
		case KindSessions:
			c.compareSessions(key, t)
		}
	}
	c.compareEachBox()
}

// differ reports a count that is not as it is, and notes the right state.
func (c *checker) differ(key []byte, right []byte, format string, args ...any) {
	c.r.add("count", key, format, args...)
	c.set = append(c.set, keyValue{bytes.Clone(key), right})
}

func (c *checker) compareLog(key []byte, t *tally) {
	v, err := decodeLogState(key, t.state)
	if err != nil {
		c.r.Lost = true
		v = logState{epoch: newEpoch(), first: max(t.first, 1), next: t.last + 1, count: t.count, bytes: t.bytes}
		c.differ(key, encodeLogState(key, &v), "state of a log cannot be read")
		return
	}
	was := v
	if t.count > 0 {
		if t.holes > 0 && !t.roomRetention || t.first > v.first && !t.roomRetention || t.last+1 < v.next && !t.roomRetention {
			c.r.Lost = true
			c.r.add("missing", key, "log of %d to %d holds %d records", v.first, v.next-1, t.count)
		}
		v.next = max(v.next, t.last+1)
		v.first = min(v.first, t.first)
	} else if v.first < v.next && !t.roomRetention {
		c.r.Lost = true
		c.r.add("missing", key, "log of %d to %d holds no record", v.first, v.next-1)
	}
	v.count, v.bytes = t.count, t.bytes
	if v != was {
		c.differ(key, encodeLogState(key, &v), "log says %d records of %d bytes, there are %d of %d", was.count, was.bytes, v.count, v.bytes)
	}
}

func (c *checker) compareBoxes(key []byte, t *tally) {
	v, err := decodeBoxesState(key, t.state)
	if err != nil {
		c.r.Lost = true
		v = boxesState{epoch: newEpoch(), next: t.last + 1}
	}
	was := v
	v.boxes, v.messages, v.bytes = t.boxes, t.count, t.bytes
	v.next = max(v.next, t.last+1)
	if v != was || err != nil {
		c.differ(key, encodeBoxesState(key, &v), "mailboxes say %d messages in %d mailboxes, there are %d in %d", was.messages, was.boxes, v.messages, v.boxes)
	}
}

func (c *checker) compareEachBox() {
	cur := c.st.Cursor([]byte{keyBox}, []byte{keyBox + 1})
	defer cur.Close()
	for cur.Next() {
		s, err := decodeBoxState(cur.Key(), cur.Value())
		is := c.boxes[string(cur.Key())]
		delete(c.boxes, string(cur.Key()))
		if is == nil {
			is = &boxState{head: s.head}
		}
		if err == nil && s.count == is.count && s.bytes == is.bytes && s.head <= is.head {
			continue
		}
		c.fixBox(cur.Key(), s, is)
	}
	keys := make([]string, 0, len(c.boxes))
	for k := range c.boxes {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		c.fixBox([]byte(k), boxState{}, c.boxes[k])
	}
}

func (c *checker) fixBox(key []byte, s boxState, is *boxState) {
	c.differ(key, encodeNumbers(key, is.count, is.bytes, min(s.head, is.head), s.dropped, s.used),
		"mailbox says %d messages of %d bytes, there are %d of %d", s.count, s.bytes, is.count, is.bytes)
}

func (c *checker) compareWork(key []byte, t *tally) {
	v, err := decodeWorkState(key, t.state)
	if err != nil {
		c.r.Lost = true
		v = workState{epoch: newEpoch(), next: t.last + 1}
		names := make(map[string]bool)
		for _, m := range []map[string]uint64{t.ready, t.leased, t.delayed, t.dead} {
			for name := range m {
				names[name] = true
			}
		}
		for name := range names {
			v.groups = append(v.groups, groupState{name: name})
		}
		sort.Slice(v.groups, func(i, j int) bool { return v.groups[i].name < v.groups[j].name })
	}
	wrong := err != nil || v.jobs != t.count || v.next <= t.last
	v.jobs, v.next = t.count, max(v.next, t.last+1)
	for i := range v.groups {
		g := &v.groups[i]
		is := groupState{g.name, t.ready[g.name], t.leased[g.name], t.delayed[g.name], t.dead[g.name]}
		wrong = wrong || *g != is
		*g = is
	}
	if wrong {
		c.differ(key, encodeWorkState(key, &v), "counts of a work queue are wrong")
	}
}

func (c *checker) compareSessions(key []byte, t *tally) {
	var v sessionsState
	err := decodeNumbers(key, t.state, &v.epoch, &v.count, &v.bytes, &v.evicted)
	if err != nil || v.count != t.count || v.bytes != t.bytes {
		was := v
		v.epoch, v.count, v.bytes = 0, t.count, t.bytes
		c.differ(key, encodeSessionsState(key, &v), "sessions say %d of %d bytes, there are %d of %d", was.count, was.bytes, t.count, t.bytes)
	}
}

// repair writes what walk and compare noted. In the end it gives new epochs
// if something was lost.
func (c *checker) repair() error {
	for len(c.set)+len(c.remove) > 0 {
		b := c.st.NewBatch()
		for b.Len() < 1000 && len(c.remove) > 0 { // all of it first: what is set may stand under the same key
			b.Delete(c.remove[0])
			c.remove = c.remove[1:]
		}
		for b.Len() < 1000 && len(c.set) > 0 {
			b.Set(c.set[0].key, c.set[0].value)
			c.set = c.set[1:]
		}
		c.r.Repaired += b.Len()
		if err := applyAndWait(c.st, b); err != nil {
			return err
		}
	}
	b := c.st.NewBatch()
	c.fixNext(b)
	if c.r.Lost {
		if err := renewEpochs(c.st, b); err != nil {
			return err
		}
	}
	return applyAndWait(c.st, b)
}

// fixNext makes sure that no number of an object is given away twice.
func (c *checker) fixNext(b Batch) {
	next := uint64(1)
	for id := range c.states {
		next = max(next, uint64(id)+1)
	}
	key := storeKey("next")
	var is uint64
	if v, ok, err := c.st.Get(key); err != nil || !ok || decodeNumbers(key, v, &is) != nil || is < next {
		b.Set(key, encodeNumbers(key, next))
	}
	key = storeKey("schema")
	if _, ok, _ := c.st.Get(key); !ok {
		b.Set(key, encodeNumbers(key, schemaVersion))
	}
}

func applyAndWait(st Storage, b Batch) error {
	wait, err := st.Apply(b, true)
	if err == nil && wait != nil {
		err = wait()
	}
	return err
}
