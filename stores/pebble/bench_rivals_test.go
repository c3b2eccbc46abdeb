package pebble_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	upstream "github.com/cockroachdb/pebble/v2"

	"github.com/roomwire/roomwire/queue"
)

// redisServer starts Debian's redis-server, with an append-only file that is
// synced before every answer, and returns its address.
func redisServer(b *testing.B) string {
	b.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return ""
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--dir", b.TempDir(), "--appendonly", "yes", "--appendfsync", "always", "--save", "")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
	}
	b.Fatal("redis-server does not answer")
	return ""
}

// redisAdder returns a function that appends to a stream on a connection of its own.
func redisAdder(b *testing.B, addr string) func(data []byte) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	r := bufio.NewReader(c)
	return func(data []byte) error {
		if _, err := fmt.Fprintf(c, "*5\r\n$4\r\nXADD\r\n$7\r\nroom-17\r\n$1\r\n*\r\n$1\r\nd\r\n$%d\r\n%s\r\n", len(data), data); err != nil {
			return err
		}
		line, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "$") {
			return errors.Join(err, errors.New("redis: "+line))
		}
		_, err = r.ReadString('\n')
		return err
	}
}

// BenchmarkRivals lets 64 publishers append to each engine in turn, a slice of
// time each, and reports the medians of the ratios within a round. It compares
// on a machine that has other things to do, too.
func BenchmarkRivals(b *testing.B) {
	const publishers, rounds, slice = 64, 9, 400 * time.Millisecond
	ctx, data := context.Background(), make([]byte, 128)
	db, err := upstream.Open(b.TempDir(), &upstream.Options{Logger: upstreamLogger{}, MemTableSize: 8 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	s := openBench(b)
	l, err := s.Log(ctx, "/", nil)
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Uint64
	engines := map[string]func(worker int) error{
		"plain": func(int) error {
			return db.Set(binary.BigEndian.AppendUint64([]byte("room-17/"), n.Add(1)), data, upstream.Sync)
		},
		"log": func(int) error {
			_, err := l.Append(ctx, queue.Record{Rooms: []string{"room-17"}, Data: data})
			return err
		},
		"ids": func(int) error {
			_, err := l.Append(ctx, queue.Record{ID: fmt.Sprint("publish-", n.Add(1)), Rooms: []string{"room-17"}, Data: data})
			return err
		},
	}
	if addr := redisServer(b); addr != "" {
		add := make([]func([]byte) error, publishers)
		for i := range add {
			add[i] = redisAdder(b, addr)
		}
		engines["redis"] = func(w int) error { return add[w](data) }
	}
	measure := func(f func(int) error) float64 {
		var done atomic.Int64
		var wg sync.WaitGroup
		begun := time.Now()
		for w := range publishers {
			wg.Go(func() {
				for time.Since(begun) < slice {
					if err := f(w); err != nil {
						b.Error(err)
						return
					}
					done.Add(1)
				}
			})
		}
		wg.Wait()
		return float64(done.Load()) / time.Since(begun).Seconds()
	}
	rates := make(map[string][]float64)
	for range b.N {
		for range rounds {
			for name, f := range engines {
				rates[name] = append(rates[name], measure(f))
			}
		}
	}
	median := func(list []float64) float64 {
		list = slices.Sorted(slices.Values(list))
		return list[len(list)/2]
	}
	for name, list := range rates {
		b.ReportMetric(median(list), name+"/s")
		if name == "plain" || name == "redis" {
			for _, ours := range []string{"log", "ids"} {
				var ratios []float64
				for i := range list {
					ratios = append(ratios, rates[ours][i]/list[i])
				}
				b.ReportMetric(median(ratios), ours+":"+name)
			}
		}
	}
}
