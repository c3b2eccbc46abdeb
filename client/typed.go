package client

import (
	"context"

	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/internal/typed"
)

// On calls fn for each event called name, with its arguments as an In: its only
// one, or, when In embeds [event.Args], each a field. An error, if the server
// asked for an acknowledgement, is answered as [Socket.Handle] says; success is
// answered emptily. Arguments of the wrong type are answered with an error. off takes fn away.
func On[In any](s *Socket, name event.Of[In], fn func(ctx context.Context, in In) error) (off func()) {
	return s.handle1(string(name), &handler{fn: takes(fn)})
}

// Once is [On] for the next event only.
func Once[In any](s *Socket, name event.Of[In], fn func(ctx context.Context, in In) error) (off func()) {
	return s.handle1(string(name), &handler{fn: takes(fn), once: true})
}

func takes[In any](fn func(ctx context.Context, in In) error) func(context.Context, *Request) (any, error) {
	plan := typed.PlanFor[In]()
	return func(ctx context.Context, r *Request) (any, error) {
		in, err := bind(plan, r)
		if err != nil {
			return nil, err
		}
		return nil, fn(ctx, in)
	}
}

// OnCall calls fn for each event called name and acknowledges it with what fn
// returns: one value, or, when Out embeds [event.Args], its fields.
func OnCall[In, Out any](s *Socket, name event.Call[In, Out], fn func(ctx context.Context, in In) (Out, error)) (off func()) {
	plan := typed.PlanFor[In]()
	return s.Handle(string(name), func(ctx context.Context, r *Request) (any, error) {
		in, err := bind(plan, r)
		if err != nil {
			return nil, err
		}
		out, err := fn(ctx, in)
		return values(typed.Args(out)), err
	})
}

// Call sends an event through c, a socket, waits for the acknowledgement and
// returns its first value.
func Call[Out any](ctx context.Context, c event.Caller, name string, args ...any) (Out, error) {
	var out Out
	err := c.EmitAck(ctx, name, &out, args...)
	return out, err
}

// bind decodes the arguments of an event. What is wrong with them is for the
// server to know.
func bind[In any](plan *typed.Plan[In], r *Request) (In, error) {
	in, err := plan.Decode(r.Socket.c.codec, r.w.payload, 1)
	if err != nil {
		r.Socket.c.o.Logger.Warn("client: arguments do not fit", "namespace", r.Socket.namespace, "event", r.Name, "err", err)
		err = &event.Error{Message: err.Error()}
	}
	return in, err
}
