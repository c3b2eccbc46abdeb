package event_test

import (
	"context"
	"fmt"

	"github.com/roomwire/roomwire/event"
)

type Message struct{ Room, Text string }

// Move is sent as two arguments, x and y, as a JavaScript peer expects that
// calls emit("move", x, y).
type Move struct {
	event.Args
	X, Y int
}

const (
	MessageSent event.Of[Message]       = "chat message"
	Moved       event.Of[Move]          = "move"
	Count       event.Call[string, int] = "count"
)

// room stands for a socket, a client or a set of rooms.
type room struct{}

func (room) Emit(_ context.Context, name string, args ...any) error {
	fmt.Println("emit", name, args)
	return nil
}

func (room) EmitAck(_ context.Context, name string, out any, args ...any) error {
	fmt.Println("call", name, args)
	*out.(*int) = 3
	return nil
}

func Example() {
	ctx := context.Background()
	MessageSent.Emit(ctx, room{}, Message{"lobby", "hello"})
	n, err := Count.Call(ctx, room{}, "lobby")
	fmt.Println(n, err)
	// Output:
	// emit chat message [{lobby hello}]
	// call count [lobby]
	// 3 <nil>
}
