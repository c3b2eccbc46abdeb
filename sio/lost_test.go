package sio_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
)

// TestHookThatFailsBecauseTheClientIsGoneDisconnectsNobody lets OnConnect learn
// of the end of the connection before its reader does: the client was lost, not
// turned away, so that its session stays.
func TestHookThatFailsBecauseTheClientIsGoneDisconnectsNobody(t *testing.T) {
	held, begun, failed := make(chan struct{}), make(chan struct{}, 1), make(chan struct{}, 1)
	left := make(chan sio.Reason, 1)
	w := serve(t, &sio.Options{Recovery: &sio.Recovery{}, Engine: engine.Options{Hooks: engine.Hooks{
		Packet: func(_ *engine.Conn, out bool, _ byte, size int) {
			if !out && size > 1 { // what follows CONNECT
				<-held
			}
		},
	}}})
	ns := w.srv.Of("/")
	ns.OnConnect(func(ctx context.Context, s *sio.Socket) error {
		begun <- struct{}{}
		for {
			if err := s.Emit(ctx, "e"); err != nil {
				failed <- struct{}{}
				return err
			}
		}
	})
	ns.OnDisconnect(func(_ context.Context, _ *sio.Socket, why sio.Reason) { left <- why })
	p := w.dial()
	p.send("40", `42["any"]`)
	receive(t, begun)
	p.cut()
	receive(t, failed)
	for range 1000 { // time for what must not happen
		runtime.Gosched()
	}
	close(held)
	if why := receive(t, left); !why.Recoverable() {
		t.Errorf("it left for %q", why)
	}
}

// TestContextOfAClosedSocketDoesNotCallBack does what package context does when
// a context is derived from that of a socket in the moment when it closes.
func TestContextOfAClosedSocketDoesNotCallBack(t *testing.T) {
	w := serve(t, nil)
	joined := make(chan *sio.Socket, 1)
	w.srv.Of("/").OnConnect(func(_ context.Context, s *sio.Socket) error { joined <- s; return nil })
	p := w.connect()
	ctx := receive(t, joined).Context()
	p.cut()
	<-ctx.Done()

	var mu sync.Mutex
	called := make(chan struct{})
	mu.Lock()
	stop := ctx.(interface{ AfterFunc(func()) func() bool }).AfterFunc(func() {
		mu.Lock()
		defer mu.Unlock()
		close(called)
	})
	mu.Unlock()
	<-called
	if stop() {
		t.Error("stop took back what was called")
	}
}
