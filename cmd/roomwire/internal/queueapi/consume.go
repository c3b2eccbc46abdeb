package queueapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roomwire/roomwire/queue"
)

// A Take is a request of take.
type Take struct {
	Ref
	Max   int           `json:"max"`
	Lease time.Duration `json:"lease"`          // of jobs
	Wait  time.Duration `json:"wait,omitempty"` // for the first, at most maxWait
}

// take answers messages of mailboxes, which stay until they are done, or jobs,
// which nobody else gets until the lease is over.
func (o *Ops) take(ctx context.Context, t Take) (Messages, error) {
	kind, name, err := o.resolve(ctx, t.Ref)
	if err != nil {
		return Messages{}, err
	}
	if t.Max < 1 || t.Max > maxMessages || t.Wait < 0 {
		return Messages{}, fmt.Errorf("%w: take 1 to %d", ErrRequest, maxMessages)
	}
	ctx, cancel := context.WithTimeout(ctx, min(t.Wait, maxWait)+10*time.Second)
	defer cancel()
	deadline := time.Now().Add(min(t.Wait, maxWait))
	switch kind {
	case isWork:
		if t.Lease <= 0 {
			return Messages{}, fmt.Errorf("%w: a lease is longer than nothing", ErrRequest)
		}
		return o.lease(ctx, t, name, deadline)
	case isMailbox:
		for {
			m, err := o.peekBoxes(ctx, t.Ref, name, t.Max)
			left := time.Until(deadline)
			if err != nil || len(m.Messages) > 0 || left <= 0 {
				return m, err
			}
			select {
			case <-time.After(min(left, 100*time.Millisecond)):
			case <-ctx.Done():
				return m, ctx.Err()
			}
		}
	}
	return Messages{}, fmt.Errorf("%w: a log is read, not consumed: see peek", ErrRequest)
}

func (o *Ops) lease(ctx context.Context, t Take, name string, deadline time.Time) (Messages, error) {
	m := Messages{Messages: []Message{}}
	g, err := o.group(ctx, t.Ref, name)
	if err != nil {
		return m, err
	}
	for {
		jobs, err := g.Lease(ctx, t.Max, t.Lease)
		if err != nil {
			return m, err
		}
		for _, j := range jobs {
			m.Messages = append(m.Messages, jobMessage(j, j.Lease))
		}
		if len(jobs) > 0 || time.Until(deadline) <= 0 {
			return m, nil
		}
		wait, cancel := context.WithDeadline(ctx, deadline)
		err = g.Wait(wait)
		cancel()
		if err != nil && ctx.Err() == nil {
			return m, nil // the time is up
		} else if err != nil {
			return m, err
		}
	}
}

func jobMessage(j queue.Job, id string) Message {
	return Message{ID: id, Seq: j.Seq, Time: j.Time, Attempts: j.Attempts, Data: j.Data}
}

// group returns a group that exists.
func (o *Ops) group(ctx context.Context, r Ref, name string) (*queue.Group, error) {
	if there, err := o.exists(ctx, queue.KindWork, name); err != nil || !there {
		return nil, errors.Join(err, fmt.Errorf("%w: no work queue %q", queue.ErrNotFound, name))
	}
	work, err := o.Store.Work(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, g := range work.Stats() {
		if groups = append(groups, g.Group); g.Group == r.Group {
			return work.Group(ctx, r.Group)
		}
	}
	if len(groups) == 1 && r.Group == "" {
		return work.Group(ctx, groups[0])
	}
	return nil, fmt.Errorf("%w: %q has no group %q, but %q", queue.ErrNotFound, name, r.Group, groups)
}

// A Done is a request of done.
type Done struct {
	Ref
	Messages []Message     `json:"messages"` // as take answered them; their data may be left out
	Nack     bool          `json:"nack,omitempty"`
	Delay    time.Duration `json:"delay,omitempty"`
	Reason   string        `json:"reason,omitempty"`
}

// A Count is the answer of done, replay and purge.
type Count struct {
	Count int `json:"count"`
}

// done takes messages off, or gives jobs back.
func (o *Ops) done(ctx context.Context, d Done) (c Count, err error) {
	kind, name, err := o.resolve(ctx, d.Ref)
	if err != nil {
		return c, err
	}
	if kind == isMailbox {
		for _, m := range d.Messages {
			if d.Nack {
				continue // it was never away
			}
			set, err := o.Store.Mailboxes(ctx, m.Set, nil)
			if err != nil {
				return c, err
			}
			n, err := set.Box(name, m.Topic).Ack(ctx, m.ID)
			if c.Count += n; err != nil {
				return c, err
			}
		}
		return c, nil
	}
	g, err := o.group(ctx, d.Ref, name)
	if err != nil {
		return c, err
	}
	for _, m := range d.Messages {
		if d.Nack {
			err = g.Nack(ctx, m.ID, d.Delay, d.Reason)
		} else {
			err = g.Ack(ctx, m.ID)
		}
		if err != nil {
			return c, err
		}
		c.Count++
	}
	return c, nil
}

// A Dead is a request of dead, replay and purge.
type Dead struct {
	Ref
	Limit int      `json:"limit,omitempty"`
	Seqs  []uint64 `json:"seqs,omitempty"`
	All   bool     `json:"all,omitempty"` // instead of Seqs
}

func (o *Ops) deadGroup(ctx context.Context, r Ref) (*queue.Group, error) {
	kind, name, err := o.resolve(ctx, r)
	if err != nil {
		return nil, err
	}
	if kind != isWork {
		return nil, fmt.Errorf("%w: only work queues have dead jobs", ErrRequest)
	}
	return o.group(ctx, r, name)
}

func (o *Ops) dead(ctx context.Context, d Dead) (Messages, error) {
	m := Messages{Messages: []Message{}}
	g, err := o.deadGroup(ctx, d.Ref)
	if err != nil {
		return m, err
	}
	if d.Limit <= 0 || d.Limit > maxMessages {
		d.Limit = maxMessages
	}
	for j, err := range g.Dead(ctx, 0, d.Limit) {
		if err != nil {
			return m, err
		}
		one := jobMessage(j.Job, fmt.Sprint(j.Seq))
		one.Reason, one.Time = j.Reason, j.Died
		m.Messages = append(m.Messages, one)
	}
	return m, nil
}

func (o *Ops) replay(ctx context.Context, d Dead) (Count, error) {
	return o.eachDead(ctx, d, (*queue.Group).Replay)
}

func (o *Ops) purge(ctx context.Context, d Dead) (Count, error) {
	return o.eachDead(ctx, d, (*queue.Group).PurgeDead)
}

func (o *Ops) eachDead(ctx context.Context, d Dead, do func(*queue.Group, context.Context, ...uint64) (int, error)) (c Count, err error) {
	if d.All == (len(d.Seqs) > 0) {
		return c, fmt.Errorf("%w: say which dead jobs, or all", ErrRequest)
	}
	g, err := o.deadGroup(ctx, d.Ref)
	if err != nil {
		return c, err
	}
	c.Count, err = do(g, ctx, d.Seqs...)
	return c, err
}
