package mailroom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/roomwire/roomwire/internal/lane"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

var (
	// ErrClosed says that the office, or the socket, is closed.
	ErrClosed = errors.New("mailroom: closed")
	// ErrTooMany says that a socket has [Options].MaxAttachments already.
	ErrTooMany = errors.New("mailroom: too many mailboxes for one socket")
	// ErrID says that a [Letter] has an ID that it cannot have.
	ErrID = errors.New("mailroom: bad ID")
)

// Options configure an [Office]. A zero field is its default.
type Options struct {
	// Window is how many messages of a mailbox a socket that acknowledges by
	// callback may have that it has not acknowledged; default 100.
	Window int
	// Redeliver is how long such a socket has time to acknowledge a message
	// before it is sent again; default 30 s. Negative: only when it attaches again.
	Redeliver time.Duration
	// MaxAttachments bounds the mailboxes of one socket; default 1,000.
	MaxAttachments int
	// Logger takes what an operator should know; default slog.Default.
	Logger *slog.Logger
}

// An Office hands the messages of mailboxes to the sockets that are attached to
// them. What it keeps in memory is of attached sockets; a mailbox that nobody
// is attached to costs nothing here. Its methods may be called by many
// goroutines at once.
type Office struct {
	boxes *queue.Mailboxes
	opts  Options
	crew  lane.Crew

	stored, delivered, redelivered, acked, failed atomic.Int64

	mu      sync.Mutex
	closed  bool
	byBox   map[address][]*Attachment
	sockets map[*sio.Socket][]*Attachment
}

// An address names a mailbox.
type address struct{ recipient, topic string }

// New returns an office for mailboxes, to which nothing else should publish:
// the office would not notice. Nil options are the defaults.
func New(boxes *queue.Mailboxes, opts *Options) *Office {
	o := &Office{boxes: boxes, byBox: make(map[address][]*Attachment), sockets: make(map[*sio.Socket][]*Attachment)}
	if opts != nil {
		o.opts = *opts
	}
	if o.opts.Window <= 0 {
		o.opts.Window = 100
	}
	if o.opts.Redeliver == 0 {
		o.opts.Redeliver = 30 * time.Second
	}
	if o.opts.MaxAttachments <= 0 {
		o.opts.MaxAttachments = 1000
	}
	if o.opts.Logger == nil {
		o.opts.Logger = slog.Default()
	}
	return o
}

// A Letter is a message to be published.
type Letter struct {
	Recipient, Topic string
	// ID makes publishing again harmless: while it is remembered, a second
	// letter with it for the same mailbox is not stored. Empty: the office
	// makes one.
	ID string
	// Payload is encoded as an argument of sio.Target.Emit. The arguments of a
	// sio.Request go out as they came; there must be one.
	Payload any
	// TTL is how long the message is kept; zero: as the mailboxes say.
	TTL time.Duration
}

// A Receipt tells what became of a [Letter].
type Receipt struct {
	MessageID string `json:"messageID"`
	// Duplicate says that the ID was known, and that nothing was stored.
	Duplicate bool `json:"duplicate,omitempty"`
}

// Publish stores a message and sends it to the sockets that are attached to
// the mailbox, in the order in which the mailbox has them. When it returns the
// message is durable; for ctx and errors see queue.Mailbox.Publish. Sending
// does not make it wait.
func (o *Office) Publish(ctx context.Context, recipient, topic string, payload any) (Receipt, error) {
	return o.Post(ctx, Letter{Recipient: recipient, Topic: topic, Payload: payload})
}

// Post is [Office.Publish] with more to say.
func (o *Office) Post(ctx context.Context, l Letter) (Receipt, error) {
	if _, err := queue.ParseOffset(l.ID); err == nil {
		return Receipt{}, fmt.Errorf("%w: %q looks like one of the server's own", ErrID, l.ID)
	}
	if !utf8.ValidString(l.ID) {
		return Receipt{}, fmt.Errorf("%w: %q is no text", ErrID, l.ID)
	}
	p, err := encode(l.Payload)
	if err != nil {
		return Receipt{}, err
	}
	out := queue.Outgoing{Key: l.ID, TTL: l.TTL}
	out.Header, out.Data = pack(p)
	r, err := o.boxes.Box(l.Recipient, l.Topic).Publish(ctx, out, func(r queue.Receipt) {
		if r.Duplicate {
			return
		}
		o.stored.Add(1)
		m := message{id: wireID(l.ID, r.ID), stored: r.ID, seq: r.Seq, payload: p}
		for _, a := range o.attached(address{l.Recipient, l.Topic}) {
			a.offer(m)
		}
	})
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{wireID(l.ID, r.ID), r.Duplicate}, nil
}

// attached returns who is attached to a mailbox. The slice is never changed.
func (o *Office) attached(at address) []*Attachment {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byBox[at]
}

// Received removes a message from its mailbox, as the acknowledgement of a
// client does, and returns how many there were, none or one. When it returns
// that is durable.
func (o *Office) Received(ctx context.Context, recipient, topic, messageID string) (int, error) {
	box := o.boxes.Box(recipient, topic)
	id := messageID
	if _, err := queue.ParseOffset(messageID); err != nil {
		id, err = find(ctx, box, messageID)
		if id == "" {
			return 0, err
		}
	}
	return o.remove(ctx, box, id)
}

