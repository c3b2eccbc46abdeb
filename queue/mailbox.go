package queue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrMailboxFull says that a mailbox, or a set of them, holds as much as it
// may, and that a message was not stored for it.
var ErrMailboxFull = errors.New("queue: mailbox is full")

// MailboxOptions are the options of [Mailboxes]. The zero value of a field is
// its default.
type MailboxOptions struct {
	// TTL is how long a message is kept that brings no TTL of its own. Zero:
	// until it is acknowledged.
	TTL time.Duration
	// MaxLength bounds the messages of one mailbox. Zero: 100,000.
	MaxLength int
	// MaxBytes bounds the bytes of one mailbox, as they are stored. Zero: 64 MiB.
	MaxBytes int64
	// DropOldest makes room in a full mailbox by dropping its oldest messages,
	// and counts them. False: a message that does not fit is refused with
	// [ErrMailboxFull].
	DropOldest bool
	// MaxMailboxes bounds the mailboxes. Zero: 1,000,000.
	MaxMailboxes int
	// MaxMessage bounds Data and Header of one message together. Zero: 1 MiB.
	MaxMessage int
	// ForgetAfter is how long an empty mailbox stays listed after its last
	// use. Zero: 7 days. Negative: for ever.
	ForgetAfter time.Duration
	// IDs says how long the keys of messages are remembered.
	IDs IDs
}

func (o *MailboxOptions) withDefaults() *MailboxOptions {
	var c MailboxOptions
	if o != nil {
		c = *o
	}
	if c.MaxLength <= 0 {
		c.MaxLength = 100_000
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 64 << 20
	}
	if c.MaxMailboxes <= 0 {
		c.MaxMailboxes = 1_000_000
	}
	if c.MaxMessage <= 0 {
		c.MaxMessage = 1 << 20
	}
	if c.ForgetAfter == 0 {
		c.ForgetAfter = 7 * 24 * time.Hour
	}
	c.IDs = c.IDs.withDefaults()
	return &c
}

// Mailboxes are the inboxes of one tenant: one for every recipient and topic
// that something was published for. A mailbox is not more than rows on disk;
// nothing of it is in memory while nobody uses it.
type Mailboxes struct {
	s    *Store
	name string
	opt  atomic.Pointer[MailboxOptions]
	st   state[boxesState]
	gone atomic.Bool
	ids  *knownIDs // the leader's
	line line

	forgotten atomic.Int64 // when empty mailboxes were last looked for, in milliseconds
}

// boxesState is of all mailboxes of a tenant. They share one sequence, so that
// a message ID is never used twice, even when its mailbox was removed and made
// again.
type boxesState struct {
	epoch    uint64
	next     uint64
	boxes    uint64
	messages uint64
	bytes    uint64
	dropped  uint64
	expired  uint64
	ids      window
}

func encodeBoxesState(key []byte, v *boxesState) []byte {
	return encodeNumbers(key, v.epoch, v.next, v.boxes, v.messages, v.bytes, v.dropped, v.expired,
		v.ids.gen, v.ids.count, uint64(v.ids.begun))
}

func decodeBoxesState(key, b []byte) (v boxesState, err error) {
	var begun uint64
	err = decodeNumbers(key, b, &v.epoch, &v.next, &v.boxes, &v.messages, &v.bytes, &v.dropped, &v.expired,
		&v.ids.gen, &v.ids.count, &begun)
	v.ids.begun = int64(begun)
	return v, err
}

// Mailboxes returns the mailboxes of that name, usually that of a tenant, and
// makes them durably when there are none. The options hold from now on, for
// every holder; nil leaves them as they are, at first the defaults.
func (s *Store) Mailboxes(ctx context.Context, name string, o *MailboxOptions) (*Mailboxes, error) {
	m, err := openObject(ctx, s, KindMailboxes, name, func(tx *tx, id uint32, b []byte) (*Mailboxes, error) {
		m := &Mailboxes{s: s, name: name}
		m.opt.Store(o.withDefaults())
		key := objectKey(keyState, id)
		if b == nil {
			b = encodeBoxesState(key, &boxesState{epoch: newEpoch(), next: 1})
			tx.put(key, b)
		}
		v, err := decodeBoxesState(key, b)
		if err != nil {
			return nil, err
		}
		m.st.init(id, v, encodeBoxesState)
		if m.ids, err = loadIDs(tx.c.storage, id, v.ids); err != nil {
			return nil, err
		}
		m.forgotten.Store(tx.now)
		return m, nil
	})
	if err == nil && o != nil {
		m.opt.Store(o.withDefaults())
	}
	return m, err
}

// DeleteMailboxes removes the mailboxes of that name with everything in them.
func (s *Store) DeleteMailboxes(ctx context.Context, name string) error {
	return s.deleteObject(ctx, KindMailboxes, name)
}

