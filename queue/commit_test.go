package queue_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/roomwire/roomwire/queue"
)

// gated is a storage whose Apply waits until it is told to go on.
type gated struct {
	queue.Storage
	gate    chan struct{}
	applied atomic.Int64
}

func (g *gated) Apply(b queue.Batch, sync bool) (func() error, error) {
	<-g.gate
	g.applied.Add(1)
	return g.Storage.Apply(b, sync)
}

func TestWritersShareASyncAndAWaitingOneCanBeWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{Storage: queue.Memory(), gate: make(chan struct{}, 10)}
		g.gate <- struct{}{}
		g.gate <- struct{}{}
		s, err := queue.Open(g, &queue.Options{Janitor: -1})
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.Log(t.Context(), "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		add := func(ctx context.Context) <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := l.Append(ctx, queue.Record{})
				done <- err
			}()
			synctest.Wait()
			return done
		}
		first := add(t.Context()) // leads, and waits in Apply
		ctx, cancel := context.WithCancel(t.Context())
		var rest []<-chan error
		for range 20 {
			rest = append(rest, add(t.Context()))
		}
		withdrawn := add(ctx)
		cancel()
		if err := <-withdrawn; !errors.Is(err, context.Canceled) {
			t.Fatalf("withdrawn: %v", err)
		}
		g.gate <- struct{}{}
		g.gate <- struct{}{}
		for _, done := range append(rest, first) {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if n := l.Bounds().Last; n != 21 {
			t.Fatalf("%d records", n)
		}
		if n := g.applied.Load(); n != 4 {
			t.Fatalf("%d writes, want 2 to open, one for the first and one for all others", n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
