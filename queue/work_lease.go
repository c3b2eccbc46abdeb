package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// A Group is a consumer group of a [Work]. It is a name and may be had many
// times over.
type Group struct {
	w    *Work
	name string
}

// Name returns the name of g.
func (g *Group) Name() string { return g.name }

func (g *Group) key(sub string) []byte { return g.w.groupKey(g.name, sub) }

// state returns the leader's state of g, which may be changed.
func (g *Group) state(tx *tx) (*workState, *groupState, error) {
	if g.w.gone.Load() {
		return nil, nil, ErrNotFound
	}
	if _, ok := g.w.st.now.group(g.name); !ok {
		return nil, nil, fmt.Errorf("group %q: %w", g.name, ErrNotFound)
	}
	v := g.w.touch(tx)
	gs, _ := v.group(g.name)
	return v, gs, nil
}

func (g *Group) do(ctx context.Context, sync, scans bool, run func(tx *tx) error) error {
	if err := g.w.s.do(ctx, sync, scans, run); err != nil {
		return fmt.Errorf("queue: work %q, group %q: %w", g.w.name, g.name, err)
	}
	return nil
}

// Lease hands out up to n jobs that nobody else gets for ttl, those of higher
// priority first and older ones before younger ones. It returns at once, with
// none when there is none: see [Group.Wait]. The leases are durable; those
// that are over, also while no process ran, go to the next who asks.
func (g *Group) Lease(ctx context.Context, n int, ttl time.Duration) ([]Job, error) {
	if n <= 0 || ttl <= 0 {
		return nil, ctx.Err()
	}
	if err := g.revive(ctx); err != nil {
		return nil, err
	}
	var jobs []Job
	err := g.do(ctx, true, true, func(tx *tx) error {
		jobs = jobs[:0]
		if s, ok := g.w.st.now.group(g.name); ok && s.ready == 0 && !g.w.gone.Load() {
			return nil
		}
		v, s, err := g.state(tx)
		if err != nil {
			return err
		}
		lo := g.key(string(rune(subReady)))
		c := tx.c.storage.Cursor(lo, after(lo))
		defer c.Close()
		for len(jobs) < n && c.Next() {
			t := turnOf{seq: lastNumber(c.Key()), priority: 255 - int(c.Key()[len(lo)])}
			_ = decodeNumbers(c.Key(), c.Value(), &t.attempts) // damaged: begins to count anew
			tx.remove(c.Key())
			s.ready -= min(1, s.ready)
			key := g.w.jobKey(t.seq)
			b, ok, err := tx.get(key)
			var j Job
			if err == nil && ok {
				j, err = decodeJob(key, b)
			}
			if !ok || err != nil {
				if err != nil && !errors.Is(err, ErrDamaged) {
					return err
				}
				g.w.bury(tx, s, t, "damaged")
				continue
			}
			t.attempts++
			expires := tx.now + max(1, ttl.Milliseconds())
			g.lease(tx, t, expires)
			s.leased++
			j.Attempts, j.Expires = int(t.attempts), fromMillis(expires)
			j.Lease = leaseToken(v.epoch, t.seq, t.attempts)
			jobs = append(jobs, j)
		}
		return c.Err()
	})
	if err != nil {
		return nil, err
	}
	return jobs, nil
}

func (g *Group) lease(tx *tx, t turnOf, expires int64) {
	key := g.w.seqKey(g.name, subLeased, t.seq)
	tx.put(key, encodeNumbers(key, uint64(expires), uint64(t.priority), t.attempts))
	tx.put(g.w.timeKey(g.name, subExpiry, expires, t.seq), []byte{})
}

// leased returns the lease of a job.
func (g *Group) leased(tx *tx, seq uint64) (t turnOf, expires int64, err error) {
	key := g.w.seqKey(g.name, subLeased, seq)
	b, ok, err := tx.get(key)
	if err != nil {
		return t, 0, err
	}
	if !ok {
		return t, 0, ErrLeaseLost
	}
	var e, p uint64
	err = decodeNumbers(key, b, &e, &p, &t.attempts)
	t.seq, t.priority = seq, int(p)
	return t, int64(e), err
}