func (m *Mailboxes) deleted() { m.gone.Store(true) }

// Name returns the name of m.
func (m *Mailboxes) Name() string { return m.name }

// A Mailbox is the inbox of one recipient, or of a recipient and a topic. It
// is a value that costs nothing to make and may be thrown away.
type Mailbox struct {
	m                *Mailboxes
	recipient, topic string
}

// Box returns the mailbox of a recipient and a topic; the topic may be empty.
// It begins to exist with the first message.
func (m *Mailboxes) Box(recipient, topic string) Mailbox { return Mailbox{m, recipient, topic} }

// Recipient returns whose mailbox b is.
func (b Mailbox) Recipient() string { return b.recipient }

// Topic returns what b is for.
func (b Mailbox) Topic() string { return b.topic }

// An Outgoing is a message to be published.
type Outgoing struct {
	// Key makes the publish idempotent: while it is remembered, a second one
	// for the same mailbox stores nothing and answers with the first ID.
	Key string
	// Header and Data are opaque.
	Header []byte
	Data   []byte
	// TTL is how long the message is kept. Zero: as the options say.
	TTL time.Duration
}

// A Message is a message in a mailbox.
type Message struct {
	ID      string // unique among all mailboxes of the same name, for ever
	Seq     uint64 // grows with every message; not dense in one mailbox
	Key     string
	Header  []byte
	Data    []byte
	Time    time.Time // when it was published, in milliseconds
	Expires time.Time // zero: never
}

// A Receipt answers a publish.
type Receipt struct {
	ID        string
	Seq       uint64
	Duplicate bool // the key was known, and nothing was stored
	Dropped   int  // messages that had to go for this one
}

// boxState is what is stored of a mailbox.
type boxState struct {
	count   uint64
	bytes   uint64
	head    uint64 // every message up to this sequence is gone
	dropped uint64
	used    uint64 // when a message was last published or acknowledged, in milliseconds
}

// boxKey returns the key of something of a mailbox.
func (b Mailbox) key(kind byte) []byte {
	return appendText(appendText(objectKey(kind, b.m.st.id), b.recipient), b.topic)
}

func (b Mailbox) messageKey(seq uint64) []byte { return appendNumber(b.key(keyMessage), seq) }

func (b Mailbox) expiryKey(ms int64, seq uint64) []byte {
	k := appendNumber(objectKey(keyExpiry, b.m.st.id), uint64(ms))
	return appendNumber(appendText(appendText(k, b.recipient), b.topic), seq)
}

func decodeBoxState(key, v []byte) (s boxState, err error) {
	err = decodeNumbers(key, v, &s.count, &s.bytes, &s.head, &s.dropped, &s.used)
	return s, err
}

func (b Mailbox) state(tx *tx) (s boxState, ok bool, err error) {
	if b.m.gone.Load() {
		return s, false, ErrNotFound
	}
	key := b.key(keyBox)
	v, ok, err := tx.get(key)
	if err != nil || !ok {
		return s, false, err
	}
	s, err = decodeBoxState(key, v)
	return s, err == nil, err
}

func (b Mailbox) putState(tx *tx, s *boxState) {
	key := b.key(keyBox)
	tx.put(key, encodeNumbers(key, s.count, s.bytes, s.head, s.dropped, s.used))
}

func encodeMessage(key []byte, o *Outgoing, ms, expires int64) []byte {
	v := newSeal(len(o.Key) + len(o.Header) + len(o.Data) + 32)
	v = putNumber(v, uint64(ms))
	v = putNumber(v, uint64(expires))
	v = putText(v, o.Key)
	v = putBytes(v, o.Header)
	return seal(key, putBytes(v, o.Data))
}

func decodeMessage(key, b []byte) (m Message, expires int64, err error) {
	d, err := unseal(key, b)
	if err != nil {
		return m, 0, err
	}
	m.Seq = lastNumber(key)
	m.Time = fromMillis(int64(d.number()))
	expires = int64(d.number())
	m.Expires = fromMillis(expires)
	m.Key = d.text()
	m.Header = d.bytes()
	m.Data = d.bytes()
	return m, expires, d.end(key)
}

// errScan says that an op has to be run again as one that scans.
var errScan = errors.New("queue: needs to scan")

