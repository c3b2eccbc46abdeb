package poller

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/roomwire/roomwire/internal/uring"
)

// A Batch writes to many connections with one system call. One goroutine at a
// time may use it.
type Batch struct {
	of    *batches
	ring  *uring.Ring
	conns []*Conn
}

// batches are those of a Poller: one for each core at most, made when they are
// wanted, and freed when nobody has wanted one for a while.
type batches struct {
	mu    sync.Mutex
	free  []*Batch
	made  int
	used  bool        // since the clock last looked
	short bool        // there was no descriptor or memory for one when it was wanted
	clock *time.Timer // nil: nothing changes with time
	none  bool        // the system has none, one is broken, or Wait has returned
}

// keep is how long batches stay that nobody uses, and up to twice that.
const keep = time.Second

// Batch returns an empty batch for up to [BatchSize] writes, or nil if there is
// none: the system has none, it has no descriptor for one, or all are in use.
// The caller releases it.
func (p *Poller) Batch() *Batch {
	s := &p.batches
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = true
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	if s.none || s.short || s.made >= runtime.GOMAXPROCS(0) {
		return nil
	}
	ring, err := uring.New(BatchSize)
	switch {
	case err == nil:
		s.made++
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		s.short = true // until the clock looks, so that not every message asks in vain
	default:
		s.none = true
		return nil
	}
	if s.clock == nil {
		s.clock = time.AfterFunc(keep, s.look)
	}
	if s.short {
		return nil
	}
	return &Batch{of: s, ring: ring, conns: make([]*Conn, 0, BatchSize)}
}

// Plan plans a [Conn.TryWrite] of data, which is not empty and must stay what it is
// until Write has returned. It reports false, and plans nothing, if c is
// closed.
func (b *Batch) Plan(c *Conn, data []byte) bool {
	if !c.use() {
		return false
	}
	b.conns = append(b.conns, c)
	b.ring.Send(c.fd, data)
	return true
}

// Write does what was planned. After an error this batch is the last one of its
// poller; what the kernel had not looked at was not written.
func (b *Batch) Write() error {
	err := b.ring.Submit()
	for _, c := range b.conns {
		c.used()
	}
	if err != nil {
		b.of.mu.Lock()
		b.of.none = true
		b.of.mu.Unlock()
	}
	return err
}

// Result returns what became of the write number i, as from [Conn.TryWrite].
func (b *Batch) Result(i int) (n int, err error) {
	n, err = b.ring.Result(i)
	if err != nil {
		err = b.conns[i].opError("write", os.NewSyscallError("send", err))
	}
	return n, err
}

// Release gives the batch back, after Write, or if nothing was planned.
func (b *Batch) Release() {
	clear(b.conns) // so that closed connections are not kept
	b.conns = b.conns[:0]
	b.ring.Reset()
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	if b.of.none {
		b.ring.Close()
		return
	}
	b.of.free = append(b.of.free, b)
}

// look frees the batches if nobody wanted one since it last looked, and lets
// others try again to make one.
func (s *batches) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.used || s.none {
		s.drop()
	}
	s.used, s.short = false, false
	if s.made == 0 || s.none {
		s.clock = nil
		return
	}
	s.clock.Reset(keep)
}

// drop frees the batches that are not in use. mu is held.
func (s *batches) drop() {
	for _, b := range s.free {
		b.ring.Close()
	}
	s.made -= len(s.free)
	s.free = nil
}

// close is the end of all batches. Those in use are freed when they are released.
func (s *batches) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.none = true
	s.drop()
	if s.clock != nil {
		s.clock.Stop()
	}
}
