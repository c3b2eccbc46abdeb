package goclient_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomwire/roomwire/client"
)

// size reads a number from the environment.
func size(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// TestServerIsKilledUnderLoad kills the server again and again while clients
// call it. With retries no call may fail, and all clients come back.
// SOAK_CLIENTS and SOAK_KILLS make it longer: 500 and 20 is the soak.
func TestServerIsKilledUnderLoad(t *testing.T) {
	clients, kills := size("SOAK_CLIENTS", 20), size("SOAK_KILLS", 3)
	everywhere(t, func(w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		w.ctx = ctx
		s := w.target.start(t, serverOptions{}, 0)
		before, files := runtime.NumGoroutine(), descriptors()
		var calls, reconnects atomic.Int64
		var all []*client.Client
		var sockets []*client.Socket
		for range clients {
			c := w.client(s, func(o *client.Options) { o.Retries, o.AckTimeout = 1000, 2*time.Second })
			so := c.Of("/")
			so.OnConnect(func(context.Context) { reconnects.Add(1) })
			all, sockets = append(all, c), append(sockets, so)
		}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for i, so := range sockets {
			wg.Go(func() {
				if err := so.Connect(ctx); err != nil {
					t.Error(err)
					return
				}
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					want := fmt.Sprint(i, " ", n)
					if got, err := client.Call[string](ctx, so, "echo", want); got != want || err != nil {
						t.Errorf("call %s: %q, %v", want, got, err)
						return
					}
					calls.Add(1)
				}
			})
		}
		port := s.port
		for k := range kills {
			for deadline := time.Now().Add(time.Minute); ; {
				up := 0
				for _, so := range sockets {
					if so.Connected() {
						up++
					}
				}
				if up == clients {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("kill %d: %d of %d came back", k, up, clients)
				}
				<-time.After(20 * time.Millisecond)
			}
			<-time.After(100 * time.Millisecond)
			s.stop()
			<-time.After(50 * time.Millisecond)
			s = w.target.start(t, serverOptions{}, port)
		}
		for _, so := range sockets { // the last time
			for !so.Connected() && ctx.Err() == nil {
				<-time.After(10 * time.Millisecond)
			}
		}
		close(stop)
		wg.Wait()
		for _, c := range all {
			_ = c.Close()
		}
		t.Logf("%d calls, %d connections", calls.Load(), reconnects.Load())
		if reconnects.Load() < int64(clients*(kills+1)) {
			t.Errorf("%d connections of %d clients and %d kills", reconnects.Load(), clients, kills)
		}
		for i := 0; runtime.NumGoroutine() > before+5 || descriptors() > files+10; i++ {
			if i == 200 {
				t.Fatalf("%d goroutines, %d before; %d descriptors, %d before", runtime.NumGoroutine(), before, descriptors(), files)
			}
			<-time.After(10 * time.Millisecond)
		}
	})
}
