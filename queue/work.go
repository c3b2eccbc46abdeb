package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of a work queue.
var (
	// ErrLeaseLost says that a lease is over: it expired and the job went to
	// someone else or to the dead, or the job is done.
	ErrLeaseLost = errors.New("queue: lease is lost")
	// ErrWorkFull says that a queue holds as many jobs as it may.
	ErrWorkFull = errors.New("queue: work queue is full")
)

// MaxPriority is the highest priority of a job.
const MaxPriority = 9

// WorkOptions are the options of a [Work]. The zero value of a field is its
// default.
type WorkOptions struct {
	// MaxAttempts is how often a job is leased before it is dead. Zero: 5.
	MaxAttempts int
	// MaxJobs bounds the jobs, those that are dead included. Zero: 1,000,000.
	MaxJobs int
	// MaxJob bounds Data and Header of one job together. Zero: 1 MiB.
	MaxJob int
	// DeadAge is how long dead jobs are kept. Zero: until they are purged.
	DeadAge time.Duration
	// IDs says how long the keys of jobs are remembered.
	IDs IDs
}

func (o *WorkOptions) withDefaults() *WorkOptions {
	var c WorkOptions
	if o != nil {
		c = *o
	}
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = 5
	}
	if c.MaxJobs <= 0 {
		c.MaxJobs = 1_000_000
	}
	if c.MaxJob <= 0 {
		c.MaxJob = 1 << 20
	}
	c.IDs = c.IDs.withDefaults()
	return &c
}

// A Work is a queue of jobs for competing consumers. Every consumer group
// gets every job that is pushed after the group was made; in a group, each job
// is leased by one consumer at a time. A queue in which no group was made has
// one, the group "".
type Work struct {
	s    *Store
	name string
	opt  atomic.Pointer[WorkOptions]
	st   state[workState]
	gone atomic.Bool
	ids  *knownIDs // the leader's

	mu     sync.Mutex
	pushed chan struct{} // closed and made anew when there may be something to lease
}

type workState struct {
	epoch  uint64
	next   uint64
	jobs   uint64
	ids    window
	groups []groupState // sorted by name; never changed in place but by the leader, after touch
}

type groupState struct {
	name                         string
	ready, leased, delayed, dead uint64
}

func (w *Work) touch(tx *tx) *workState {
	w.st.touch(tx)
	w.st.now.groups = slices.Clone(w.st.now.groups)
	return &w.st.now
}

func (v *workState) group(name string) (*groupState, bool) {
	i, ok := slices.BinarySearchFunc(v.groups, name, func(g groupState, name string) int { return strings.Compare(g.name, name) })
	if !ok {
		return nil, false
	}
	return &v.groups[i], true
}

func encodeWorkState(key []byte, v *workState) []byte {
	b := newSeal(32 + 24*len(v.groups))
	for _, n := range []uint64{v.epoch, v.next, v.jobs, v.ids.gen, v.ids.count, uint64(v.ids.begun), uint64(len(v.groups))} {
		b = putNumber(b, n)
	}
	for _, g := range v.groups {
		b = putText(b, g.name)
		for _, n := range []uint64{g.ready, g.leased, g.delayed, g.dead} {
			b = putNumber(b, n)
		}
	}
	return seal(key, b)
}

func decodeWorkState(key, b []byte) (v workState, err error) {
	d, err := unseal(key, b)
	if err != nil {
		return v, err
	}
	v.epoch, v.next, v.jobs = d.number(), d.number(), d.number()
	v.ids.gen, v.ids.count, v.ids.begun = d.number(), d.number(), int64(d.number())
	for n := d.number(); n > 0 && !d.bad; n-- {
		v.groups = append(v.groups, groupState{d.text(), d.number(), d.number(), d.number(), d.number()})
	}
	return v, d.end(key)
}

