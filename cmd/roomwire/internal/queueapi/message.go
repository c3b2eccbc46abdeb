package queueapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/roomwire/roomwire/queue"
)

// The most that one request gets.
const (
	maxBoxes    = 1000
	maxMessages = 1000
	maxWait     = 20 * time.Second
)

// A Message is a record of a log, a message of a mailbox, or a job.
type Message struct {
	ID       string    `json:"id"` // with which it is taken off: see done
	Set      string    `json:"set,omitempty"`
	Topic    string    `json:"topic,omitempty"`
	Rooms    []string  `json:"rooms,omitempty"`
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Attempts int       `json:"attempts,omitempty"`
	Data     Data      `json:"data"`
	Reason   string    `json:"reason,omitempty"` // of a dead job
	Damaged  string    `json:"damaged,omitempty"`
}

// Data is the content of a message. Its JSON is itself when it is JSON, a
// string when it is text, and {"base64": …} otherwise.
type Data []byte

// MarshalJSON implements json.Marshaler.
func (d Data) MarshalJSON() ([]byte, error) {
	switch {
	case json.Valid(d):
		return d, nil
	case utf8.Valid(d):
		return json.Marshal(string(d))
	}
	return json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString(d)})
}

// UnmarshalJSON keeps the JSON as it is.
func (d *Data) UnmarshalJSON(b []byte) error { *d = append((*d)[:0], b...); return nil }

// Boxes is the answer of pending: mailboxes, or the groups of a work queue.
type Boxes struct {
	Boxes  []Box    `json:"mailboxes,omitempty"`
	Groups []Object `json:"groups,omitempty"`
	More   bool     `json:"more,omitempty"` // there are more mailboxes than these
}

// pending answers what waits under a name; without a name, all mailboxes in
// which something does.
func (o *Ops) pending(ctx context.Context, r Ref) (b Boxes, err error) {
	if r.Name == "" {
		err = o.boxes(ctx, r, func(box Box) error {
			if box.Pending == 0 {
				return nil
			}
			if b.More = len(b.Boxes) == maxBoxes; b.More {
				return errEnough
			}
			b.Boxes = append(b.Boxes, box)
			return nil
		})
		if errors.Is(err, errEnough) {
			err = nil
		}
		return b, err
	}
	kind, name, err := o.resolve(ctx, r)
	switch {
	case err != nil:
	case kind == isMailbox:
		if b.Boxes, err = o.boxesOf(ctx, r, name); err == nil && len(b.Boxes) == 0 {
			err = fmt.Errorf("%w: no mailbox of %q", queue.ErrNotFound, name)
		}
	case kind == isWork:
		var there bool
		if there, err = o.exists(ctx, queue.KindWork, name); err == nil && !there {
			err = fmt.Errorf("%w: no work queue %q", queue.ErrNotFound, name)
		} else if err == nil {
			b.Groups, err = o.describe(ctx, queue.KindWork, name)
		}
	default:
		err = fmt.Errorf("%w: nothing waits in the log %q: it is read, not emptied; see peek", ErrRequest, name)
	}
	return b, err
}

// A Peek is a request of peek.
type Peek struct {
	Ref
	Limit int    `json:"limit,omitempty"` // at most maxMessages
	After string `json:"after,omitempty"` // offset in a log; empty: the newest ones
	Room  string `json:"room,omitempty"`  // of a log
}

// Messages is the answer of peek and take.
type Messages struct {
	Messages []Message `json:"messages"`
}

func (o *Ops) peek(ctx context.Context, p Peek) (Messages, error) {
	kind, name, err := o.resolve(ctx, p.Ref)
	if err != nil {
		return Messages{}, err
	}
	if p.Limit <= 0 || p.Limit > maxMessages {
		p.Limit = maxMessages
	}
	switch kind {
	case isMailbox:
		return o.peekBoxes(ctx, p.Ref, name, p.Limit)
	case isLog:
		return o.peekLog(ctx, p, name)
	}
	return Messages{}, fmt.Errorf("%w: jobs cannot be looked at without taking them: see pending and dead ls", ErrRequest)
}

func (o *Ops) peekBoxes(ctx context.Context, r Ref, recipient string, limit int) (Messages, error) {
	m := Messages{Messages: []Message{}}
	boxes, err := o.boxesOf(ctx, r, recipient)
	for _, b := range boxes {
		set, err := o.Store.Mailboxes(ctx, b.Set, nil)
		if err != nil {
			return m, err
		}
		for msg, err := range set.Box(recipient, b.Topic).Pending(ctx, 0, limit-len(m.Messages)) {
			one := Message{ID: msg.ID, Set: b.Set, Topic: b.Topic, Seq: msg.Seq, Time: msg.Time, Data: msg.Data}
			if err != nil {
				if !errors.Is(err, queue.ErrDamaged) {
					return m, err
				}
				one.Damaged = err.Error()
			}
			m.Messages = append(m.Messages, one)
		}
		if len(m.Messages) >= limit {
			break
		}
	}
	return m, err
}

