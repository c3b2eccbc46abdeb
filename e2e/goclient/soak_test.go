package goclient_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
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

// freePort finds a port below those that the kernel gives to outgoing
// connections: one of these would take the port of a server that is down.
func freePort(t *testing.T) int {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
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
		port := freePort(w.T)
		s := w.target.start(w.T, serverOptions{}, port)
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
					w.Error(err)
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
						w.Errorf("call %s: %q, %v", want, got, err)
						return
					}
					calls.Add(1)
				}
			})
		}
		for k := range kills + 1 {
			// Of the k-th server, and not still of the one before.
			for deadline := time.Now().Add(time.Minute); ; {
				up := 0
				for _, so := range sockets {
					if so.Connected() {
						up++
					}
				}
				if up == clients && reconnects.Load() >= int64(clients*(k+1)) {
					break
				}
				if time.Now().After(deadline) {
					w.Fatalf("after %d kills: %d of %d are connected, %d connections so far", k, up, clients, reconnects.Load())
				}
				<-time.After(20 * time.Millisecond)
			}
			if k == kills {
				break
			}
			<-time.After(100 * time.Millisecond)
			s.stop()
			<-time.After(50 * time.Millisecond)
			s = w.target.start(w.T, serverOptions{}, port)
		}
		close(stop)
		wg.Wait()
		for _, c := range all {
			_ = c.Close()
		}
		w.Logf("%d calls, %d connections", calls.Load(), reconnects.Load())
		for i := 0; runtime.NumGoroutine() > before+5 || descriptors() > files+10; i++ {
			if i == 200 {
				w.Fatalf("%d goroutines, %d before; %d descriptors, %d before", runtime.NumGoroutine(), before, descriptors(), files)
			}
			<-time.After(10 * time.Millisecond)
		}
	})
}
