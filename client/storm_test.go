package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/client"
)

// Everything at once, from many goroutines, and Close in the middle: nothing
// hangs, nothing is left (TestMain looks), and the race detector has its say.
func TestEverythingAtOnceAndClose(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t, accepting(func(c *fakeConn, p string) {
				switch {
				case strings.HasPrefix(p, "2") && strings.Contains(p, "cut"):
					c.cut()
				case strings.HasPrefix(p, "2") && len(p) > 1 && p[1] != '[' && p[1] != '/':
					c.send("3" + p[1:strings.IndexByte(p, '[')] + "[1]")
					c.send(`2["event",1]`)
				}
			}))
			go func() {
				for range s.packets {
				}
			}()
			go func() {
				for range s.conns {
				}
			}()
			defer close(s.packets)
			defer close(s.conns)
			o := s.options()
			o.ReconnectionDelay, o.ReconnectionDelayMax = time.Millisecond, 5*time.Millisecond
			if seed%3 == 0 {
				o.Retries, o.AckTimeout = 2, 10*time.Millisecond
			}
			c := client.New("http://server", o)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(seed, uint64(g)))
					so := c.Of([]string{"/", "/a", "/b"}[r.IntN(3)])
					for range 60 {
						brief, stop := context.WithTimeout(ctx, time.Duration(r.IntN(4000))*time.Microsecond)
						switch r.IntN(9) {
						case 0, 1, 2:
							_ = so.Connect(brief)
						case 3:
							_ = so.Emit(brief, "plain", []byte{1})
						case 4, 5:
							_ = so.EmitAck(brief, "ack", nil)
						case 6:
							_ = so.Volatile().Emit(brief, "cut")
						case 7:
							so.Disconnect()
						case 8:
							off := client.On(so, "event", func(context.Context, int) error { so.Disconnect(); return nil })
							_ = so.Emit(brief, "cut")
							off()
						}
						stop()
						time.Sleep(time.Duration(r.IntN(1000)) * time.Microsecond)
					}
				})
			}
			if seed%2 == 0 {
				time.Sleep(time.Duration(seed) * time.Millisecond)
			} else {
				wg.Wait()
			}
			_ = c.Close()
			wg.Wait()
			if err := c.Of("/").Emit(ctx, "x"); !errors.Is(err, client.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// A server that stalls in any phase holds Connect no longer than its context,
// and leaves nothing behind.
func TestConnectEndsWithItsContextInEveryPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, func(*fakeConn, string) {}) // CONNECT is not answered
		for name, stall := range map[string]func(o *client.Options){
			"dial": func(o *client.Options) { o.Engine.HTTPClient.Transport = stalled{} },
			"auth": func(o *client.Options) {
				o.AuthFunc = func(ctx context.Context, _ string) (any, error) { <-ctx.Done(); return nil, ctx.Err() }
			},
			"join":  nil,
			"pause": func(o *client.Options) { s.down.Store(true) },
		} {
			s.down.Store(false)
			o := s.options()
			if stall != nil {
				stall(o)
			}
			before := runtime.NumGoroutine()
			c := client.New("http://server", o)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			start := time.Now()
			err := c.Of("/").Connect(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
			cancel()
			start = time.Now()
			_ = c.Close()
			if d := time.Since(start); d > time.Second {
				t.Errorf("%s: Close took %v", name, d)
			}
			synctest.Wait()
			if n := runtime.NumGoroutine(); n > before+8 { // of the server's connection
				t.Errorf("%s: %d goroutines, %d before", name, n, before)
			}
		}
	})
}
