package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Writers share syncs. Each brings an op; whoever finds nobody writing becomes
// the leader, takes all ops that wait, runs them one after the other into one
// batch, applies it with one sync and tells the others. While it waits for the
// disk the next ops gather, and the first of them leads next. So everything
// that is written is ordered by one goroutine at a time, and none is needed
// for it.

// An op is one writer's part of a group.
type op struct {
	// run is called by the leader. It must check everything before it writes
	// anything to tx: when it returns an error it has written nothing.
	run func(tx *tx) error
	// scans says that run uses cursors, and so must find everything that ran
	// before it applied.
	scans bool
	// sync says that the op is done only when it is durable.
	sync bool

	err  error
	wake chan bool // true: you lead; false: it is done
}

// committer runs the ops of a store in groups.
type committer struct {
	storage Storage
	now     func() time.Time

	mu      sync.Mutex
	queue   []*op
	leading bool // somebody leads, is told to, or waits for held
	held    bool // nobody leads until a group ends: there are inFlight
	flying  int  // groups that were applied and have not ended
	closed  bool
	idle    chan struct{} // made by close, closed when nothing is under way
	failed  error

	// What follows is the leader's.

	last    chan struct{} // closed when the last group has ended
	overlay map[string][]byte
	scratch []byte // for a value that goes into a batch at once
}

// do runs o in some group, and returns when it is done. ctx bounds the time
// until a leader takes it; then the answer of the disk is awaited, because no
// other answer would be true.
func (c *committer) do(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.wake = make(chan bool, 1)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.queue = append(c.queue, o)
	lead := !c.leading
	c.leading = true
	c.mu.Unlock()
	if !lead {
		select {
		case lead = <-o.wake:
		case <-ctx.Done():
			if c.withdraw(o) {
				return ctx.Err()
			}
			lead = <-o.wake
		}
	}
	if lead {
		c.lead()
	}
	return o.err
}

// withdraw takes o back; it is too late when a leader has taken it, or has
// told it to lead.
func (c *committer) withdraw(o *op) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, q := range c.queue {
		if q != o {
			continue
		}
		if len(o.wake) > 0 {
			return false
		}
		c.queue = append(c.queue[:i], c.queue[i+1:]...)
		return true
	}
	return false
}

// groupLimit bounds the ops of a group, so that the first need not wait for
// an endless one.
const groupLimit = 1024

// inFlight bounds the groups that wait for the disk at once. More than one
// keeps the disk busy; with many the groups would be small.
const inFlight = 3

func (c *committer) lead() {
	c.mu.Lock()
	n := min(len(c.queue), groupLimit)
	group := append(make([]*op, 0, n), c.queue[:n]...)
	rest := copy(c.queue, c.queue[n:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	c.mu.Unlock()

	tx := c.write(group)
	before, done := c.last, make(chan struct{})
	c.last = done
	c.mu.Lock()
	c.flying++
	if c.held = c.flying == inFlight; !c.held {
		c.handOver()
	}
	c.mu.Unlock()

	if tx.wait != nil {
		if err := tx.wait(); err != nil {
			c.fail(err)
		}
	}
	if before != nil {
		<-before // groups end in the order in which they were written
	}
	c.end(tx, group)
	close(done)

	c.mu.Lock()
	c.flying--
	if c.held {
		c.held = false
		c.handOver()
	} else {
		c.rest()
	}
	c.mu.Unlock()
	// The leader's own op is the first of its group: see handOver.
	for _, o := range group[1:] {
		o.wake <- false
	}
}

// handOver makes the first in the queue the leader. c.mu is held.
func (c *committer) handOver() {
	if len(c.queue) > 0 {
		c.queue[0].wake <- true
		return
	}
	c.leading = false
	c.rest()
}

// rest tells close when nothing is under way. c.mu is held.
func (c *committer) rest() {
	if c.idle != nil && !c.leading && c.flying == 0 {
		close(c.idle)
		c.idle = nil
	}
}

// write runs a group and applies what it wrote.
func (c *committer) write(group []*op) *tx {
	tx := &tx{c: c, now: c.now().UnixMilli()}
	if c.failure() != nil {
		return tx // end tells everybody
	}
	tx.batch = c.storage.NewBatch()
	first := 0 // the first op of the group that is not applied yet
	for i, o := range group {
		if o.scans && !tx.clean() {
			c.apply(tx, group[first:i], false)
			first = i
		}
		if o.err = o.run(tx); o.err == nil && o.sync {
			tx.sync = true
		}
	}
	c.apply(tx, group[first:], tx.sync)
	if tx.sync && tx.unsynced {
		// The last part was refused or wrote nothing, but what came before it
		// has to be durable.
		c.apply(tx, nil, true)
	}
	return tx
}

// apply writes what the ops of part put into tx.
func (c *committer) apply(tx *tx, part []*op, sync bool) {
	if tx.clean() && part != nil {
		return
	}
	for _, s := range tx.dirty {
		s.save(tx)
	}
	wait, err := c.storage.Apply(tx.batch, sync)
	tx.batch = c.storage.NewBatch()
	clear(c.overlay)
	if err == nil {
		tx.unsynced = !sync
		if sync {
			tx.wait = wait
		}
		for _, s := range tx.dirty {
			if show := s.saved(); show != nil {
				tx.shows = append(tx.shows, show)
			}
		}
		tx.dirty = tx.dirty[:0]
		return
	}
	for _, s := range tx.dirty {
		s.undo()
	}
	tx.dirty = tx.dirty[:0]
	if !errors.Is(err, ErrRefused) || part == nil {
		c.fail(err)
	}
	for _, o := range part {
		if o.err == nil {
			o.err = err
		}
	}
}

// end shows what is durable, or tells everybody that it is not.
func (c *committer) end(tx *tx, group []*op) {
	failed := c.failure()
	for _, o := range group {
		if failed != nil && (o.err == nil || !errors.Is(o.err, ErrRefused)) {
			o.err = failed
		}
	}
	if failed == nil {
		for _, show := range tx.shows {
			show()
		}
	}
}

func (c *committer) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	}
}