// unlease takes a lease back that token is for.
func (g *Group) unlease(tx *tx, token string) (v *workState, s *groupState, t turnOf, err error) {
	at, attempts, err := parseLease(token)
	if err != nil {
		return nil, nil, t, err
	}
	t, expires, err := g.leased(tx, at.Seq)
	if err == nil && (at.Epoch != g.w.st.now.epoch || t.attempts != attempts) {
		err = ErrLeaseLost
	}
	if err != nil {
		return nil, nil, t, err
	}
	if v, s, err = g.state(tx); err != nil {
		return nil, nil, t, err
	}
	g.dropLease(tx, s, t.seq, expires)
	return v, s, t, nil
}

func (g *Group) dropLease(tx *tx, s *groupState, seq uint64, expires int64) {
	tx.remove(g.w.seqKey(g.name, subLeased, seq))
	tx.remove(g.w.timeKey(g.name, subExpiry, expires, seq))
	s.leased -= min(1, s.leased)
}

// Ack says that a job is done. When it returns that is durable. The error
// wraps [ErrLeaseLost] when the lease was over and the job went elsewhere: it
// may be done twice.
func (g *Group) Ack(ctx context.Context, lease string) error {
	return g.do(ctx, true, false, func(tx *tx) error {
		v, _, t, err := g.unlease(tx, lease)
		if err != nil {
			return err
		}
		return g.w.release(tx, v, t.seq)
	})
}

// Nack gives a job back, to be leased again after delay, or to be dead with
// that reason when it was tried often enough. The error may be [ErrLeaseLost].
func (g *Group) Nack(ctx context.Context, lease string, delay time.Duration, reason string) error {
	err := g.do(ctx, true, false, func(tx *tx) error {
		_, s, t, err := g.unlease(tx, lease)
		if err != nil {
			return err
		}
		g.again(tx, s, t, tx.now+delay.Milliseconds(), reason)
		return nil
	})
	if err == nil {
		g.w.notify()
	}
	return err
}

// Kill makes a job dead at once, whatever attempts are left to it.
func (g *Group) Kill(ctx context.Context, lease string, reason string) error {
	return g.do(ctx, true, false, func(tx *tx) error {
		_, s, t, err := g.unlease(tx, lease)
		if err != nil {
			return err
		}
		g.w.bury(tx, s, t, shorten(reason))
		return nil
	})
}

func (g *Group) again(tx *tx, s *groupState, t turnOf, due int64, reason string) {
	if t.attempts >= uint64(g.w.opt.Load().MaxAttempts) {
		g.w.bury(tx, s, t, shorten(reason))
		return
	}
	g.w.enqueue(tx, s, t, due)
}

func shorten(s string) string { return s[:min(len(s), maxName)] }

// Extend makes a lease end ttl from now. The error may be [ErrLeaseLost].
func (g *Group) Extend(ctx context.Context, lease string, ttl time.Duration) error {
	return g.do(ctx, true, false, func(tx *tx) error {
		_, s, t, err := g.unlease(tx, lease)
		if err != nil {
			return err
		}
		g.lease(tx, t, tx.now+max(1, ttl.Milliseconds()))
		s.leased++
		return nil
	})
}

// due returns when the next delayed job is due or the next lease is over, in
// milliseconds.
func (g *Group) due(st Storage) (ms int64, err error) {
	ms = math.MaxInt64
	for _, sub := range []byte{subDelayed, subExpiry} {
		lo := g.key(string(rune(sub)))
		c := st.Cursor(lo, after(lo))
		if c.Next() && len(c.Key()) == len(lo)+16 {
			ms = min(ms, int64(lastNumber(c.Key()[:len(lo)+8])))
		}
		err = errors.Join(err, c.Err())
		c.Close()
	}
	return ms, err
}

// revive makes jobs ready whose time has come or whose lease is over.
func (g *Group) revive(ctx context.Context) error {
	for {
		var due int64
		err := g.w.s.reading(func(st Storage) (err error) {
			due, err = g.due(st)
			return err
		})
		if err != nil || due > g.w.s.c.now().UnixMilli() {
			return err
		}
		if err := g.do(ctx, false, true, g.reviveSome); err != nil {
			return err
		}
	}
}

