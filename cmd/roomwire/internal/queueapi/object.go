package queueapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/roomwire/roomwire/queue"
)

// An Object is a log, a set of mailboxes, a group of a work queue, or the
// sessions of a namespace.
type Object struct {
	Kind    string `json:"kind"` // log, mailbox, work, sessions
	Name    string `json:"name"`
	Group   string `json:"group,omitempty"`
	Count   int64  `json:"count"` // records, waiting messages, jobs that are not dead, sessions
	Bytes   int64  `json:"bytes,omitempty"`
	Boxes   int64  `json:"mailboxes,omitempty"`
	Ready   int64  `json:"ready,omitempty"`
	Leased  int64  `json:"leased,omitempty"`
	Delayed int64  `json:"delayed,omitempty"`
	Dead    int64  `json:"dead,omitempty"`
	Dropped int64  `json:"dropped,omitempty"` // messages that had to go for others, sessions for newer ones
	Expired int64  `json:"expired,omitempty"`
	Last    string `json:"last,omitempty"` // offset of a log's end
}

// Objects is the answer of ls.
type Objects struct {
	Objects []Object `json:"objects"`
}

func (o *Ops) list(ctx context.Context, _ None) (Objects, error) {
	all := Objects{Objects: []Object{}}
	for obj, err := range o.objects(ctx) {
		if err != nil {
			return all, err
		}
		all.Objects = append(all.Objects, obj)
	}
	return all, nil
}

// objects yields all there is.
func (o *Ops) objects(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for _, kind := range []queue.Kind{queue.KindLog, queue.KindMailboxes, queue.KindWork, queue.KindSessions} {
			for name, err := range o.Store.List(ctx, kind) {
				var found []Object
				if err == nil {
					found, err = o.describe(ctx, kind, name)
				}
				if err != nil {
					yield(Object{}, err)
					return
				}
				for _, obj := range found {
					if !yield(obj, nil) {
						return
					}
				}
			}
		}
	}
}

