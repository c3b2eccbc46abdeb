package lane

import (
	"runtime"
	"sync"
	"time"

	"github.com/roomwire/roomwire/internal/stack"
)

// A Crew runs the work of many lanes, each piece of which may block for as long
// as it likes, on as few new goroutines as possible. A goroutine of its own for
// each burst of work of each lane costs more than the work does: it begins with
// a small stack and has to grow it.
//
// There is always a goroutine on its way to a job that waits: whoever takes a
// job while others wait calls for one more before it begins. As long as jobs
// are short, the goroutine that is there does them all, and the one that was
// called finds nothing to do. Of those without work as many stay for a second
// or two as can run at once, and the one on its way; all others end.
//
// The zero Crew is ready to use. Its methods may be called by many goroutines
// at once.
type Crew struct {
	mu      sync.Mutex
	jobs    []job
	head    int
	coming  int       // goroutines that have not looked for a job yet
	resting int       // that wait for a word in wake
	most    int       // that may
	wake    chan bool // true: there is a job; false: end
	spare   int       // of those that rest: never called since the clock last looked
	clock   *time.Timer
	closed  bool
	running sync.WaitGroup
}

// A job is a lane that has work.
type job interface{ work() }

// rest is how long a goroutine that nobody needs waits, and up to twice that.
const rest = time.Second

// Close makes goroutines end as soon as they have no work. The crew goes on to
// do what comes.
func (c *Crew) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.dismiss(c.resting)
	if c.clock != nil {
		c.clock.Stop()
		c.clock = nil
	}
}

// Wait returns when all that was begun is done and, after Close, every
// goroutine has ended. No work may come meanwhile.
func (c *Crew) Wait() { c.running.Wait() }

// do has j done soon, on another goroutine.
func (c *Crew) do(j job) {
	c.mu.Lock()
	c.jobs = append(c.jobs, j)
	c.call()
	c.mu.Unlock()
}

// call makes sure that a goroutine is on its way. mu is held.
func (c *Crew) call() {
	switch {
	case c.coming > 0:
		return
	case c.resting > 0:
		c.resting--
		c.spare = min(c.spare, c.resting)
		c.wake <- true
	default:
		c.running.Add(1)
		go c.work()
	}
	c.coming++
}

// work is a goroutine of the crew.
func (c *Crew) work() {
	defer c.running.Done()
	stack.Large()
	c.mu.Lock()
	c.coming--
	for {
		j := c.take()
		if j == nil {
			if !c.linger() {
				break
			}
			continue
		}
		if c.head < len(c.jobs) {
			c.call()
		}
		c.mu.Unlock()
		j.work()
		c.mu.Lock()
	}
	c.mu.Unlock()
}

// linger waits for a job and reports whether there may be one. mu is held, but
// not while it waits.
func (c *Crew) linger() bool {
	if c.coming == 0 {
		// Those who are about to bring work get the time to do so.
		c.coming++
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
		c.coming--
		if c.head < len(c.jobs) {
			return true
		}
	}
	if c.most == 0 {
		c.most = runtime.GOMAXPROCS(0) + 1
		c.wake = make(chan bool, c.most+1) // so that nobody waits to send
	}
	if c.resting == c.most || c.closed {
		return false
	}
	c.resting++
	if c.clock == nil {
		c.spare = 0
		c.clock = time.AfterFunc(rest, c.look)
	}
	wake := c.wake
	c.mu.Unlock()
	called := <-wake
	c.mu.Lock()
	if called {
		c.coming--
	}
	return called
}

// look dismisses those that rest and were not needed since it last looked.
func (c *Crew) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clock == nil {
		return
	}
	c.dismiss(c.spare)
	if c.spare = c.resting; c.resting == 0 {
		c.clock = nil
		return
	}
	c.clock.Reset(rest)
}

// dismiss ends n of those that rest. mu is held.
func (c *Crew) dismiss(n int) {
	c.resting -= n
	for range n {
		c.wake <- false
	}
}

// take returns the next job, or nil. mu is held.
func (c *Crew) take() (j job) {
	if c.head == len(c.jobs) {
		return nil
	}
	j = c.jobs[c.head]
	c.jobs[c.head] = nil
	c.head++
	if c.head == len(c.jobs) {
		c.jobs, c.head = c.jobs[:0], 0
		if cap(c.jobs) > 1<<12 {
			c.jobs = nil
		}
	}
	return j
}
