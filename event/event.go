// Package event names events and the Go types they carry.
//
// A contract shared by a server and its Go clients is a block of constants:
//
//	const (
//		MessageSent event.Of[Message]           = "chat message"
//		History     event.Call[Page, []Message] = "history"
//	)
//
// The constants are handed to sio.On, sio.OnCall, client.On and client.OnCall,
// which hold the handler to the type, and have methods that send.
package event

import "context"

// An Of is the name of an event whose argument is a T.
//
// An untyped string constant converts to an Of of whatever T is needed.
type Of[T any] string

// A Call is the name of an event whose argument is an In and that the peer
// acknowledges with an Out.
type Call[In, Out any] string

// An Emitter sends events: a socket, a set of rooms, a namespace, a client.
type Emitter interface {
	// Emit sends an event; ctx bounds any waiting.
	Emit(ctx context.Context, name string, args ...any) error
}

// A Caller sends events and waits for their acknowledgement.
type Caller interface {
	Emitter
	// EmitAck sends an event, waits for its acknowledgement until ctx is done
	// and decodes it into out, a pointer or nil.
	EmitAck(ctx context.Context, name string, out any, args ...any) error
}

// Emit sends v to everyone behind to.
func (e Of[T]) Emit(ctx context.Context, to Emitter, v T) error {
	return to.Emit(ctx, string(e), v)
}

// Call sends in and waits for the reply, or until ctx is done.
func (e Call[In, Out]) Call(ctx context.Context, to Caller, in In) (Out, error) {
	var out Out
	err := to.EmitAck(ctx, string(e), &out, in)
	return out, err
}

// Args marks a struct as positional: embed it, and each field after it is one
// argument of the event, in order, instead of the struct being the only one.
type Args struct{}

// An Error is an error meant for the peer: the message and data of a
// CONNECT_ERROR when a guard returns it, the error form of an acknowledgement
// when a handler does. Any other error stays on this side.
type Error struct {
	Message string
	Data    any // encoded as JSON; nil: left out
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }
