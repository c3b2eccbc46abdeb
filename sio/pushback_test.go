package sio_test

import (
	"context"
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
