package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Pending yields the messages of b that are not acknowledged, oldest first,
// that come after the sequence given; at most limit, or all that are there at
// the time of the call when limit is zero. What is expired is left out.
//
// A damaged message is not yielded but an error that wraps [ErrDamaged] in its
// place, with its ID, and the messages after it follow. It is removed by
// [Mailbox.Ack], as any other.
func (b Mailbox) Pending(ctx context.Context, after uint64, limit int) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		v := b.m.st.get()
		pos, last := after, v.next-1
		for left := limit; pos < last; {
			want := chunkEntries
			if limit > 0 {
				want = min(left, chunkEntries)
			}
			var list []pending
			err := b.m.s.reading(func(st Storage) (err error) {
				list, pos, err = b.piece(st, v.epoch, pos, last, want)
				return err
			})
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Message{}, err)
				return
			}
			for _, p := range list {
				if !yield(p.m, p.err) {
					return
				}
			}
			if left -= len(list); limit > 0 && left <= 0 {
				return
			}
		}
	}
}

type pending struct {
	m   Message
	err error
}

// piece reads up to want messages after pos; everything up to the new pos was
// looked at.
func (b Mailbox) piece(st Storage, epoch, pos, last uint64, want int) (list []pending, at uint64, err error) {
	if b.m.gone.Load() {
		return nil, last, ErrNotFound
	}
	key := b.key(keyBox)
	if v, ok, err := st.Get(key); err == nil && ok {
		if s, err := decodeBoxState(key, v); err == nil {
			pos = max(pos, s.head)
		}
	}
	if pos >= last {
		return nil, last, nil
	}
	now := b.m.s.c.now().UnixMilli()
	c := st.Cursor(b.messageKey(pos+1), b.messageKey(last+1))
	defer func() { c.Close() }()
	for size := 0; len(list) < want && size < chunkBytes; {
		if !c.Next() {
			if err := c.Err(); err == nil {
				return list, last, nil
			} else if !errors.Is(err, ErrDamaged) {
				return nil, pos, err
			}
			// The next messages cannot be read. Find the first behind them.
			bad := pos + 1
			pos = stepOver(bad, last, func(seq uint64) bool {
				c.Close()
				c = st.Cursor(b.messageKey(seq), b.messageKey(last+1))
				return c.Next() || c.Err() == nil
			}) - 1
			id := Offset{epoch, bad}
			list = append(list, pending{Message{ID: id.String(), Seq: bad}, fmt.Errorf("queue: messages %v to %v: %w", id, Offset{epoch, pos}, ErrDamaged)})
			c.Close()
			c = st.Cursor(b.messageKey(pos+1), b.messageKey(last+1))
			continue
		}
		pos = lastNumber(c.Key())
		m, expires, err := decodeMessage(c.Key(), bytes.Clone(c.Value()))
		id := Offset{epoch, pos}
		if err != nil {
			m, err = Message{Seq: pos}, fmt.Errorf("queue: message %v: %w", id, err)
		} else if expires != 0 && expires <= now {
			continue
		}
		m.ID = id.String()
		size += len(m.Data) + len(m.Header)
		list = append(list, pending{m, err})
	}
	return list, pos, nil
}