// find returns the store's ID of a message whose publisher gave it one.
func find(ctx context.Context, box queue.Mailbox, key string) (string, error) {
	if key == "" {
		return "", nil
	}
	for m, err := range box.Pending(ctx, 0, 0) {
		if err != nil && !errors.Is(err, queue.ErrDamaged) {
			return "", err
		}
		if err == nil && m.Key == key {
			return m.ID, nil
		}
	}
	return "", nil
}

// remove removes messages that were acknowledged.
func (o *Office) remove(ctx context.Context, box queue.Mailbox, ids ...string) (int, error) {
	n, err := box.Ack(ctx, ids...)
	o.acked.Add(int64(n))
	if err != nil {
		return n, err
	}
	for _, a := range o.attached(address{box.Recipient(), box.Topic()}) {
		a.settle(ids)
	}
	return n, nil
}

// Waiting returns the number of messages in a mailbox.
func (o *Office) Waiting(recipient, topic string) (int64, error) {
	info, err := o.boxes.Box(recipient, topic).Info()
	if errors.Is(err, queue.ErrNotFound) {
		return 0, nil
	}
	return info.Pending, err
}

// enter puts an attachment into the tables.
func (o *Office) enter(a *Attachment) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	of, known := o.sockets[a.s]
	switch {
	case o.closed:
		return ErrClosed
	case len(of) >= o.opts.MaxAttachments:
		return ErrTooMany
	}
	if !known {
		a.s.OnDisconnect(func(context.Context, sio.Reason) { o.Detach(a.s) })
	}
	o.sockets[a.s] = append(of, a)
	if a.live {
		at := a.address()
		o.byBox[at] = append(slices.Clip(o.byBox[at]), a)
	}
	return nil
}

// leave takes an attachment out of the tables. That of the socket stays, empty,
// until the socket is gone, as does its hook.
func (o *Office) leave(a *Attachment) {
	o.mu.Lock()
	defer o.mu.Unlock()
	is := func(b *Attachment) bool { return b == a }
	if of, ok := o.sockets[a.s]; ok {
		o.sockets[a.s] = slices.DeleteFunc(of, is)
	}
	at := a.address()
	if left := slices.DeleteFunc(slices.Clone(o.byBox[at]), is); len(left) > 0 {
		o.byBox[at] = left
	} else {
		delete(o.byBox, at)
	}
}

// subscription returns the attachment of a socket to a mailbox, or nil.
func (o *Office) subscription(s *sio.Socket, recipient, topic string) *Attachment {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.sockets[s] {
		if a.live && a.box.Recipient() == recipient && a.box.Topic() == topic {
			return a
		}
	}
	return nil
}

// Detach detaches a socket from all its mailboxes. It happens by itself when
// the socket disconnects.
func (o *Office) Detach(s *sio.Socket) {
	o.mu.Lock()
	all := slices.Clone(o.sockets[s])
	o.mu.Unlock()
	for _, a := range all {
		a.Detach()
	}
	if s.Context().Err() != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.sockets[s]) == 0 {
			delete(o.sockets, s)
		}
	}
}

// Close detaches all sockets and waits until what they acknowledged is stored.
// Publishing goes on to work. The mailboxes stay open.
func (o *Office) Close() {
	o.mu.Lock()
	o.closed = true
	var all []*Attachment
	for _, of := range o.sockets {
		all = append(all, of...)
	}
	o.mu.Unlock()
	for _, a := range all {
		a.Detach()
	}
	o.crew.Wait()
}

// Stats are the counters of an [Office] since it was made, but for Waiting and
// Attached, which tell what there is now. They implement slog.LogValuer.
type Stats struct {
	Stored      int64 // messages published
	Delivered   int64 // messages sent, for each socket, those sent again too
	Redelivered int64 // messages sent again because they were not acknowledged in time
	Acked       int64 // messages removed by acknowledgements
	Failed      int64 // reads, acknowledgements and deliveries that went wrong
	Waiting     int64 // messages in all mailboxes
	Attached    int64 // sockets, for each mailbox
}

// Stats returns the counters. It may be called at any time.
func (o *Office) Stats() Stats {
	st := Stats{
		Stored: o.stored.Load(), Delivered: o.delivered.Load(), Redelivered: o.redelivered.Load(),
		Acked: o.acked.Load(), Failed: o.failed.Load(), Waiting: o.boxes.Stats().Pending,
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, of := range o.byBox {
		st.Attached += int64(len(of))
	}
	return st
}

// LogValue implements slog.LogValuer.
func (s Stats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int64("stored", s.Stored), slog.Int64("delivered", s.Delivered), slog.Int64("redelivered", s.Redelivered),
		slog.Int64("acked", s.Acked), slog.Int64("failed", s.Failed), slog.Int64("waiting", s.Waiting), slog.Int64("attached", s.Attached))
}
