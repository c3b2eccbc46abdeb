package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/event"
)

// Message is what a chat carries.
type Message struct {
	Room, Text string
}

// The contract of a chat, shared with its server.
const (
	MessageSent event.Of[Message]          = "chat message"
	History     event.Call[int, []Message] = "history"
)

func Example() {
	c := client.New("http://localhost:3000", &client.Options{Auth: map[string]string{"token": "secret"}})
	defer c.Close()
	s := c.Of("/")
	client.On(s, MessageSent, func(ctx context.Context, m Message) error {
		fmt.Println(m.Room, m.Text)
		return nil
	})

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var refused *event.Error
	if err := s.Connect(ctx); errors.As(err, &refused) {
		log.Fatal("the server does not want us: ", refused.Message)
	} else if err != nil {
		log.Fatal(err)
	}
	if err := MessageSent.Emit(ctx, s, Message{"lobby", "hello"}); err != nil {
		log.Fatal(err)
	}
	old, err := History.Call(ctx, s, 20)
	fmt.Println(len(old), err)
}

func ExampleOnCall() {
	c := client.New("https://example.com", nil)
	defer c.Close()
	client.OnCall(c.Of("/math"), "divide", func(ctx context.Context, in struct {
		event.Args
		A, B float64
	},
	) (float64, error) {
		if in.B == 0 {
			return 0, &event.Error{Message: "division by zero"} // the server reads this
		}
		return in.A / in.B, nil
	})
}