// stepOver returns the first sequence after bad, up to last plus one, at which
// there is something readable or the end.
func stepOver(bad, last uint64, readable func(seq uint64) bool) uint64 {
	step := uint64(1)
	for bad+step <= last && !readable(bad+step) {
		step *= 2
	}
	lo, hi := bad+step/2, min(bad+step, last+1) // not readable, readable
	for lo+1 < hi {
		if mid := lo + (hi-lo)/2; readable(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// Ack removes messages by their IDs, in any order. It returns, when that is
// durable, how many there were: IDs that are not there (any more) or are no
// IDs are left out of the count.
func (b Mailbox) Ack(ctx context.Context, ids ...string) (int, error) {
	acked := 0
	err := b.m.s.do(ctx, true, true, func(tx *tx) error {
		acked = 0
		box, ok, err := b.state(tx)
		if err != nil || !ok {
			return err
		}
		epoch := b.m.st.now.epoch
		removed := make(map[uint64]bool, len(ids))
		for _, id := range ids {
			at, err := ParseOffset(id)
			if err != nil || at.Epoch != epoch || at.Seq <= box.head || removed[at.Seq] {
				continue
			}
			key := b.messageKey(at.Seq)
			row, ok, err := tx.get(key)
			if err != nil && !errors.Is(err, ErrDamaged) || err == nil && !ok {
				continue
			}
			_, expires, _ := decodeMessage(key, row)
			b.removeMessage(tx, &box, at.Seq, expires, len(row))
			removed[at.Seq] = true
			acked++
		}
		if acked == 0 {
			return nil
		}
		if box.head, err = b.advance(tx, box.head, removed); err != nil {
			return err
		}
		box.used = uint64(tx.now)
		b.putState(tx, &box)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("queue: mailbox %q of %q: %w", b.topic, b.recipient, err)
	}
	return acked, nil
}

// advance returns the new head: the sequence before the first message that is
// not removed. So nobody has to step over what was acknowledged long ago.
func (b Mailbox) advance(tx *tx, head uint64, removed map[uint64]bool) (uint64, error) {
	c := tx.c.storage.Cursor(b.messageKey(head+1), after(b.key(keyMessage)))
	defer c.Close()
	for c.Next() {
		seq := lastNumber(c.Key())
		if !removed[seq] {
			return head, nil
		}
		head = seq
	}
	if err := c.Err(); err != nil {
		if errors.Is(err, ErrDamaged) {
			return head, nil
		}
		return head, err
	}
	return head, nil
}

// Purge removes all messages of b and returns how many there were.
func (b Mailbox) Purge(ctx context.Context) (int, error) { return b.purge(ctx, false) }

// Delete removes b with its messages. It begins anew with the next message.
func (b Mailbox) Delete(ctx context.Context) error {
	_, err := b.purge(ctx, true)
	return err
}

func (b Mailbox) purge(ctx context.Context, forget bool) (int, error) {
	n := 0
	err := b.m.s.do(ctx, true, true, func(tx *tx) error {
		box, ok, err := b.state(tx)
		if err != nil || !ok {
			return err
		}
		n = int(box.count)
		b.m.st.touch(tx)
		v := &b.m.st.now
		v.messages -= min(box.count, v.messages)
		v.bytes -= min(box.bytes, v.bytes)
		p := b.key(keyMessage)
		tx.batch.DeleteRange(p, after(p)) // expiry keys go when their time comes
		if forget {
			v.boxes -= min(1, v.boxes)
			tx.remove(b.key(keyBox))
			return nil
		}
		box = boxState{head: v.next - 1, dropped: box.dropped, used: uint64(tx.now)}
		b.putState(tx, &box)
		return nil
	})
	return n, err
}

// A BoxInfo describes a mailbox.
type BoxInfo struct {
	Recipient, Topic string
	Pending          int64 // messages, those included that are expired but not removed yet
	Bytes            int64 // of the messages as they are stored
	Dropped          int64 // messages that had to go for others
	Used             time.Time
}

func (s boxState) info(recipient, topic string) BoxInfo {
	return BoxInfo{recipient, topic, int64(s.count), int64(s.bytes), int64(s.dropped), fromMillis(int64(s.used))}
}

// Info describes b; the error wraps [ErrNotFound] when nothing was ever
// published for it, or it is long forgotten.
func (b Mailbox) Info() (info BoxInfo, err error) {
	err = b.m.s.reading(func(st Storage) error {
		key := b.key(keyBox)
		v, ok, err := st.Get(key)
		if err != nil {
			return err
		}
		if !ok || b.m.gone.Load() {
			return fmt.Errorf("queue: mailbox %q of %q: %w", b.topic, b.recipient, ErrNotFound)
		}
		s, err := decodeBoxState(key, v)
		info = s.info(b.recipient, b.topic)
		return err
	})
	return info, err
}

// List yields all mailboxes, those of a recipient one after the other.
func (m *Mailboxes) List(ctx context.Context) iter.Seq2[BoxInfo, error] {
	return func(yield func(BoxInfo, error) bool) {
		lo := objectKey(keyBox, m.st.id)
		hi := after(lo)
		for len(lo) > 0 {
			var list []BoxInfo
			err := m.s.reading(func(st Storage) error {
				c := st.Cursor(lo, hi)
				defer c.Close()
				lo = nil
				for c.Next() {
					if len(list) == 256 {
						lo = bytes.Clone(c.Key())
						break
					}
					recipient, rest, _ := cutText(c.Key()[5:])
					topic, _, _ := cutText(rest)
					s, err := decodeBoxState(c.Key(), c.Value())
					if err != nil {
						return err
					}
					list = append(list, s.info(recipient, topic))
				}
				return c.Err()
			})
			if err == nil {
				err = ctx.Err()
			}
			for _, i := range list {
				if !yield(i, nil) {
					return
				}
			}
			if err != nil {
				yield(BoxInfo{}, err)
				return
			}
		}
	}
}

// MailboxStats count what all mailboxes of a tenant hold.
type MailboxStats struct {
	Mailboxes int64
	Pending   int64
	Bytes     int64
	Dropped   int64 // since they were made
	Expired   int64 // since they were made
}

// Stats returns what is durable.
func (m *Mailboxes) Stats() MailboxStats {
	v := m.st.get()
	return MailboxStats{int64(v.boxes), int64(v.messages), int64(v.bytes), int64(v.dropped), int64(v.expired)}
}

// clean implements [cleaner]: it removes messages over their time and, from
// time to time, mailboxes that nobody used for long.
func (m *Mailboxes) clean(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = m.expire(ctx); err != nil {
			return err
		}
	}
	now := m.s.c.now().UnixMilli()
	opt := m.opt.Load()
	if opt.ForgetAfter < 0 || now-m.forgotten.Load() < min(opt.ForgetAfter, time.Hour).Milliseconds() {
		return nil
	}
	m.forgotten.Store(now)
	for i, err := range m.List(ctx) {
		if err != nil {
			return err
		}
		if i.Pending > 0 || now-i.Used.UnixMilli() < opt.ForgetAfter.Milliseconds() {
			continue
		}
		b := m.Box(i.Recipient, i.Topic)
		err := m.s.do(ctx, false, false, func(tx *tx) error {
			if s, ok, err := b.state(tx); err == nil && ok && s.count == 0 && int64(s.used) == i.Used.UnixMilli() {
				m.st.touch(tx)
				m.st.now.boxes -= min(1, m.st.now.boxes)
				tx.remove(b.key(keyBox))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expire removes some messages that are over their time.
func (m *Mailboxes) expire(ctx context.Context) (more bool, err error) {
	err = m.s.do(ctx, false, true, func(tx *tx) error {
		if m.gone.Load() {
			return nil
		}
		lo := objectKey(keyExpiry, m.st.id)
		c := tx.c.storage.Cursor(lo, appendNumber(lo, uint64(tx.now)+1))
		defer c.Close()
		for n := 0; c.Next(); n++ {
			if n == 1024 {
				more = true
				break
			}
			tx.batch.Delete(c.Key())
			recipient, rest, ok1 := cutText(c.Key()[13:])
			topic, _, ok2 := cutText(rest)
			seq := lastNumber(c.Key())
			b := m.Box(recipient, topic)
			row, ok, err := tx.get(b.messageKey(seq))
			if !ok1 || !ok2 || err != nil || !ok {
				continue // acknowledged or purged
			}
			box, ok, err := b.state(tx)
			if err != nil || !ok {
				continue
			}
			b.removeMessage(tx, &box, seq, 0, len(row))
			m.st.now.expired++
			b.putState(tx, &box)
		}
		return c.Err()
	})
	return more, err
}
