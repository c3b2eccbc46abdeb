package mailroom_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

// Rooms whose names begin with "chat:" are stored: who comes back to them is
// recovered and has missed nothing. queue.Memory stands for a store on disk.
func ExampleLog() {
	store, err := queue.Open(queue.Memory(), nil)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	srv := sio.NewServer(&sio.Options{Recovery: &sio.Recovery{
		Log:     mailroom.Log(store, nil),
		Durable: func(room string) bool { return strings.HasPrefix(room, "chat:") },
	}})
	defer srv.Close()
	fmt.Println(srv.To("chat:lobby").Emit(context.Background(), "message", "hello"))
	log, _ := store.Log(context.Background(), "/", nil)
	fmt.Println(log.Bounds().Count, "stored")
	// Output:
	// <nil>
	// 1 stored
}

// A message waits for its recipient, whether or not that one is connected.
func ExampleOffice() {
	ctx := context.Background()
	store, err := queue.Open(queue.Memory(), nil)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	boxes, err := store.Mailboxes(ctx, "acme", nil)
	if err != nil {
		panic(err)
	}
	office := mailroom.New(boxes, nil)
	defer office.Close()

	srv := sio.NewServer(nil)
	defer srv.Close()
	srv.Of("/").OnConnect(func(ctx context.Context, s *sio.Socket) error {
		// The user's name comes from a session in a real server.
		_, err := office.Attach(s, "ada", "order", nil)
		return err
	})
	http.Handle("/socket.io/", srv)

	receipt, err := office.Publish(ctx, "ada", "order", map[string]int{"pizzas": 2})
	fmt.Println(receipt.MessageID != "", err)
	fmt.Println(office.Waiting("ada", "order"))
	// Output:
	// true <nil>
	// 1 <nil>
}

// Clients of any kind publish, subscribe, ask for all and receive; each only
// what is theirs.
func ExampleServe() {
	store, err := queue.Open(queue.Memory(), nil)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	boxes, err := store.Mailboxes(context.Background(), "acme", nil)
	if err != nil {
		panic(err)
	}
	office := mailroom.New(boxes, nil)
	defer office.Close()
	srv := sio.NewServer(nil)
	defer srv.Close()
	mailroom.Serve(srv.Of("/mail"), office, &mailroom.ServeOptions{
		Authorize: func(_ context.Context, s *sio.Socket, a mailroom.Action, recipient, _ string) error {
			if a != mailroom.ActionPublish && s.Get("user") != recipient {
				return &sio.Error{Message: "not your mailbox"}
			}
			return nil
		},
	})
}
