package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// A steadyClient stays in its rooms from the start to the end, and hears
// everything.
type steadyClient struct {
	*link
	r   *rand.Rand
	in  []int
	seq int
}

func (w *world) newSteady(ctx context.Context, i int) (*steadyClient, error) {
	r := w.rng(kindSteady, uint64(i))
	c := &steadyClient{link: w.newLink(fmt.Sprintf("steady-%d", i), r, nil), r: r}
	for n := range rooms {
		if r.IntN(3) == 0 {
			c.in = append(c.in, n)
		}
	}
	if err := c.connect(ctx); err != nil {
		c.close()
		return nil, err
	}
	if err := c.join(ctx, c.in, "steady"); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *steadyClient) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.act(); err != nil {
			over := "not connected"
			if e := c.c.Engine(); e != nil {
				over = e.Transport()
			}
			c.w.fail("%s, %s: %v", c.name, over, err)
			return
		}
		time.Sleep(time.Duration(c.r.IntN(10)) * time.Millisecond)
	}
}

// act does not end with the time, so that nothing is left in doubt.
func (c *steadyClient) act() error {
	ctx := context.Background()
	switch k := c.r.IntN(20); {
	case k < 9:
		c.seq++
		return c.say(ctx, c.r, c.seq, true)
	case k < 11: // many, then one that tells that all were taken
		for range c.r.IntN(30) {
			c.seq++
			if err := c.say(ctx, c.r, c.seq, false); err != nil {
				return err
			}
		}
		c.seq++
		return c.say(ctx, c.r, c.seq, true)
	case k < 12:
		return c.poll(ctx)
	default:
		return c.talk(ctx, c.r)
	}
}

// poll has the server ask everybody that stays.
func (c *steadyClient) poll(ctx context.Context) error {
	n := c.r.IntN(1000)
	answers, err := eventPoll.Call(ctx, c.s, n)
	if err != nil {
		return err
	}
	if c.w.everybody(len(answers)) {
		for _, v := range answers {
			if v != 2*n {
				return fmt.Errorf("asked for %d, somebody told %d", n, v)
			}
		}
		return nil
	}
	return fmt.Errorf("%d answered", len(answers))
}

// everybody reports whether n may be how many stay: all that had joined.
func (w *world) everybody(n int) bool { return n > 0 && int64(n) <= w.srv.Stats().Connects }

// misses returns what is missing from, or wrong in, what c has heard of a sender.
func (c *steadyClient) misses(from string, all []entry) string {
	c.ear.mu.Lock()
	heard := slices.Clone(c.ear.heard[from])
	c.ear.mu.Unlock()
	i := 0
	for _, e := range all {
		meant := slices.Contains(c.in, e.room) && !slices.Contains(c.in, e.except) && (!e.others || from != c.name)
		got := i < len(heard) && heard[i] == e.seq
		if got {
			i++
		}
		switch {
		case got && !meant:
			return fmt.Sprintf("%s heard event %d of %s, which was for others", c.name, e.seq, from)
		case meant && e.sure && !got:
			return fmt.Sprintf("%s did not hear event %d of %s", c.name, e.seq, from)
		}
	}
	if i < len(heard) {
		return fmt.Sprintf("%s heard event %d of %s out of order, or twice", c.name, heard[i], from)
	}
	return ""
}

// drain waits until everybody who stays has heard everything.
func (w *world) drain(steady []*steadyClient) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if w.first(steady) == "" {
			return
		}
	}
}

func (w *world) first(steady []*steadyClient) string {
	for _, from := range w.senders() {
		all := w.entries(from)
		for _, c := range steady {
			if m := c.misses(from, all); m != "" {
				return m
			}
		}
	}
	return ""
}

// check compares what was heard with what was said.
func (w *world) check(steady []*steadyClient) {
	for _, from := range w.senders() {
		all := w.entries(from)
		for _, c := range steady {
			if m := c.misses(from, all); m != "" {
				w.fail("%s", m)
			}
			if from == c.name && slices.ContainsFunc(all, func(e entry) bool { return !e.sure }) {
				w.fail("%s was left in doubt", from)
			}
		}
	}
	if w.heard.Load() == 0 {
		w.fail("nobody heard anything")
	}
}
