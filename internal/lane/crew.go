package lane

import (
	"runtime"
	"sync"

	"github.com/roomwire/roomwire/internal/stack"
)

// A Crew runs the work of many lanes, each piece of which may block for as long
// as it likes, on as few new goroutines as possible. A goroutine of its own for
// each burst of work of each lane costs more than the work does: it begins with
// a small stack and has to grow it.
//
// There is always a goroutine on its way to a job that waits: whoever takes a
// job while others wait sends for one more before it begins. As long as jobs
// are short, the goroutine that is there does them all, and the one that was
// sent for finds nothing to do and ends. When nothing is to be done there are
// no goroutines.
//
// The zero Crew is ready to use. Its methods may be called by many goroutines
// at once.
type Crew struct {
	mu      sync.Mutex
	jobs    []func()
	head    int
	coming  int // goroutines that have not looked for a job yet
	running sync.WaitGroup
}

// Wait returns when all that was begun is done and every goroutine has ended.
// No work may come meanwhile.
func (c *Crew) Wait() { c.running.Wait() }

// do has job run soon, on another goroutine.
func (c *Crew) do(job func()) {
	c.mu.Lock()
	c.jobs = append(c.jobs, job)
	send := c.send(true)
	c.mu.Unlock()
	if send {
		go c.work()
	}
}

// send reports whether a goroutine has to be sent for. mu is held.
func (c *Crew) send(wanted bool) bool {
	if !wanted || c.coming > 0 {
		return false
	}
	c.coming++
	c.running.Add(1)
	return true
}

// work is a goroutine of the crew.
func (c *Crew) work() {
	defer c.running.Done()
	stack.Large()
	c.mu.Lock()
	c.coming--
	for {
		job := c.take()
		if job == nil {
			if c.coming > 0 {
				break
			}
			// Those who are about to bring work get the time to do so.
			c.coming++
			c.mu.Unlock()
			runtime.Gosched()
			c.mu.Lock()
			c.coming--
			if c.head == len(c.jobs) {
				break
			}
			continue
		}
		send := c.send(c.head < len(c.jobs))
		c.mu.Unlock()
		if send {
			go c.work()
		}
		job()
		c.mu.Lock()
	}
	c.mu.Unlock()
}

// take returns the next job, or nil. mu is held.
func (c *Crew) take() (job func()) {
	if c.head == len(c.jobs) {
		return nil
	}
	job = c.jobs[c.head]
	c.jobs[c.head] = nil
	c.head++
	if c.head == len(c.jobs) {
		c.jobs, c.head = c.jobs[:0], 0
		if cap(c.jobs) > 1<<12 {
			c.jobs = nil
		}
	}
	return job
}