func (g *Group) reviveSome(tx *tx) error {
	_, s, err := g.state(tx)
	if err != nil {
		return err
	}
	each := func(sub byte, f func(seq uint64, v []byte) error) error {
		lo := g.key(string(rune(sub)))
		c := tx.c.storage.Cursor(lo, appendNumber(bytes.Clone(lo), uint64(tx.now)+1))
		defer c.Close()
		for n := 0; n < 1024 && c.Next(); n++ {
			tx.batch.Delete(c.Key())
			if err := f(lastNumber(c.Key()), c.Value()); err != nil {
				return err
			}
		}
		return c.Err()
	}
	err = each(subDelayed, func(seq uint64, v []byte) error {
		t := turnOf{seq: seq}
		var p uint64
		if d, err := unsealUnchecked(v); err == nil {
			p, t.attempts = d.number(), d.number()
		}
		t.priority = int(min(p, MaxPriority))
		s.delayed -= min(1, s.delayed)
		g.w.enqueue(tx, s, t, 0)
		return nil
	})
	if err != nil {
		return err
	}
	return each(subExpiry, func(seq uint64, _ []byte) error {
		t, expires, err := g.leased(tx, seq)
		switch {
		case errors.Is(err, ErrLeaseLost):
			return nil // was given back
		case errors.Is(err, ErrDamaged):
			t = turnOf{seq: seq}
		case err != nil:
			return err
		case expires > tx.now:
			return nil // was extended
		}
		tx.remove(g.w.seqKey(g.name, subLeased, seq))
		s.leased -= min(1, s.leased)
		g.again(tx, s, t, 0, "lease expired")
		return nil
	})
}

// unsealUnchecked opens a value for what can be made of it; a delayed job
// whose row is damaged is still a job.
func unsealUnchecked(v []byte) (*decoder, error) {
	if len(v) < sealSize {
		return nil, ErrDamaged
	}
	return &decoder{rest: v[sealSize:]}, nil
}

