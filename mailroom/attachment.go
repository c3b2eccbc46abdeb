package mailroom

import (
	"context"
	"sync"
	"time"

	"github.com/roomwire/roomwire/internal/lane"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

const (
	maxInbox = 64       // messages that wait to be sent; more are read from the store
	maxRead  = 256      // messages read from the store at once
	pace     = 64 << 10 // bytes sent before the connection has to have taken them
)

// AttachOptions say how a socket gets the messages of a mailbox. Nil, or the
// zero value of a field, is the default.
type AttachOptions struct {
	// Event is what messages come as; default: the topic.
	Event string
	// ByEvent says that the client does not acknowledge by the callback of the
	// event, but in its own way, for which the program calls [Office.Received].
	// Such a socket has no window, and nothing is sent again before it asks
	// for it with [Attachment.Replay].
	ByEvent bool
	// New leaves out what waits already.
	New bool
	// Window and Redeliver are those of [Options] for this mailbox.
	Window    int
	Redeliver time.Duration
}

// An Attachment is a socket that gets the messages of a mailbox, in the order
// in which the mailbox has them, each once; one that it does not acknowledge in
// time comes again, later than others perhaps. Several sockets may be attached
// to one mailbox: each gets every message, but what one has acknowledged before
// another that lags behind gets it is done, and does not come any more.
type Attachment struct {
	o    *Office
	s    *sio.Socket
	box  queue.Mailbox
	opts AttachOptions
	live bool // gets what is published, not only a replay

	sender lane.Lane[struct{}] // runs steps
	acks   lane.Lane[string]   // stores acknowledgements
	paced  int                 // bytes sent since the connection had taken all; only the sender uses it

	mu      sync.Mutex
	closed  bool
	busy    bool // the sender is at it, or about to be
	reading bool
	behind  bool      // the store may have messages after pos that are not in inbox
	placed  bool      // pos is known
	pos     uint64    // sequence of the newest message that was sent or is about to be
	inbox   []message // published after pos
	weight  int       // of inbox
	round   int       // counts replays
	sent    int       // messages of this round
	waiters []chan struct{}
	flights flights
}

// Attach hands the messages of a mailbox to a socket: those that wait, and then
// each as it is published, until the socket disconnects or the attachment is
// detached. Call it in OnConnect or in a handler. It returns at once; its errors
// are [ErrClosed], [ErrTooMany] and sio.ErrReserved.
//
// Each message is an event with one argument, {messageID, payload}. The client
// acknowledges it with the callback of the event when it is done with it.
func (o *Office) Attach(s *sio.Socket, recipient, topic string, opts *AttachOptions) (*Attachment, error) {
	var c AttachOptions
	if opts != nil {
		c = *opts
	}
	return o.attach(s, o.boxes.Box(recipient, topic), c, true)
}

func (o *Office) attach(s *sio.Socket, box queue.Mailbox, opts AttachOptions, live bool) (*Attachment, error) {
	if opts.Event == "" {
		opts.Event = box.Topic()
	}
	switch {
	case s.Context().Err() != nil:
		return nil, ErrClosed
	case reserved(opts.Event):
		return nil, sio.ErrReserved
	}
	if opts.Window <= 0 {
		opts.Window = o.opts.Window
	}
	if opts.Redeliver == 0 {
		opts.Redeliver = o.opts.Redeliver
	}
	a := &Attachment{o: o, s: s, box: box, opts: opts, live: live, placed: !opts.New}
	a.sender.Init(1, a.run, &o.crew)
	a.acks.Init(1, a.storeAcks, &o.crew)
	if err := o.enter(a); err != nil {
		return nil, err
	}
	if s.Context().Err() != nil { // its last hook may have run
		o.Detach(s)
		return nil, ErrClosed
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !opts.New {
		a.behind = true
		a.kick()
	}
	return a, nil
}

func (a *Attachment) address() address { return address{a.box.Recipient(), a.box.Topic()} }

// Detach ends the attachment. What was not acknowledged waits for the next
// one. A second call does nothing.
func (a *Attachment) Detach() {
	a.mu.Lock()
	a.closed = true
	a.inbox = nil
	waiters, flying := a.waiters, a.flights.clear()
	a.waiters = nil
	a.mu.Unlock()
	for _, w := range waiters {
		close(w)
	}
	for _, cancel := range flying {
		cancel()
	}
	a.o.leave(a)
}

// Replay sends everything that waits in the mailbox once more, from the
// oldest. It returns how many messages were sent when all were, or when the
// socket has to acknowledge some before it gets more.
func (a *Attachment) Replay(ctx context.Context) (int, error) {
	done := make(chan struct{})
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return 0, ErrClosed
	}
	a.waiters = append(a.waiters, done)
	a.inbox, a.weight, a.pos, a.placed, a.behind, a.sent = nil, 0, 0, true, true, 0
	a.round++
	flying := a.flights.clear()
	a.kick()
	a.mu.Unlock()
	for _, cancel := range flying {
		cancel()
	}
	select {
	case <-done:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent, nil
}

// offer takes a message that was just stored. Offers come in order.
func (a *Attachment) offer(m message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	if !a.placed {
		a.placed, a.pos = true, m.seq-1
	}
	switch {
	case m.seq <= a.pos: // read from the store before it came here
		return
	case a.behind:
	case a.reading || a.weight >= maxInbox:
		a.behind = true
	default:
		a.inbox = append(a.inbox, m)
		a.weight += m.size()
	}
	a.kick()
}

// kick makes the sender look for something to do. mu is held.
func (a *Attachment) kick() {
	if !a.busy && !a.closed {
		a.busy = true
		a.sender.Force(struct{}{})
	}
}

// run is the lane of the sender.
func (a *Attachment) run([]struct{}) {
	for a.step() {
	}
}

// step does the next thing there is to do; false: there is none.
func (a *Attachment) step() bool {
	a.mu.Lock()
	room := maxRead
	if !a.opts.ByEvent {
		room = min(maxRead, a.opts.Window-a.flights.len())
	}
	late, round := a.flights.takeLate(), a.round
	switch {
	case a.closed:
	case len(late) > 0:
		a.mu.Unlock()
		return a.again(late)
	case room <= 0:
	case len(a.inbox) > 0:
		batch := a.inbox[:min(room, len(a.inbox))]
		a.inbox = a.inbox[len(batch):]
		for i := range batch {
			a.weight -= batch[i].size()
		}
		a.pos = batch[len(batch)-1].seq
		a.mu.Unlock()
		return a.send(batch, round)
	case a.behind:
		a.behind, a.reading = false, true
		after := a.pos
		a.mu.Unlock()
		return a.read(after, room, round)
	}
	a.busy = false
	waiters := a.waiters
	a.waiters = nil
	a.mu.Unlock()
	for _, w := range waiters {
		close(w)
	}
	return false
}

// read sends the next messages of the store.
func (a *Attachment) read(after uint64, limit, round int) bool {
	var batch []message
	pos, n, size := after, 0, 0
	for m, err := range a.box.Pending(a.s.Context(), after, limit) {
		n++
		if err != nil && m.Seq == 0 {
			return a.failed("mailbox not read", err)
		}
		pos = m.Seq
		var out message
		if err == nil {
			out, err = fromStore(m)
		}
		if err != nil {
			a.complain("message not readable", err)
			continue
		}
		batch = append(batch, out)
		if size += out.size(); size >= pace {
			n = limit // there may be more
			break
		}
	}
	a.mu.Lock()
	a.reading = false
	if a.round != round { // a replay began meanwhile
		a.mu.Unlock()
		return true
	}
	a.pos = pos
	if n == limit {
		a.behind = true
	}
	a.mu.Unlock()
	return a.send(batch, round)
}

// failed ends the work of the sender until something new happens.
func (a *Attachment) failed(what string, err error) bool {
	a.mu.Lock()
	a.reading, a.behind, a.busy = false, true, false
	waiters := a.waiters
	a.waiters = nil
	a.mu.Unlock()
	for _, w := range waiters {
		close(w)
	}
	if a.s.Context().Err() == nil {
		a.complain(what, err)
	}
	return false
}

func (a *Attachment) complain(what string, err error) {
	a.o.failed.Add(1)
	a.o.opts.Logger.Warn("mailroom: "+what, "recipient", a.box.Recipient(), "topic", a.box.Topic(), "error", err)
}

// send sends messages. It keeps to the pace of the connection, so that a
// mailbox that holds more than fits into a send buffer does not break it.
func (a *Attachment) send(batch []message, round int) bool {
	for i := range batch {
		if err := a.deliver(&batch[i]); err != nil {
			return a.undelivered(&batch[i], round, err)
		}
		if a.paced += batch[i].size(); a.paced >= pace {
			a.paced = 0
			if a.s.Drain(a.s.Context()) != nil {
				return a.failed("message not sent", sio.ErrClosed) // it detaches
			}
		}
	}
	a.mu.Lock()
	if a.round == round {
		a.sent += len(batch)
	}
	a.mu.Unlock()
	a.o.delivered.Add(int64(len(batch)))
	return true
}

// undelivered goes back to before a message that could not be sent.
func (a *Attachment) undelivered(m *message, round int, err error) bool {
	a.mu.Lock()
	a.flights.land(m.stored)
	if a.round == round {
		a.pos, a.inbox, a.weight = m.seq-1, nil, 0
	}
	a.mu.Unlock()
	return a.failed("message not sent", err)
}

// deliver sends one message.
func (a *Attachment) deliver(m *message) error {
	ctx := a.s.Context()
	if a.opts.ByEvent {
		return a.s.Transient().Emit(ctx, a.opts.Event, m.argument())
	}
	ctx, cancel := context.WithCancel(ctx)
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		cancel()
		return sio.ErrClosed
	}
	a.flights.add(a, m, cancel)
	a.mu.Unlock()
	id := m.stored
	return a.s.EmitFunc(ctx, a.opts.Event, func(_ context.Context, r sio.Reply, err error) {
		if err == nil {
			err = r.Decode() // the client may answer with an error
		}
		if err == nil {
			a.acked(id)
		}
	}, m.argument())
}

// acked takes an acknowledgement of the client. It is stored soon, together
// with those that come at the same time.
func (a *Attachment) acked(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.flights.land(id)
	a.acks.Force(id)
	if a.behind || len(a.inbox) > 0 {
		a.kick()
	}
}

// storeAcks is the lane of the acknowledgements.
func (a *Attachment) storeAcks(ids []string) {
	if _, err := a.o.remove(context.Background(), a.box, ids...); err != nil {
		a.complain("acknowledgement not stored", err)
	}
}

// settle forgets messages that are not in the mailbox any more.
func (a *Attachment) settle(ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		a.flights.land(id)
	}
	if a.behind || len(a.inbox) > 0 {
		a.kick()
	}
}
