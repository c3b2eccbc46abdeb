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
		goroutines, files := runtime.NumGoroutine(), descriptors()
		soak := &soak{world: w, stop: make(chan struct{})}
		for range clients {
			soak.add(s)
		}
		var talking sync.WaitGroup
		for i := range clients {
			talking.Go(func() { soak.talk(i) })
		}
		for k := range kills {
			soak.awaitConnected(k)
			<-time.After(100 * time.Millisecond)
			s.stop()
			<-time.After(50 * time.Millisecond)
			s = w.target.start(w.T, serverOptions{}, port)
		}
		soak.awaitConnected(kills)
		close(soak.stop)
		talking.Wait()
		for _, c := range soak.clients {
			_ = c.Close()
		}
		w.Logf("%d calls, %d connections", soak.calls.Load(), soak.connects.Load())
		awaitRest(w.T, goroutines, files)
	})
}

// A soak is clients that call a server which is killed now and then.
type soak struct {
	*world
	clients         []*client.Client
	sockets         []*client.Socket
	stop            chan struct{}
	calls, connects atomic.Int64
}

// add adds a client that is not connected yet.
func (k *soak) add(s *server) {
	c := k.client(s, func(o *client.Options) { o.Retries, o.AckTimeout = 1000, 2*time.Second })
	so := c.Of("/")
	so.OnConnect(func(context.Context) { k.connects.Add(1) })
	k.clients, k.sockets = append(k.clients, c), append(k.sockets, so)
}

// talk connects client i and calls the server until the soak stops.
func (k *soak) talk(i int) {
	so := k.sockets[i]
	if err := so.Connect(k.ctx); err != nil {
		k.Error(err)
		return
	}
	for n := 0; ; n++ {
		select {
		case <-k.stop:
			return
		default:
		}
		want := fmt.Sprint(i, " ", n)
		if got, err := client.Call[string](k.ctx, so, "echo", want); got != want || err != nil {
			k.Errorf("call %s: %q, %v", want, got, err)
			return
		}
		k.calls.Add(1)
	}
}

// awaitConnected waits until all are connected after so many kills, and not
// still to the server before.
func (k *soak) awaitConnected(kills int) {
	for deadline := time.Now().Add(time.Minute); ; <-time.After(20 * time.Millisecond) {
		up := 0
		for _, so := range k.sockets {
			if so.Connected() {
				up++
			}
		}
		if up == len(k.sockets) && k.connects.Load() >= int64(len(k.sockets)*(kills+1)) {
			return
		}
		if time.Now().After(deadline) {
			k.Fatalf("after %d kills: %d of %d are connected, %d connections so far", kills, up, len(k.sockets), k.connects.Load())
		}
	}
}

// awaitRest waits until there are no more goroutines and descriptors than before.
func awaitRest(t testing.TB, goroutines, files int) {
	for i := 0; runtime.NumGoroutine() > goroutines+5 || descriptors() > files+10; i++ {
		if i == 200 {
			t.Fatalf("%d goroutines, %d before; %d descriptors, %d before", runtime.NumGoroutine(), goroutines, descriptors(), files)
		}
		<-time.After(10 * time.Millisecond)
	}
}
