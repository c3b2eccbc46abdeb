package sio

import (
	"context"

	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/internal/typed"
)

// A Registrar holds handlers: a [*Namespace], for all its sockets, or a
// [*Socket], for itself.
type Registrar interface {
	// Handle registers h for an event and returns what removes it.
	Handle(event string, h Handler) (off func())
}

// On calls fn for each event called name, with its argument as an In, and
// returns what removes fn: socket.on. The name is a string constant or an
// [event.Of] of a contract; In follows from fn.
//
// The argument is decoded as by encoding/json; []byte holds binary. An In that
// embeds event.Args takes one argument for each field; struct{} takes none. An
// event whose arguments do not fit is not handled: its sender, if it wants an
// acknowledgement, learns why. The acknowledgement of an event that fn handles
// without error is empty; that of an error is described at [OnCall].
//
// On panics when the event has a handler, when the name is reserved, and when
// no In can be decoded.
func On[In any](r Registrar, name event.Of[In], fn func(ctx context.Context, s *Socket, in In) error) (off func()) {
	return r.Handle(string(name), handlerOf(fn))
}

// Once is On for the next such event of a socket only: socket.once.
func Once[In any](s *Socket, name event.Of[In], fn func(ctx context.Context, s *Socket, in In) error) (off func()) {
	return s.Once(string(name), handlerOf(fn))
}

func handlerOf[In any](fn func(ctx context.Context, s *Socket, in In) error) Handler {
	plan := typed.PlanFor[In]()
	return func(ctx context.Context, r *Request) (any, error) {
		in, err := plan.Decode(r.codec, r.args, 0)
		if err != nil {
			return nil, badArguments(err)
		}
		return nil, fn(ctx, r.Socket, in)
	}
}

// OnCall calls fn for each event called name and acknowledges it with what fn
// returns: socket.on with a callback. An Out that embeds event.Args answers
// with several values.
//
// When fn fails, the acknowledgement is one object, {"error": {"message",
// "data"}}, with the message and data of an [*Error], or with "internal error"
// for any other error, which is logged. Everything else is as with [On].
func OnCall[In, Out any](r Registrar, name event.Call[In, Out], fn func(ctx context.Context, s *Socket, in In) (Out, error)) (off func()) {
	plan := typed.PlanFor[In]()
	return r.Handle(string(name), func(ctx context.Context, r *Request) (any, error) {
		in, err := plan.Decode(r.codec, r.args, 0)
		if err != nil {
			return nil, badArguments(err)
		}
		out, err := fn(ctx, r.Socket, in)
		if err != nil {
			return nil, err
		}
		return Args{out}, nil
	})
}

// Call sends an event to a socket and waits for the acknowledgement, which it
// decodes: emitWithAck. See [Socket.EmitAck].
func Call[Out any](ctx context.Context, to event.Caller, name string, args ...any) (Out, error) {
	var out Out
	err := to.EmitAck(ctx, name, &out, args...)
	return out, err
}
