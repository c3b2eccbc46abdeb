package remote

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/event"
)

// Open connects to the namespaces, one after the other. setup is called with
// each socket before it connects. Unlike the client itself Open gives up at the
// first failure, since somebody waits at the terminal; a connection that is
// lost later comes back by itself. Its errors are a [Trouble].
func (t *Target) Open(ctx context.Context, o *client.Options, names []string, setup func(s *client.Socket)) (*client.Client, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var opened atomic.Bool
	next := o.Hooks.Error
	o.Hooks.Error = func(err error) {
		if !opened.Load() {
			fail(err)
		}
		if next != nil {
			next(err)
		}
	}
	c := client.New(t.URL(), o)
	sockets := make([]*client.Socket, len(names))
	for i, name := range names {
		sockets[i] = c.Of(name)
		if setup != nil {
			setup(sockets[i])
		}
	}
	for _, s := range sockets {
		if err := t.join(ctx, s); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	opened.Store(true)
	return c, nil
}

// join connects one socket.
func (t *Target) join(ctx context.Context, s *client.Socket) error {
	timed, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	err := s.Connect(timed)
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*event.Error)):
		return t.Refused(s.Namespace(), err)
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.Canceled):
		return t.Unreachable(context.Cause(ctx)) // what the attempt failed with
	case ctx.Err() == nil && s.Client().Engine() != nil:
		return &Trouble{
			What: fmt.Sprintf("the server did not answer joining namespace %s", s.Namespace()), Err: err,
			Tried: "CONNECT to " + s.Namespace() + " at " + t.URL(), Answer: "none within " + t.Timeout.String() + ", though the connection stands",
			Next: []string{"a longer --timeout: the server may be busy, or its middleware may never call next()"},
		}
	}
	return t.Unreachable(err)
}