// close refuses further ops and waits for those that are there.
func (c *committer) close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.closed = true
	var idle chan struct{}
	if c.leading || c.flying > 0 {
		idle = make(chan struct{})
		c.idle = idle
	}
	c.mu.Unlock()
	if idle != nil {
		<-idle
	}
	return nil
}

func (c *committer) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// A tx is what a group writes.
type tx struct {
	c        *committer
	batch    Batch
	now      int64        // one clock for the group, in milliseconds
	dirty    []changed    // states to be written with the batch
	shows    []func()     // make visible what was applied
	sync     bool         // an op wants it
	unsynced bool         // what was applied last was without sync
	wait     func() error // for the disk
}

// changed is something that the leader changes in memory and writes once for
// the group; see [state].
type changed interface {
	save(tx *tx)   // writes it to the batch
	saved() func() // it was applied; the answer, unless nil, is to be called when it is durable
	undo()         // it was not
}

// clean reports whether there is nothing to apply.
func (tx *tx) clean() bool { return tx.batch.Len() == 0 && len(tx.dirty) == 0 }

// get returns what the key holds, writes of this group included if they were
// made with put or remove.
func (tx *tx) get(key []byte) ([]byte, bool, error) {
	if v, ok := tx.c.overlay[string(key)]; ok {
		return v, v != nil, nil
	}
	return tx.c.storage.Get(key)
}

// put writes a value that get will find; v must not be changed afterwards.
func (tx *tx) put(key, v []byte) {
	tx.batch.Set(key, v)
	tx.c.overlay[string(key)] = v
}

// remove deletes a key so that get will not find it.
func (tx *tx) remove(key []byte) {
	tx.batch.Delete(key)
	tx.c.overlay[string(key)] = nil
}

// A state is a small value that belongs to an object. The leader alone works
// on now; others see what is durable.
type state[T any] struct {
	id     uint32
	encode func(key []byte, v *T) []byte

	now     T // the leader's
	applied T // what the storage holds
	dirty   bool

	mu      sync.Mutex
	visible T
}

func (s *state[T]) init(id uint32, v T, encode func(key []byte, v *T) []byte) {
	s.id, s.encode = id, encode
	s.now, s.applied, s.visible = v, v, v
}

// touch says that now will change and is to be written with the group.
func (s *state[T]) touch(tx *tx) {
	if !s.dirty {
		s.dirty = true
		tx.dirty = append(tx.dirty, s)
	}
}

func (s *state[T]) save(tx *tx) {
	key := objectKey(keyState, s.id)
	tx.batch.Set(key, s.encode(key, &s.now))
}

func (s *state[T]) saved() func() {
	s.applied, s.dirty = s.now, false
	v := s.now
	return func() {
		s.mu.Lock()
		s.visible = v
		s.mu.Unlock()
	}
}

func (s *state[T]) undo() { s.now, s.dirty = s.applied, false }

// get returns what is durable.
func (s *state[T]) get() T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visible
}
