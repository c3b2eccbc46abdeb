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
	var opened, stands atomic.Bool
	onOpen, onClose := o.Hooks.Open, o.Hooks.Close
	o.Hooks.Open = func() {
		stands.Store(true)
		if onOpen != nil {
			onOpen()
		}
	}
	o.Hooks.Close = func(why client.Reason, err error) {
		if why != client.ClientDisconnect { // which is how giving up ends
			stands.Store(false)
		}
		if onClose != nil {
			onClose(why, err)
		}
	}
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
		if err := t.join(ctx, s, &stands); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	opened.Store(true)
	return c, nil
}

// join connects one socket. stands tells that there is a connection.
func (t *Target) join(ctx context.Context, s *client.Socket, stands *atomic.Bool) error {
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
	case ctx.Err() == nil && stands.Load():
		return &Trouble{
			What: fmt.Sprintf("the server did not answer joining namespace %s", s.Namespace()), Err: err,
			Tried: "CONNECT to " + s.Namespace() + " at " + t.URL(), Answer: "none within " + t.Timeout.String() + ", though the connection stands",
			Next: []string{"a longer --timeout: the server may be busy, or its middleware may never call next()"},
		}
	}
	return t.Unreachable(err)
}
