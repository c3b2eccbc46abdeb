package lane

import (
	"runtime"
	"sync"
)

// Help is further goroutines that do the same work as the one that asked for
// them. The zero Help is ready to use, by one goroutine.
type Help struct {
	running sync.WaitGroup
	once    sync.Once
	failed  any // what the first panic was about
}

// Ask has work run by as many goroutines as there are further cores.
func (h *Help) Ask(work func()) {
	for range runtime.GOMAXPROCS(0) - 1 {
		h.running.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					h.once.Do(func() { h.failed = v })
				}
			}()
			work()
		})
	}
}

// Wait returns when all that was asked for is done. It panics if that did.
func (h *Help) Wait() {
	h.running.Wait()
	if h.failed != nil {
		panic(h.failed)
	}
}
