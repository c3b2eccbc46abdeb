package pebble_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/stores/pebble"
)

// fillLog appends n records of 128 bytes, in batches, over so many rooms.
func fillLog(b *testing.B, l *queue.Log, n, rooms int) {
	b.Helper()
	data := make([]byte, 128)
	for i := 0; i < n; {
		var rs []queue.Record
		for ; i < n && len(rs) < 1000; i++ {
			rs = append(rs, queue.Record{Rooms: []string{fmt.Sprint("room-", i%rooms)}, Data: data})
		}
		if _, err := l.AppendBatch(context.Background(), rs, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCatchUp reads what a client missed in five rooms: ten records each,
// in a log of 300,000 records over 10,000 rooms.
func BenchmarkCatchUp(b *testing.B) {
	s := openBench(b)
	l, err := s.Log(context.Background(), "/", nil)
	if err != nil {
		b.Fatal(err)
	}
	fillLog(b, l, 300_000, 10_000)
	epoch := l.Bounds().Epoch
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for i := range b.N {
		var rooms []string
		for k := range 5 {
			rooms = append(rooms, fmt.Sprint("room-", (i*5+k)*7%10_000))
		}
		begun := time.Now()
		n := 0
		for _, err := range l.Read(context.Background(), queue.Offset{Epoch: epoch, Seq: 200_000}, rooms, 0) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		took = append(took, time.Since(begun))
		if n != 50 {
			b.Fatalf("%d records", n)
		}
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) + int64(m.StackInuse)
}

// BenchmarkIdleMailboxes says what 100,000 mailboxes with one message each
// cost while nobody is there.
func BenchmarkIdleMailboxes(b *testing.B) {
	const n = 100_000
	for range b.N {
		s := openBench(b)
		m, err := s.Mailboxes(context.Background(), "acme", nil)
		if err != nil {
			b.Fatal(err)
		}
		before, goroutines := heap(), runtime.NumGoroutine()
		sem := make(chan struct{}, 64)
		for i := range n {
			sem <- struct{}{}
			go func() {
				defer func() { <-sem }()
				if _, err := m.Box(fmt.Sprint("user-", i), "").Publish(context.Background(), queue.Outgoing{Data: make([]byte, 64)}, nil); err != nil {
					b.Error(err)
				}
			}()
		}
		for range cap(sem) {
			sem <- struct{}{}
		}
		b.ReportMetric(float64(heap()-before)/n, "B/mailbox")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
		b.ReportMetric(float64(s.DiskUsage())/n, "disk-B/mailbox")
		if got := m.Stats().Pending; got != n {
			b.Fatalf("%d messages", got)
		}
		s.Close()
	}
}

// BenchmarkRestart opens a store with a million messages that was killed, and
// serves the first read and the first write.
func BenchmarkRestart(b *testing.B) {
	s := openBench(b)
	l, err := s.Log(context.Background(), "/", nil)
	if err != nil {
		b.Fatal(err)
	}
	fillLog(b, l, 1_000_000, 10_000)
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		dir := filepath.Join(b.TempDir(), fmt.Sprint(i))
		if err := os.CopyFS(dir, os.DirFS(s.Dir())); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		c, err := pebble.Open(dir, &pebble.Options{Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		l, err := c.Log(context.Background(), "/", nil)
		if err != nil {
			b.Fatal(err)
		}
		end := l.Bounds().End()
		for _, err := range l.Read(context.Background(), queue.Offset{Epoch: end.Epoch, Seq: end.Seq - 100}, []string{"room-1"}, 0) {
			if err != nil {
				b.Fatal(err)
			}
		}
		if a, err := l.Append(context.Background(), queue.Record{}); err != nil || a.Offset.Seq != 1_000_001 {
			b.Fatal(a, err)
		}
		b.StopTimer()
		c.Close()
		os.RemoveAll(dir)
		b.StartTimer()
	}
}