// Work returns the work queue of that name, and makes it durably when there is
// none. The options hold from now on, for every holder; nil leaves them as
// they are, at first the defaults.
func (s *Store) Work(ctx context.Context, name string, o *WorkOptions) (*Work, error) {
	w, err := openObject(ctx, s, KindWork, name, func(tx *tx, id uint32, b []byte) (*Work, error) {
		w := &Work{s: s, name: name, pushed: make(chan struct{})}
		w.opt.Store(o.withDefaults())
		key := objectKey(keyState, id)
		if b == nil {
			b = encodeWorkState(key, &workState{epoch: newEpoch(), next: 1})
			tx.put(key, b)
		}
		v, err := decodeWorkState(key, b)
		if err != nil {
			return nil, err
		}
		w.st.init(id, v, encodeWorkState)
		if w.ids, err = loadIDs(tx.c.storage, id, v.ids); err != nil {
			return nil, err
		}
		return w, nil
	})
	if err == nil && o != nil {
		w.opt.Store(o.withDefaults())
	}
	return w, err
}

// DeleteWork removes a work queue with all its jobs.
func (s *Store) DeleteWork(ctx context.Context, name string) error {
	return s.deleteObject(ctx, KindWork, name)
}

func (w *Work) deleted() { w.gone.Store(true) }

// Name returns the name of w.
func (w *Work) Name() string { return w.name }

// A Job is work to be done.
type Job struct {
	// Key makes the push idempotent: while it is remembered, a second push
	// with it stores nothing and answers with the first sequence.
	Key string
	// Header and Data are opaque.
	Header []byte
	Data   []byte
	// Priority goes from 0 to [MaxPriority]; higher ones are leased first.
	Priority int
	// Delay, or NotBefore, is when the job may first be leased.
	Delay     time.Duration
	NotBefore time.Time

	// What follows is set by the queue.

	Seq      uint64
	Time     time.Time // when it was pushed, in milliseconds
	Attempts int       // leases so far, this one included
	Lease    string    // the token for Ack, Nack and Extend
	Expires  time.Time // when the lease is over
}

// A Pushed answers a push.
type Pushed struct {
	Seq       uint64
	Duplicate bool // the key was known, and nothing was stored
}

// Push stores jobs, all or none; when it returns they are durable. For ctx and
// errors see [Log.Append].
func (w *Work) Push(ctx context.Context, jobs ...Job) ([]Pushed, error) {
	opt := w.opt.Load()
	for i := range jobs {
		j := &jobs[i]
		if n := len(j.Data) + len(j.Header); n > opt.MaxJob {
			return nil, fmt.Errorf("%w: job of %d bytes, %d allowed", ErrTooLarge, n, opt.MaxJob)
		}
		if j.Priority < 0 || j.Priority > MaxPriority {
			return nil, fmt.Errorf("%w: priority %d, 0 to %d allowed", ErrTooLarge, j.Priority, MaxPriority)
		}
		if err := checkName("key", j.Key); err != nil {
			return nil, err
		}
	}
	answers := make([]Pushed, len(jobs))
	err := w.s.do(ctx, true, false, func(tx *tx) error { return w.push(tx, opt, jobs, answers) })
	if err != nil {
		return nil, fmt.Errorf("queue: work %q: %w", w.name, err)
	}
	w.notify()
	return answers, nil
}

