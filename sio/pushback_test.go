package sio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
)

// A handler that waits for the end of its socket, with a full queue behind it,
// must not keep the server from noticing that end.
func TestFullQueueDoesNotHideTheEndOfTheConnection(t *testing.T) {
	w := serve(t, &sio.Options{Engine: engine.Options{PingInterval: 100 * time.Millisecond, PingTimeout: 100 * time.Millisecond}})
	ended := make(chan struct{}, 1000)
	w.srv.Of("/").Handle("wait", func(ctx context.Context, _ *sio.Request) (any, error) {
		<-ctx.Done()
		ended <- struct{}{}
		return nil, nil
	})
	p := w.connect()
	for range 600 { // twice what fits, since a batch is with the handler
		p.send(`42["wait"]`)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the handler still waits")
	}
}

func TestManyRoomNamesAreNotComparedEachWithEach(t *testing.T) {
	w := serve(t, nil)
	names := make([]string, 500_000) // a thousand, over and over
	for i := range names {
		names[i] = fmt.Sprint(i % 1000)
	}
	took := make(chan time.Duration, 2)
	join := func(ctx context.Context, s *sio.Socket) error {
		began := time.Now()
		err := errors.Join(s.Join(ctx, names[:1000]...), s.Join(ctx, names...))
		if !errors.Is(s.Join(ctx, "one more"), sio.ErrTooManyRooms) {
			t.Error("one more room was joined")
		}
		took <- time.Since(began)
		return err
	}
	w.srv.Of("/").Use(join) // before it is in
	w.srv.Of("/").OnConnect(join)
	w.connect()
	for range 2 {
		if d := receive(t, took); d > 2*time.Second { // half a billion comparisons take longer
			t.Errorf("it took %v", d)
		}
	}
}