// describe tells what is known of an object that exists.
func (o *Ops) describe(ctx context.Context, kind queue.Kind, name string) ([]Object, error) {
	switch kind {
	case queue.KindLog:
		log, err := o.Store.Log(ctx, name, nil)
		if err != nil {
			return nil, err
		}
		b := log.Bounds()
		return []Object{{Kind: "log", Name: name, Count: b.Count, Bytes: b.Bytes, Last: b.End().String()}}, nil
	case queue.KindMailboxes:
		boxes, err := o.Store.Mailboxes(ctx, name, nil)
		if err != nil {
			return nil, err
		}
		s := boxes.Stats()
		return []Object{{Kind: "mailbox", Name: name, Count: s.Pending, Bytes: s.Bytes, Boxes: s.Mailboxes, Dropped: s.Dropped, Expired: s.Expired}}, nil
	case queue.KindWork:
		work, err := o.Store.Work(ctx, name, nil)
		if err != nil {
			return nil, err
		}
		var groups []Object
		for _, g := range work.Stats() {
			groups = append(groups, Object{
				Kind: "work", Name: name, Group: g.Group, Count: g.Ready + g.Leased + g.Delayed,
				Ready: g.Ready, Leased: g.Leased, Delayed: g.Delayed, Dead: g.Dead,
			})
		}
		return groups, nil
	}
	sessions, err := o.Store.Sessions(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	s := sessions.Stats()
	return []Object{{Kind: "sessions", Name: name, Count: s.Sessions, Bytes: s.Bytes, Dropped: s.Evicted}}, nil
}

// Totals is the answer of stats.
type Totals struct {
	Logs      int    `json:"logs"`
	Records   int64  `json:"records"`
	Mailboxes int64  `json:"mailboxes"`
	Pending   int64  `json:"pending"`
	Dropped   int64  `json:"dropped"`
	Expired   int64  `json:"expired"`
	Work      int    `json:"work_queues"`
	Ready     int64  `json:"ready"`
	Leased    int64  `json:"leased"`
	Delayed   int64  `json:"delayed"`
	Dead      int64  `json:"dead"`
	Sessions  int64  `json:"sessions"`
	Bytes     int64  `json:"bytes"`                // of what is kept, work queues left out
	Disk      int64  `json:"disk_bytes,omitempty"` // of the files
	Failure   string `json:"failure,omitempty"`    // why nothing is written any more
}

func (o *Ops) stats(ctx context.Context, _ None) (Totals, error) {
	var t Totals
	work := ""
	for obj, err := range o.objects(ctx) {
		if err != nil {
			return t, err
		}
		t.Bytes += obj.Bytes
		switch obj.Kind {
		case "log":
			t.Logs++
			t.Records += obj.Count
		case "mailbox":
			t.Mailboxes += obj.Boxes
			t.Pending += obj.Count
			t.Dropped += obj.Dropped
			t.Expired += obj.Expired
		case "work":
			if t.Work == 0 || work != obj.Name {
				t.Work, work = t.Work+1, obj.Name
			}
			t.Ready += obj.Ready
			t.Leased += obj.Leased
			t.Delayed += obj.Delayed
			t.Dead += obj.Dead
		case "sessions":
			t.Sessions += obj.Count
		}
	}
	if o.Disk != nil {
		t.Disk = o.Disk()
	}
	if err := o.Store.Err(); err != nil {
		t.Failure = err.Error()
	}
	return t, nil
}

// A Ref names a queue, as people do: "orders", "work:orders", "mailbox:bob",
// "log:/". The kind may be left out where the name says it.
type Ref struct {
	Name  string `json:"name"`
	Set   string `json:"set,omitempty"`   // of mailboxes, usually a namespace; empty: whichever
	Topic string `json:"topic,omitempty"` // of a mailbox; empty: every
	Group string `json:"group,omitempty"` // of a work queue
}

// The kinds of Ref.
const (
	isLog     = "log"
	isMailbox = "mailbox"
	isWork    = "work"
)

// resolve finds out what kind of queue a Ref names. Without the kind it must
// exist.
func (o *Ops) resolve(ctx context.Context, r Ref) (kind, name string, err error) {
	kind, name, found := strings.Cut(r.Name, ":")
	if found && (kind == isLog || kind == isMailbox || kind == isWork) {
		if name == "" {
			return "", "", fmt.Errorf("%w: %q has no name after its kind", ErrRequest, r.Name)
		}
		return kind, name, nil
	}
	var kinds []string
	for _, k := range []struct {
		kind queue.Kind
		is   string
	}{{queue.KindLog, isLog}, {queue.KindWork, isWork}} {
		there, err := o.exists(ctx, k.kind, r.Name)
		if err != nil {
			return "", "", err
		}
		if there {
			kinds = append(kinds, k.is)
		}
	}
	boxes, err := o.boxesOf(ctx, r, r.Name)
	if err != nil {
		return "", "", err
	}
	if len(boxes) > 0 {
		kinds = append(kinds, isMailbox)
	}
	switch len(kinds) {
	case 0:
		return "", "", fmt.Errorf("%w: nothing is called %q; something new is called work:%[2]s or mailbox:%[2]s", queue.ErrNotFound, r.Name)
	case 1:
		return kinds[0], r.Name, nil
	}
	return "", "", fmt.Errorf("%w: %q may be %s:%[2]s", ErrRequest, r.Name, strings.Join(kinds, ":"+r.Name+" or "))
}

func (o *Ops) exists(ctx context.Context, kind queue.Kind, name string) (bool, error) {
	for n, err := range o.Store.List(ctx, kind) {
		if err != nil || n == name {
			return err == nil, err
		}
	}
	return false, nil
}

// A Box is a mailbox.
type Box struct {
	Set       string    `json:"set"`
	Recipient string    `json:"recipient"`
	Topic     string    `json:"topic,omitempty"`
	Pending   int64     `json:"pending"`
	Bytes     int64     `json:"bytes"`
	Dropped   int64     `json:"dropped,omitempty"`
	Used      time.Time `json:"used"`
}

var errEnough = errors.New("enough")

// boxes calls fn for the mailboxes that a Ref leaves open, until it fails.
func (o *Ops) boxes(ctx context.Context, r Ref, fn func(b Box) error) error {
	for set, err := range o.Store.List(ctx, queue.KindMailboxes) {
		if err != nil {
			return err
		}
		if r.Set != "" && r.Set != set {
			continue
		}
		boxes, err := o.Store.Mailboxes(ctx, set, nil)
		if err != nil {
			return err
		}
		for b, err := range boxes.List(ctx) {
			if err != nil {
				return err
			}
			if r.Topic != "" && r.Topic != b.Topic {
				continue
			}
			if err := fn(Box{set, b.Recipient, b.Topic, b.Pending, b.Bytes, b.Dropped, b.Used}); err != nil {
				return err
			}
		}
	}
	return nil
}

// boxesOf returns the mailboxes of a recipient.
func (o *Ops) boxesOf(ctx context.Context, r Ref, recipient string) (all []Box, err error) {
	err = o.boxes(ctx, r, func(b Box) error {
		if b.Recipient == recipient {
			all = append(all, b)
		}
		return nil
	})
	return all, err
}
