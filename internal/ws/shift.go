package ws

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomwire/roomwire/internal/stack"
)

// patience is how long a job may take before somebody else reads, and up to
// twice that. A shorter one costs each message that a goroutine waits for: the
// kernel has to set its clock to an earlier time.
const patience = 50 * time.Millisecond

// wary is how many jobs are refused after one that took long or waited: what
// comes meanwhile should not have to wait for the next one as well.
const wary = 1000

// A Job is what [Conn.Defer] is given. One of its methods is called, once.
type Job = interface {
	Do()   // does the work, however long that takes
	Pass() // has it done elsewhere, and returns at once
}

// A shift is that of a goroutine which reads a connection by itself, and does
// what comes of that, too: to wake another one for it costs more than a short
// job does. While a job takes long, a stand-in reads.
//
// It does not ask the kernel for more after a read that did not fill the buffer:
// that is most often in vain, and the poller tells of what comes later. Only the
// end may have come together with the last bytes, of which the poller has told
// already: so the clock has the goroutine ask once more when nothing came for a
// while.
type shift struct {
	r   *reader
	end func(error)

	// Of whoever reads.
	deferred bool // there may be a job
	thorough bool // it is the stand-in, which always asks for more

	steps    atomic.Uint32 // reads so far
	watching atomic.Bool   // the clock is set

	mu      sync.Mutex
	next    Job         // that waits; nil: none
	busy    bool        // a job is being done
	refuse  int         // so many of those that come
	standIn *standIn    // nil: none
	told    bool        // the stand-in has told end
	ended   bool        // the clock has no more to do
	clock   *time.Timer // nil before the first read
	seen    uint32      // steps when the clock last looked
}

// A standIn reads while the goroutine whose shift it is does a job. Package net
// lets one goroutine at a time read a descriptor, so it has one of its own.
type standIn struct {
	file *os.File
	done chan struct{}
}

// Defer has the goroutine that reads do job, as soon as the handler was told of
// all that has been read, and reports whether it will. The caller has to be a
// handler's Message. A job that waits when [Conn.Block] is called is passed on.
func (c *Conn) Defer(job Job) bool { return c.shift != nil && c.shift.take(job) }

// Relieve has somebody read if the goroutine that should is doing a job.
func (c *Conn) Relieve() {
	if c.shift != nil {
		c.shift.relieve()
	}
}

func (s *shift) take(job Job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.next != nil, s.standIn != nil:
		return false
	case s.refuse > 0:
		s.refuse--
		return false
	}
	s.next, s.deferred = job, true
	return true
}

// serve is the goroutine.
func (s *shift) serve() {
	stack.Large()
	err := s.r.run()
	s.mu.Lock()
	s.ended = true
	if s.clock != nil {
		s.clock.Stop()
	}
	told := s.told
	s.mu.Unlock()
	if told {
		s.r.c.end()
		return
	}
	s.r.finish(err, s.end)
}

// received follows a read, which filled the buffer or not. It does the job, if
// there is one, and reports whether to ask for more at once.
func (s *shift) received(full bool) (more bool) {
	s.steps.Add(1)
	if !s.watching.Load() {
		s.mu.Lock()
		s.watch()
		s.mu.Unlock()
	}
	relieved := s.deferred && s.work()
	return full || s.thorough || relieved
}

// work does the job, if there is one, and reports whether there was a stand-in:
// it may have been called off before it asked for more.
func (s *shift) work() (relieved bool) {
	s.deferred = false
	s.mu.Lock()
	job := s.next
	s.next, s.busy = nil, job != nil
	s.mu.Unlock()
	if job == nil {
		return false
	}
	job.Do()
	s.mu.Lock()
	s.busy = false
	other := s.standIn
	s.mu.Unlock()
	if other == nil {
		return false
	}
	_ = other.file.SetReadDeadline(aged)
	<-other.done
	s.thorough = false
	s.mu.Lock()
	s.standIn = nil
	s.mu.Unlock()
	return true
}

// watch sets the clock. mu is held.
func (s *shift) watch() {
	s.watching.Store(true)
	if s.clock == nil {
		s.clock = time.AfterFunc(patience, s.look)
	} else {
		s.clock.Reset(patience)
	}
}

// look is called by the clock.
func (s *shift) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.steps.Load()
	still := now == s.seen
	s.seen = now
	switch {
	case s.ended:
	case !still:
		s.watch()
	case s.busy:
		if s.call(); s.standIn == nil {
			s.watch() // and try again
		} else {
			s.watching.Store(false) // nothing to see to until it is called off
		}
	default:
		s.watching.Store(false)
		if s.steps.Load() != now { // and the clock was taken for set
			s.watch()
			return
		}
		_ = s.r.c.nc.SetReadDeadline(aged) // see again
	}
}

// again reports whether the goroutine is to ask for more: it was woken, by a
// deadline, for that, and not to end.
func (s *shift) again() bool {
	if s == nil || s.r.c.closed() || s.r.c.nc.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	return !s.r.c.closed() // it may have been closed before the deadline was lifted
}

// relieve calls a stand-in if a job is being done, and passes on one that has
// not begun.
func (s *shift) relieve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.busy:
		s.call()
	case s.next != nil:
		s.next.Pass()
		s.next = nil
		s.refuse = wary
	}
}

// call makes sure that there is a stand-in, unless the process is out of
// descriptors. mu is held.
func (s *shift) call() {
	if s.standIn != nil {
		return
	}
	s.refuse = wary
	nc, ok := s.r.c.nc.(interface{ File() (*os.File, error) })
	if !ok {
		return
	}
	if file, err := nc.File(); err == nil {
		s.standIn = &standIn{file: file, done: make(chan struct{})}
		go s.replace(s.standIn)
	}
}

// replace is the goroutine of a stand-in. The one whose shift it is waits for
// it when its job is done.
func (s *shift) replace(other *standIn) {
	stack.Small()
	defer close(other.done)
	defer other.file.Close()
	s.thorough = true
	r := s.r
	if r.c.closed() { // before there was somebody to wake
		_ = other.file.SetReadDeadline(aged)
	}
	raw, err := other.file.SyscallConn()
	if err == nil {
		err = raw.Read(r.ready)
	}
	if r.err == nil {
		if !r.c.closed() {
			return // the job is done
		}
		r.err = err
	}
	s.mu.Lock()
	s.told = true
	s.mu.Unlock()
	r.tell(r.err, s.end)
}

// wake lets a stand-in notice that the connection was closed.
func (s *shift) wake() {
	if file := s.reads(); file != nil {
		_ = file.SetReadDeadline(aged)
	}
}

// reads returns what a stand-in reads, or nil.
func (s *shift) reads() *os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standIn == nil {
		return nil
	}
	return s.standIn.file
}
