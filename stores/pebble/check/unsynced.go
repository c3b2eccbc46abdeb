package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/roomwire/roomwire/stores/pebble"
)

// crashCycle works on fs for a while and then lets the power fail: what was
// not synced is gone, or partly gone. It verifies what is left and returns it.
// The store sees fs through disk.
func crashCycle(fs *vfs.MemFS, disk func(vfs.FS) vfs.FS, m *model, r *rand.Rand) (left *vfs.MemFS, steps int, err error) {
	m.prepare(r)
	cfg := vfs.CrashCloneCfg{}
	if r.IntN(2) == 0 {
		cfg.UnsyncedDataPercent = 1 + r.IntN(100)
		cfg.RNG = rand.New(rand.NewPCG(r.Uint64(), 0))
	}
	var (
		mu             sync.Mutex
		history        []step
		certain, begun int
	)
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(history)
	}
	crashed := make(chan struct{})
	crash := sync.OnceFunc(func() {
		// What was acknowledged before the crash begins is certain. What is
		// acknowledged while it happens may be on either side of it.
		certain = count()
		left = fs.CrashClone(cfg)
		begun = count()
		close(crashed)
	})
	s, err := pebble.Open("data", options(m.plan.Die.on(disk(fs), crash)))
	if err != nil {
		return nil, 0, broken("reopen", "%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, s, m.plan, func(st step) {
			mu.Lock()
			defer mu.Unlock()
			history = append(history, st)
		})
	}()
	select {
	case <-crashed:
	case <-time.After(time.Duration(r.IntN(60_000)) * time.Microsecond):
		crash()
	}
	cancel()
	// The power may fail before the workload has even opened its queues.
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		return nil, 0, err
	}
	if err := s.Close(); err != nil {
		return nil, 0, err
	}
	for i, st := range history[:begun] {
		if i >= certain {
			if st.Done = false; st.Again {
				continue
			}
		}
		if err := m.hear(st); err != nil {
			return nil, certain, err
		}
	}
	return left, certain, reopen("data", left, m)
}
