package sio_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

func TestHookSeesWhatBecameOfWhatWasSent(t *testing.T) {
	store, err := queue.Open(queue.Memory(), &queue.Options{Janitor: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w := serve(t, &sio.Options{Recovery: &sio.Recovery{
		Log: mailroom.Log(store, nil), Durable: func(room string) bool { return room == "kept" },
	}})
	ns := w.srv.Of("/")
	alive(ns)
	seen := make(chan string, 20)
	ns.OnSent(func(_ context.Context, e sio.Sent) {
		seen <- fmt.Sprint(e.Event, string(e.Args.Data), e.Rooms, e.Except, e.Socket != nil, e.Volatile, e.Delivered, e.Stored.Seq)
	})
	sio.On(ns, "join", func(ctx context.Context, s *sio.Socket, room string) error { return s.Join(ctx, room) })
	sio.On(ns, "go", func(ctx context.Context, s *sio.Socket, _ struct{}) error { return s.Emit(ctx, "one", 1) })
	for range 3 {
		p := w.dial()
		p.send(`40`)
		p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
		p.send(`421["join","kept"]`)
		p.expect(`431[]`)
	}
	p := w.dial()
	p.send(`40`)
	p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	p.send(`421["go"]`)
	if m, ok := p.next(); !ok || !strings.HasPrefix(m, `42["one",1,"`) {
		t.Fatalf("got %s, want the event with its offset", m)
	}
	p.expect(`431[]`)
	emit(t, ns.Target, "all")
	emit(t, ns.To("kept").Except("x"), "stored")
	emit(t, ns.To("nobody").Volatile(), []byte("b"))
	for _, want := range []string{
		`one[1][] [] true false 1 0`,
		`e["all"][] [] false false 4 0`,
		`e["stored"][kept] [x] false false 3 1`,
		`e[{"_placeholder":true,"num":0}][nobody] [] false true 0 0`,
	} {
		if got := receive(t, seen); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