func (o *Ops) peekLog(ctx context.Context, p Peek, name string) (Messages, error) {
	m := Messages{Messages: []Message{}}
	if there, err := o.exists(ctx, queue.KindLog, name); err != nil || !there {
		return m, errors.Join(err, fmt.Errorf("%w: no log %q", queue.ErrNotFound, name))
	}
	log, err := o.Store.Log(ctx, name, nil)
	if err != nil {
		return m, err
	}
	after, err := startOf(log.Bounds(), p)
	if err != nil {
		return m, err
	}
	all := log.ReadAll(ctx, after, 0)
	if p.Room != "" {
		all = log.Read(ctx, after, []string{p.Room}, 0)
	}
	for e, err := range all {
		one := Message{ID: e.Offset.String(), Rooms: e.Rooms, Seq: e.Offset.Seq, Time: e.Time, Data: e.Data}
		if err != nil {
			if !errors.Is(err, queue.ErrDamaged) {
				return m, err
			}
			one.Damaged = err.Error()
		}
		m.Messages = append(m.Messages, one)
		if len(m.Messages) > p.Limit {
			if p.After != "" {
				m.Messages = m.Messages[:p.Limit]
				break
			}
			m.Messages = m.Messages[1:]
		}
	}
	return m, nil
}

// startOf says where reading begins: at what was asked for, else far enough
// before the end.
func startOf(b queue.Bounds, p Peek) (queue.Offset, error) {
	if p.After != "" {
		return queue.ParseOffset(p.After)
	}
	from := b.First - 1 // First is at least 1
	if p.Room == "" && b.Last > uint64(p.Limit) {
		from = max(from, b.Last-uint64(p.Limit))
	}
	return queue.Offset{Epoch: b.Epoch, Seq: from}, nil
}

// A Publish is a request of publish.
type Publish struct {
	Ref
	Data     []byte        `json:"data"`
	Key      string        `json:"key,omitempty"`
	TTL      time.Duration `json:"ttl,omitempty"`
	Delay    time.Duration `json:"delay,omitempty"`
	Priority int           `json:"priority,omitempty"`
}

// A Published is the answer of publish.
type Published struct {
	ID        string `json:"id"`
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate,omitempty"`
}

func (o *Ops) publish(ctx context.Context, p Publish) (Published, error) {
	kind, name, err := o.resolve(ctx, p.Ref)
	switch {
	case err != nil:
		return Published{}, err
	case kind == isLog:
		return Published{}, fmt.Errorf("%w: events come into a log by being sent: use roomwire emit", ErrRequest)
	case kind == isWork:
		if p.Priority < 0 || p.Priority > queue.MaxPriority || p.Delay < 0 {
			return Published{}, fmt.Errorf("%w: a priority is 0 to %d, a delay is not negative", ErrRequest, queue.MaxPriority)
		}
		work, err := o.Store.Work(ctx, name, nil)
		if err != nil {
			return Published{}, err
		}
		done, err := work.Push(ctx, queue.Job{Key: p.Key, Data: p.Data, Delay: p.Delay, Priority: p.Priority})
		if err != nil {
			return Published{}, err
		}
		return Published{ID: fmt.Sprint(done[0].Seq), Seq: done[0].Seq, Duplicate: done[0].Duplicate}, nil
	}
	box, err := o.box(ctx, p.Ref, name)
	if err != nil {
		return Published{}, err
	}
	r, err := box.Publish(ctx, queue.Outgoing{Key: p.Key, Data: p.Data, TTL: p.TTL}, nil)
	return Published{ID: r.ID, Seq: r.Seq, Duplicate: r.Duplicate}, err
}

// box returns the one mailbox that a message is for.
func (o *Ops) box(ctx context.Context, r Ref, recipient string) (queue.Mailbox, error) {
	boxes, err := o.boxesOf(ctx, r, recipient)
	if err != nil {
		return queue.Mailbox{}, err
	}
	set, topic := r.Set, r.Topic
	switch {
	case len(boxes) == 1:
		set, topic = boxes[0].Set, boxes[0].Topic
	case len(boxes) > 1:
		return queue.Mailbox{}, fmt.Errorf("%w: %q has %d mailboxes: say which with a set and a topic", ErrRequest, recipient, len(boxes))
	case set == "":
		return queue.Mailbox{}, fmt.Errorf("%w: %q has no mailbox yet: say in which set to make one", ErrRequest, recipient)
	}
	all, err := o.Store.Mailboxes(ctx, set, nil)
	if err != nil {
		return queue.Mailbox{}, err
	}
	return all.Box(recipient, topic), nil
}
