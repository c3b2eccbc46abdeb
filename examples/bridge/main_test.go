package main

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/roomwire/roomwire/sio"
)

func TestBridgeCarriesEventsBothWays(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	type heard struct {
		text string
		data []byte
	}
	news, replies, connected := make(chan heard, 1), make(chan heard, 1), make(chan *sio.Socket, 2)
	server := func(event string, to chan heard) (*sio.Server, string) {
		srv := sio.NewServer(nil)
		srv.Of("/").Handle(event, func(_ context.Context, r *sio.Request) (any, error) {
			var h heard
			err := r.Bind(&h.text, &h.data)
			to <- h
			return nil, err
		})
		srv.Of("/").OnConnect(func(_ context.Context, s *sio.Socket) error { connected <- s; return nil })
		hs := httptest.NewServer(srv)
		t.Cleanup(func() { _ = srv.Close(); hs.Close() })
		return srv, hs.URL
	}
	a, urlA := server("reply", replies)
	b, urlB := server("news", news)
	bridging, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- bridge(bridging, urlA, urlB, []string{"news"}, []string{"reply"}) }()
	<-connected
	<-connected
	if err := a.Emit(ctx, "news", "there", []byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	if h := <-news; h.text != "there" || string(h.data) != "\x01\x02" {
		t.Errorf("the other server heard %v", h)
	}
	if err := b.Emit(ctx, "reply", "and back", nil); err != nil {
		t.Fatal(err)
	}
	if h := <-replies; h.text != "and back" {
		t.Errorf("the first server heard %v", h)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := bridge(ctx, urlA, urlB, []string{"x"}, []string{"x"}); err == nil {
		t.Error("an event may go in circles")
	}
}
