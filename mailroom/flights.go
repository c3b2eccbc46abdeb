package mailroom

import (
	"context"
	"slices"
	"time"
)

// maxTries is how many deliveries of one message may be acknowledged: a client
// that needs longer than the time-out is heard all the same.
const maxTries = 3

// flights are the messages of an [Attachment] that were sent and are not
// acknowledged. The lock of the attachment guards them.
type flights struct {
	byID  map[string]*flight
	late  []*flight // to be sent again, oldest first
	timer *time.Timer
	ends  time.Time // when timer fires
}

// A flight is one message.
type flight struct {
	id      string
	seq     uint64
	due     time.Time            // when it is sent again; zero: never
	cancels []context.CancelFunc // of the acknowledgements waited for
}

func (f *flights) len() int { return len(f.byID) }

// add notes that a message is sent, for the first time or once more.
func (f *flights) add(a *Attachment, m *message, cancel context.CancelFunc) {
	if f.byID == nil {
		f.byID = make(map[string]*flight)
	}
	fl := f.byID[m.stored]
	if fl == nil {
		fl = &flight{id: m.stored, seq: m.seq}
		f.byID[m.stored] = fl
	}
	fl.cancels = append(fl.cancels, cancel)
	if len(fl.cancels) > maxTries {
		fl.cancels[0]()
		fl.cancels = slices.Delete(fl.cancels, 0, 1)
	}
	if d := a.opts.Redeliver; d > 0 {
		fl.due = time.Now().Add(d)
		f.watch(a, fl.due)
	}
}

// watch makes sure that somebody looks for late messages at that time.
func (f *flights) watch(a *Attachment, at time.Time) {
	if !f.ends.IsZero() && !at.Before(f.ends) {
		return
	}
	f.ends = at
	if f.timer != nil {
		f.timer.Stop()
	}
	f.timer = time.AfterFunc(time.Until(at), a.overdue)
}

// land forgets a message.
func (f *flights) land(id string) {
	fl := f.byID[id]
	if fl == nil {
		return
	}
	delete(f.byID, id)
	for _, cancel := range fl.cancels {
		cancel()
	}
	if len(f.byID) == 0 && f.timer != nil {
		f.timer.Stop()
		f.timer, f.ends = nil, time.Time{}
	}
}

// clear forgets all and returns what has to be called without the lock.
func (f *flights) clear() (cancels []context.CancelFunc) {
	for _, fl := range f.byID {
		cancels = append(cancels, fl.cancels...)
	}
	if f.timer != nil {
		f.timer.Stop()
	}
	*f = flights{}
	return cancels
}

// takeLate returns what has to be sent again.
func (f *flights) takeLate() []*flight {
	late := f.late
	f.late = nil
	return slices.DeleteFunc(late, func(fl *flight) bool { return f.byID[fl.id] != fl })
}

// overdue finds the messages that were not acknowledged in time.
func (a *Attachment) overdue() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	f := &a.flights
	f.timer, f.ends = nil, time.Time{}
	now := time.Now()
	var next time.Time
	for _, fl := range f.byID {
		switch {
		case fl.due.IsZero():
		case !fl.due.After(now):
			fl.due = time.Time{}
			f.late = append(f.late, fl)
		case next.IsZero() || fl.due.Before(next):
			next = fl.due
		}
	}
	if !next.IsZero() {
		f.watch(a, next)
	}
	if len(f.late) > 0 {
		slices.SortFunc(f.late, func(x, y *flight) int { return int(int64(x.seq) - int64(y.seq)) })
		a.kick()
	}
}

// again sends messages once more that are still in the mailbox.
func (a *Attachment) again(late []*flight) bool {
	for i, fl := range late {
		m, there, err := a.one(fl.seq)
		if err == nil && !there {
			a.settle([]string{fl.id})
			continue
		}
		if err == nil {
			err = a.deliver(&m)
		}
		if err != nil {
			a.postpone(late[i:])
			if a.s.Context().Err() == nil {
				a.complain("message not sent again", err)
			}
			return true
		}
		a.o.delivered.Add(1)
		a.o.redelivered.Add(1)
		if a.paced += m.size(); a.paced >= pace {
			a.paced = 0
			if a.s.Drain(a.s.Context()) != nil {
				return true // it detaches
			}
		}
	}
	return true
}

// one reads a message.
func (a *Attachment) one(seq uint64) (m message, there bool, err error) {
	for stored, err := range a.box.Pending(a.s.Context(), seq-1, 1) {
		if stored.Seq != seq && err == nil {
			return m, false, nil
		}
		if err == nil {
			m, err = fromStore(stored)
		}
		return m, err == nil, err
	}
	return m, false, nil
}

// postpone lets late messages be late once more.
func (a *Attachment) postpone(late []*flight) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	at := time.Now().Add(a.opts.Redeliver)
	for _, fl := range late {
		fl.due = at
	}
	a.flights.watch(a, at)
}