// Wait returns when there may be something to lease, or with ctx's error.
func (g *Group) Wait(ctx context.Context) error {
	for {
		g.w.mu.Lock()
		pushed := g.w.pushed
		g.w.mu.Unlock()
		v := g.w.st.get()
		s, ok := v.group(g.name)
		if g.w.gone.Load() || !ok {
			return fmt.Errorf("queue: work %q, group %q: %w", g.w.name, g.name, ErrNotFound)
		}
		if s.ready > 0 {
			return ctx.Err()
		}
		var due int64
		if err := g.w.s.reading(func(st Storage) (err error) { due, err = g.due(st); return err }); err != nil {
			return err
		}
		// Nobody tells of a lease that was made meanwhile, so look again
		// after a minute even when nothing is due.
		wait := time.Duration(min(due-g.w.s.c.now().UnixMilli(), 60_000)) * time.Millisecond
		if wait <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(wait)
		select {
		case <-pushed:
		case <-timer.C:
		case <-g.w.s.stopped.Done():
			timer.Stop()
			return ErrClosed
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// A DeadJob is a job that is not tried again.
type DeadJob struct {
	Job
	Reason string
	Died   time.Time
}

// Dead yields the dead jobs, oldest first, that come after the sequence
// given; at most limit, or all when limit is zero.
func (g *Group) Dead(ctx context.Context, after uint64, limit int) iter.Seq2[DeadJob, error] {
	return func(yield func(DeadJob, error) bool) {
		pos, end := after, false
		for left := limit; !end; {
			var list []DeadJob
			err := g.w.s.reading(func(st Storage) (err error) {
				list, end, err = g.deadPiece(st, pos)
				return err
			})
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(DeadJob{}, err)
				return
			}
			for _, d := range list {
				pos = d.Seq
				if !yield(d, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
		}
	}
}

func (g *Group) deadPiece(st Storage, pos uint64) (list []DeadJob, end bool, err error) {
	p := g.key(string(rune(subDead)))
	c := st.Cursor(g.w.seqKey(g.name, subDead, pos+1), after(p))
	defer c.Close()
	for size := 0; len(list) < chunkEntries && size < chunkBytes; {
		if !c.Next() {
			return list, true, c.Err()
		}
		t, ms, reason, err := decodeDead(c.Key(), c.Value())
		if err != nil {
			reason = err.Error()
		}
		d := DeadJob{Reason: reason, Died: fromMillis(ms)}
		key := g.w.jobKey(t.seq)
		if b, ok, err := st.Get(key); err == nil && ok {
			if j, err := decodeJob(key, b); err == nil {
				d.Job = j
			}
		}
		d.Seq, d.Priority, d.Attempts = lastNumber(c.Key()), t.priority, int(t.attempts)
		size += len(d.Data) + len(d.Header)
		list = append(list, d)
	}
	return list, false, nil
}

// Replay makes dead jobs ready again, as if they had never been tried; all of
// them when no sequence is given. It returns how many there were.
func (g *Group) Replay(ctx context.Context, seqs ...uint64) (int, error) {
	n, err := g.eachDead(ctx, seqs, func(tx *tx, _ *workState, s *groupState, t turnOf, _ int64) error {
		t.attempts = 0
		g.w.enqueue(tx, s, t, 0)
		return nil
	}, nil)
	g.w.notify()
	return n, err
}

// PurgeDead removes dead jobs; all of them when no sequence is given. It
// returns how many there were.
func (g *Group) PurgeDead(ctx context.Context, seqs ...uint64) (int, error) {
	return g.eachDead(ctx, seqs, func(tx *tx, v *workState, _ *groupState, t turnOf, _ int64) error {
		return g.w.release(tx, v, t.seq)
	}, nil)
}

// eachDead takes dead jobs from the dead and gives them to f.
func (g *Group) eachDead(ctx context.Context, seqs []uint64, f func(*tx, *workState, *groupState, turnOf, int64) error, only func(ms int64) bool) (total int, err error) {
	one := func(tx *tx, v *workState, s *groupState, key, b []byte) error {
		t, ms, _, err := decodeDead(key, b)
		if err != nil {
			t = turnOf{seq: lastNumber(key)}
		}
		if only != nil && !only(ms) {
			return nil
		}
		tx.remove(key)
		s.dead -= min(1, s.dead)
		total++
		return f(tx, v, s, t, ms)
	}
	for _, seq := range seqs {
		err := g.do(ctx, true, false, func(tx *tx) error {
			key := g.w.seqKey(g.name, subDead, seq)
			b, ok, err := tx.get(key)
			if err != nil || !ok {
				return err
			}
			v, s, err := g.state(tx)
			if err != nil {
				return err
			}
			return one(tx, v, s, key, b)
		})
		if err != nil {
			return total, err
		}
	}
	lo := g.key(string(rune(subDead)))
	hi := after(lo)
	for more := len(seqs) == 0; more; {
		err := g.do(ctx, true, true, func(tx *tx) error {
			more = false
			v, s, err := g.state(tx)
			if err != nil {
				return err
			}
			c := tx.c.storage.Cursor(lo, hi)
			defer c.Close()
			for n := 0; c.Next(); n++ {
				if n == 512 {
					lo, more = bytes.Clone(c.Key()), true
					return nil
				}
				if err := one(tx, v, s, bytes.Clone(c.Key()), c.Value()); err != nil {
					return err
				}
			}
			return c.Err()
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// clean implements [cleaner]: it removes dead jobs over their age.
func (w *Work) clean(ctx context.Context) error {
	age := w.opt.Load().DeadAge.Milliseconds()
	if age <= 0 || w.gone.Load() {
		return nil
	}
	now := w.s.c.now().UnixMilli()
	for _, s := range w.Stats() {
		g := &Group{w, s.Group}
		if s.Dead == 0 {
			continue
		}
		_, err := g.eachDead(ctx, nil, func(tx *tx, v *workState, _ *groupState, t turnOf, _ int64) error {
			return w.release(tx, v, t.seq)
		}, func(ms int64) bool { return now-ms >= age })
		if err != nil {
			return err
		}
	}
	return nil
}
