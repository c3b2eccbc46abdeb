package sio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

func TestLongNamesAreRefused(t *testing.T) {
	w := serve(t, nil)
	joined := make(chan error, 2)
	w.srv.Of("/").OnConnect(func(ctx context.Context, s *sio.Socket) error {
		joined <- s.Join(ctx, "fine", strings.Repeat("r", 4<<10+1))
		joined <- s.Join(ctx, strings.Repeat("r", 4<<10))
		return nil
	})
	w.srv.OfFunc(func(context.Context, *sio.Socket, string) bool { return true })
	p := w.connect()
	if err := receive(t, joined); !errors.Is(err, sio.ErrNameTooLong) {
		t.Errorf("a room with a long name: %v", err)
	}
	if err := receive(t, joined); err != nil {
		t.Errorf("a room with the longest name: %v", err)
	}
	long := "/" + strings.Repeat("n", 4<<10)
	p.send("40" + long + ",")
	p.expect("44" + long + `,{"message":"name of the namespace is too long"}`)
	p.send("40" + long[:4<<10] + ",")
	p.expect("40" + long[:4<<10] + `,{"sid":"{sid}"}`)
	if n := w.srv.Stats().RoomOverflows; n != 1 {
		t.Errorf("%d refusals were counted", n)
	}
}

func TestClientsDoNotFillTheLogWithErrors(t *testing.T) {
	var log strings.Builder
	w := serve(t, &sio.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	left := make(chan struct{})
	sio.On(w.srv.Of("/"), "join", func(ctx context.Context, s *sio.Socket, room string) error { return s.Join(ctx, room) })
	w.srv.Of("/").Handle("wait", func(ctx context.Context, r *sio.Request) (any, error) {
		<-ctx.Done()
		return nil, r.Socket.Emit(context.Background(), "late")
	})
	w.srv.Of("/").OnDisconnect(func(context.Context, *sio.Socket, sio.Reason) { close(left) })
	p := w.connect()
	p.send(`421["join","` + strings.Repeat("r", 5000) + `"]`)
	p.expect(`431[{"error":{"message":"internal error"}}]`)
	p.send(`42["wait"]`)
	p.cut()
	receive(t, left)
	if log.Len() > 0 {
		t.Errorf("the log has %s", log.String())
	}
}