// Publish stores a message. It returns when the message is durable; for ctx
// and for errors see [Log.Append].
//
// When stored is not nil it is called once, before Publish returns and on its
// goroutine, if and only if the message is stored. The calls for all mailboxes
// of a tenant run one at a time in the order of the sequence: a message that
// is delivered in it cannot overtake one before it. It must not publish with
// a callback to the same mailboxes, nor wait for someone who does.
func (b Mailbox) Publish(ctx context.Context, o Outgoing, stored func(Receipt)) (Receipt, error) {
	opt := b.m.opt.Load()
	if err := b.check(opt, &o); err != nil {
		return Receipt{}, err
	}
	var (
		r Receipt
		t turn
	)
	run := func(scans bool) func(tx *tx) error {
		return func(tx *tx) (err error) {
			r, err = b.publish(tx, opt, &o, scans)
			if err == nil && stored != nil {
				t = b.m.line.take()
			}
			return err
		}
	}
	err := b.m.s.do(ctx, true, false, run(false))
	if errors.Is(err, errScan) {
		err = b.m.s.do(ctx, true, true, run(true))
	}
	if t.done != nil {
		t.run(err == nil, func() { stored(r) })
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("queue: mailbox %q of %q: %w", b.topic, b.recipient, err)
	}
	return r, nil
}

func (b Mailbox) check(opt *MailboxOptions, o *Outgoing) error {
	if err := checkName("recipient", b.recipient); err != nil {
		return err
	}
	if err := checkName("topic", b.topic); err != nil {
		return err
	}
	if err := checkName("key", o.Key); err != nil {
		return err
	}
	if n := len(o.Data) + len(o.Header); n > opt.MaxMessage {
		return fmt.Errorf("%w: message of %d bytes, %d allowed", ErrTooLarge, n, opt.MaxMessage)
	}
	return nil
}

// publish runs in a group.
func (b Mailbox) publish(tx *tx, opt *MailboxOptions, o *Outgoing, scans bool) (r Receipt, err error) {
	m := b.m
	box, known, err := b.state(tx)
	if err != nil {
		return r, err
	}
	v := &m.st.now
	if o.Key != "" && opt.IDs.Count > 0 {
		at, ok, err := m.ids.find(tx, &v.ids, b.recipient, b.topic, o.Key)
		if err != nil {
			return r, err
		}
		if ok {
			return Receipt{ID: at.String(), Seq: at.Seq, Duplicate: true}, nil
		}
	}
	ttl := o.TTL
	if ttl == 0 {
		ttl = opt.TTL
	}
	var expires int64
	if ttl > 0 {
		expires = tx.now + ttl.Milliseconds()
	}
	key := b.messageKey(v.next)
	row := encodeMessage(key, o, tx.now, expires)
	fits := func() bool {
		return box.count < uint64(opt.MaxLength) && box.bytes+uint64(len(row)) <= uint64(opt.MaxBytes)
	}
	switch {
	case !known && v.boxes >= uint64(opt.MaxMailboxes):
		return r, fmt.Errorf("%w: %d mailboxes", ErrMailboxFull, v.boxes)
	case fits():
	case !opt.DropOldest || int64(len(row)) > opt.MaxBytes:
		return r, ErrMailboxFull
	case !scans:
		return r, errScan
	default:
		if r.Dropped, err = b.dropOldest(tx, &box, func() bool { return !fits() }); err != nil {
			return r, err
		}
	}
	m.st.touch(tx)
	if !known {
		v.boxes++
		box.head = v.next - 1
	}
	at := Offset{v.epoch, v.next}
	v.next++
	v.messages++
	v.bytes += uint64(len(row))
	v.dropped += uint64(r.Dropped)
	tx.put(key, row)
	if expires != 0 {
		tx.batch.Set(b.expiryKey(expires, at.Seq), nil)
	}
	box.count++
	box.bytes += uint64(len(row))
	box.used = uint64(tx.now)
	b.putState(tx, &box)
	if o.Key != "" && opt.IDs.Count > 0 {
		m.ids.remember(tx, &v.ids, at, opt.IDs, b.recipient, b.topic, o.Key)
	}
	r.ID, r.Seq = at.String(), at.Seq
	return r, nil
}

// dropOldest drops messages as long as full says so.
func (b Mailbox) dropOldest(tx *tx, box *boxState, full func() bool) (n int, err error) {
	c := tx.c.storage.Cursor(b.messageKey(box.head+1), after(b.key(keyMessage)))
	defer c.Close()
	for full() && c.Next() {
		seq := lastNumber(c.Key())
		_, expires, _ := decodeMessage(c.Key(), c.Value())
		b.removeMessage(tx, box, seq, expires, len(c.Value()))
		box.head = seq
		box.dropped++
		n++
	}
	return n, c.Err()
}

// removeMessage removes a message that is there.
func (b Mailbox) removeMessage(tx *tx, box *boxState, seq uint64, expires int64, size int) {
	b.m.st.touch(tx)
	v := &b.m.st.now
	tx.remove(b.messageKey(seq))
	if expires != 0 {
		tx.batch.Delete(b.expiryKey(expires, seq))
	}
	box.count -= min(1, box.count)
	box.bytes -= min(uint64(size), box.bytes)
	v.messages -= min(1, v.messages)
	v.bytes -= min(uint64(size), v.bytes)
}
