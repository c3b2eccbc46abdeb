package main

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/examples/chat/room"
	"github.com/roomwire/roomwire/sio"
)

func TestBotAnswersInTheChat(t *testing.T) {
	srv := sio.NewServer(nil)
	room.Attach(srv.Of("/"))
	hs := httptest.NewServer(srv)
	defer hs.Close()
	defer srv.Close()
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	ended := make(chan error, 1)

	c := client.New(hs.URL, &client.Options{Auth: map[string]string{"nick": "ann", "room": "lobby"}})
	defer c.Close()
	s := c.Of("/")
	online, said := make(chan struct{}, 8), make(chan message, 8)
	client.On(s, "online", func(_ context.Context, v struct{ Names []string }) error {
		if len(v.Names) == 2 {
			online <- struct{}{}
		}
		return nil
	})
	client.On(s, "chat message", func(_ context.Context, m message) error { said <- m; return nil })
	if err := s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	botCtx, stopBot := context.WithCancel(ctx)
	go func() { ended <- run(botCtx, hs.URL, "bot") }()
	<-online
	if err := s.Emit(ctx, "chat message", "!echo hello there"); err != nil {
		t.Fatal(err)
	}
	for m := range said {
		if m.From == "bot" {
			if m.Text != "hello there" {
				t.Errorf("the bot said %q", m.Text)
			}
			break
		}
	}
	stopBot()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