func (w *Work) push(tx *tx, opt *WorkOptions, jobs []Job, answers []Pushed) error {
	if w.gone.Load() {
		return ErrNotFound
	}
	if w.st.now.jobs+uint64(len(jobs)) > uint64(opt.MaxJobs) {
		return ErrWorkFull
	}
	for i := range jobs {
		if jobs[i].Key == "" || opt.IDs.Count < 0 {
			continue
		}
		at, ok, err := w.ids.find(tx, &w.st.now.ids, jobs[i].Key)
		if err != nil {
			return err
		}
		if ok {
			answers[i] = Pushed{at.Seq, true}
		}
	}
	v := w.touch(tx)
	if len(v.groups) == 0 {
		v.groups = []groupState{{}}
	}
	for i := range jobs {
		j := &jobs[i]
		if answers[i].Duplicate {
			continue
		}
		if k := slices.IndexFunc(jobs[:i], func(o Job) bool { return j.Key != "" && o.Key == j.Key }); k >= 0 && opt.IDs.Count > 0 {
			answers[i] = Pushed{answers[k].Seq, true}
			continue
		}
		seq := v.next
		v.next++
		v.jobs++
		answers[i].Seq = seq
		key := w.jobKey(seq)
		tx.put(key, encodeJob(key, j, tx.now))
		due := max(toMillis(j.NotBefore), 0)
		if j.Delay > 0 {
			due = max(due, tx.now+j.Delay.Milliseconds())
		}
		for g := range v.groups {
			w.enqueue(tx, &v.groups[g], turnOf{seq: seq, priority: j.Priority}, due)
		}
		if len(v.groups) > 1 {
			h := appendNumber(objectKey(keyHolders, w.st.id), seq)
			tx.put(h, encodeNumbers(h, uint64(len(v.groups))))
		}
		if j.Key != "" && opt.IDs.Count > 0 {
			w.ids.remember(tx, &v.ids, Offset{v.epoch, seq}, opt.IDs, j.Key)
		}
	}
	return nil
}

func (w *Work) notify() {
	w.mu.Lock()
	close(w.pushed)
	w.pushed = make(chan struct{})
	w.mu.Unlock()
}

// Group returns a consumer group, and makes it durably when there is none of
// that name. It gets the jobs that are pushed from then on. The group "" is
// there without being made as long as there is no other; once there is, it
// gets no more jobs unless it is asked for here.
func (w *Work) Group(ctx context.Context, name string) (*Group, error) {
	if err := checkName("group", name); err != nil {
		return nil, err
	}
	err := w.s.do(ctx, true, false, func(tx *tx) error {
		if w.gone.Load() {
			return ErrNotFound
		}
		if _, ok := w.st.now.group(name); ok {
			return nil
		}
		v := w.touch(tx)
		v.groups = append(v.groups, groupState{name: name})
		slices.SortFunc(v.groups, func(a, b groupState) int { return strings.Compare(a.name, b.name) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("queue: work %q: %w", w.name, err)
	}
	return &Group{w, name}, nil
}

// DeleteGroup removes a group; what it holds is done as far as it goes.
func (w *Work) DeleteGroup(ctx context.Context, name string) error {
	for more := true; more; {
		err := w.s.do(ctx, true, true, func(tx *tx) error {
			more = false
			if _, ok := w.st.now.group(name); !ok || w.gone.Load() {
				return nil
			}
			g := &Group{w, name}
			v := w.touch(tx)
			lo := g.key("")
			c := tx.c.storage.Cursor(lo, after(lo))
			defer c.Close()
			for n := 0; c.Next(); n++ {
				if n == 1024 {
					more = true
					return nil
				}
				tx.batch.Delete(c.Key())
				if c.Key()[len(lo)] != subExpiry {
					if err := w.release(tx, v, lastNumber(c.Key())); err != nil {
						return err
					}
				}
			}
			if err := c.Err(); err != nil {
				return err
			}
			v.groups = slices.DeleteFunc(v.groups, func(g groupState) bool { return g.name == name })
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// WorkStats count the jobs of a group.
type WorkStats struct {
	Group                        string
	Ready, Leased, Delayed, Dead int64
}

// Stats returns what is durable, group by group in order of their names.
func (w *Work) Stats() []WorkStats {
	v := w.st.get()
	list := make([]WorkStats, len(v.groups))
	for i, g := range v.groups {
		list[i] = WorkStats{g.name, int64(g.ready), int64(g.leased), int64(g.delayed), int64(g.dead)}
	}
	return list
}
