package pebble_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	upstream "github.com/cockroachdb/pebble/v2"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/stores/pebble"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func openBench(b *testing.B) *pebble.Store {
	b.Helper()
	s, err := pebble.Open(b.TempDir(), &pebble.Options{Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// publishers runs f from n goroutines at once until b is done.
func publishers(b *testing.B, n int, f func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range n {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if err := f(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func BenchmarkAppend(b *testing.B) {
	ctx := context.Background()
	data := make([]byte, 128)
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("plain/%d", n), func(b *testing.B) {
			db, err := upstream.Open(b.TempDir(), &upstream.Options{Logger: upstreamLogger{}})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			publishers(b, n, func(i int) error {
				return db.Set(binary.BigEndian.AppendUint64([]byte("room-17/"), uint64(i)), data, upstream.Sync)
			})
		})
		b.Run(fmt.Sprintf("log/%d", n), func(b *testing.B) {
			l, err := openBench(b).Log(ctx, "/", nil)
			if err != nil {
				b.Fatal(err)
			}
			publishers(b, n, func(i int) error {
				_, err := l.Append(ctx, queue.Record{Rooms: []string{"room-17"}, Data: data})
				return err
			})
		})
		b.Run(fmt.Sprintf("log-with-ids/%d", n), func(b *testing.B) {
			l, err := openBench(b).Log(ctx, "/", nil)
			if err != nil {
				b.Fatal(err)
			}
			publishers(b, n, func(i int) error {
				_, err := l.AppendBatch(ctx, []queue.Record{{ID: fmt.Sprint("publish-", i), Rooms: []string{"room-17"}, Data: data}}, func([]queue.Appended) {})
				return err
			})
		})
	}
}

type upstreamLogger struct{}

func (upstreamLogger) Infof(string, ...any)         {}
func (upstreamLogger) Errorf(string, ...any)        {}
func (upstreamLogger) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
