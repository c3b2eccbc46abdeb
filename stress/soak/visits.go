package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A crowd opens connections at a steady rate, some of which are attacks.
type crowd struct {
	addr string

	opened, attacks, failed, skipped atomic.Int64
	live                             atomic.Int64
	wg                               sync.WaitGroup

	mu    sync.Mutex
	kinds map[string]int // what was opened
	wrong []string       // what went wrong, the first of them
}

// most bounds what may be open at once, so that a server that hangs is not
// buried under connections.
const most = 8000

// arrive opens connections until ctx is done.
func (c *crowd) arrive(ctx context.Context, rate int, seed uint64) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for come := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// By the clock, so that a late tick brings what it missed.
		due := int(time.Since(began).Seconds() * float64(rate))
		c.come(due-come, seed)
		come = due
	}
}

// come opens n connections.
func (c *crowd) come(n int, seed uint64) {
	for range n {
		i := uint64(c.opened.Add(1))
		if c.live.Load() >= most {
			c.skipped.Add(1)
			continue
		}
		c.live.Add(1)
		c.wg.Go(func() {
			defer c.live.Add(-1)
			c.one(rand.New(rand.NewPCG(seed, i)), i)
		})
	}
}

// one is one connection: one in five is an attack.
func (c *crowd) one(r *rand.Rand, i uint64) {
	if r.IntN(5) == 0 {
		a := attacks[r.IntN(len(attacks))]
		if a.rare && r.IntN(20) > 0 {
			a = attacks[0]
		}
		c.count("attack: " + a.name)
		c.attacks.Add(1)
		if err := a.run(c.addr, r); err != nil {
			c.fail(fmt.Errorf("attack %q: %w", a.name, err))
		}
		return
	}
	kind := []string{"WebSocket", "WebSocket", "polling", "upgrade"}[r.IntN(4)]
	c.count(kind)
	if err := visit(c.addr, kind, r, int(i)); err != nil {
		c.fail(fmt.Errorf("%s: %w", kind, err))
	}
}

func (c *crowd) count(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds[kind]++
}

func (c *crowd) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed.Add(1) <= 20 {
		c.wrong = append(c.wrong, err.Error())
		fmt.Println("  wrong:", err)
	}
}

// visit is an honest session: it has to be served whatever others do.
func visit(addr, kind string, r *rand.Rand, n int) error {
	s, err := open(addr, kind == "WebSocket")
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer s.close()
	if err := s.join(); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if kind == "upgrade" {
		if err := s.upgrade(); err != nil {
			return fmt.Errorf("upgrade: %w", err)
		}
	}
	room := fmt.Sprintf("room-%d", r.IntN(200))
	if err := s.ack(0, `["join","`+room+`"]`, `[]`); err != nil {
		return err
	}
	for i := range 1 + r.IntN(3) {
		word := fmt.Sprintf("%d-%d-%s", n, i, strings.Repeat("x", r.IntN(300)))
		if err := s.ack(i+1, `["echo","`+word+`"]`, `["`+word+`"]`); err != nil {
			return err
		}
		if r.IntN(4) == 0 {
			if err := s.send(`42["roomcast","` + room + `","` + word + `"]`); err != nil {
				return err
			}
		}
		time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
	}
	switch r.IntN(3) {
	case 0:
		s.cut()
	case 1:
		s.leave()
	} // else it just hangs up
	return nil
}

// A canary asks for an echo over and over.
type canary struct {
	name string

	mu    sync.Mutex
	worst time.Duration // since the last look
	ever  time.Duration
	n     int
	over  int // echoes that took longer than the promise
	err   error
}

// promise is what an echo may take.
const promise = 500 * time.Millisecond

func (k *canary) sing(addr string, quit <-chan struct{}) {
	s, err := open(addr, k.name == "WebSocket")
	if err == nil {
		defer s.close()
		err = s.join()
	}
	for i := 0; err == nil; i++ {
		select {
		case <-quit:
			s.leave()
			return
		case <-time.After(50 * time.Millisecond):
		}
		began := time.Now()
		err = s.ack(i, `["echo","still here"]`, `["still here"]`)
		took := time.Since(began)
		k.mu.Lock()
		k.worst, k.ever = max(k.worst, took), max(k.ever, took)
		k.n++
		if took > promise {
			k.over++
		}
		k.mu.Unlock()
	}
	k.mu.Lock()
	k.err = err
	k.mu.Unlock()
}

// look returns the longest echo since the last look.
func (k *canary) look() (time.Duration, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	worst := k.worst
	k.worst = 0
	return worst, k.err
}

// rush opens many connections at once and gives them up, so that what the
// runtime never gives back, as the descriptors of goroutines that have ended,
// is there from the start and not from the first busy moment on.
func rush(addr string) error {
	const n = 5000
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	opened := make(chan *session, n)
	for range cap(errs) {
		wg.Go(func() {
			for range n / cap(errs) {
				s, err := waiting(addr)
				if err != nil {
					errs <- err
					return
				}
				opened <- s
			}
		})
	}
	wg.Wait()
	close(opened)
	for s := range opened {
		s.cut()
	}
	select {
	case err := <-errs:
		return fmt.Errorf("rush: %w", err)
	default:
		return nil
	}
}

// waiting opens a polling session and leaves a poll waiting, which takes the
// most goroutines.
func waiting(addr string) (*session, error) {
	s, err := open(addr, false)
	if err == nil {
		_, err = s.Write([]byte(request("GET", s.target(), "")))
	}
	return s, err
}
