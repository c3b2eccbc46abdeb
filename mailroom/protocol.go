package mailroom

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

// An Action is what a client asks for in the queue protocol: the event's name.
type Action string

// The actions.
const (
	ActionPublish     Action = "publish"
	ActionSubscribe   Action = "subscribe"
	ActionUnsubscribe Action = "unsubscribe"
	ActionGetAll      Action = "getAll"
	ActionReceived    Action = "received"
)

// ServeOptions configure [Serve].
type ServeOptions struct {
	// Authorize is asked before every action of a client. An *sio.Error is
	// what the client reads; of other errors it learns nothing. nil lets every
	// client do everything, for every recipient.
	Authorize func(ctx context.Context, s *sio.Socket, a Action, recipient, topic string) error
	// NoPublish leaves publish out, so that only the server publishes.
	NoPublish bool
}

// Serve registers the queue protocol on a namespace. Nil options are the
// defaults. It panics when one of its events has a handler.
func Serve(ns *sio.Namespace, o *Office, opts *ServeOptions) {
	p := &protocol{o: o}
	if opts != nil {
		p.opts = *opts
	}
	if !p.opts.NoPublish {
		p.handle(ns, ActionPublish, p.publish)
	}
	p.handle(ns, ActionSubscribe, p.subscribe)
	p.handle(ns, ActionUnsubscribe, p.unsubscribe)
	p.handle(ns, ActionGetAll, p.getAll)
	p.handle(ns, ActionReceived, p.received)
}

type protocol struct {
	o    *Office
	opts ServeOptions
}

// An order is the one argument of every action.
type order struct {
	ClientID  string          `json:"clientId"`
	Event     string          `json:"event"`
	MessageID string          `json:"messageID"`
	Payload   json.RawMessage `json:"payload"`
	Ack       bool            `json:"ack"`
}

// errOrder answers what cannot be decoded; the decoder speaks of Go types.
var errOrder = &sio.Error{Message: "want one object, whose clientId, event and messageID are text"}

type orderHandler func(ctx context.Context, r *sio.Request, in *order) (any, error)

// handle registers an action.
func (p *protocol) handle(ns *sio.Namespace, action Action, h orderHandler) {
	ns.Handle(string(action), func(ctx context.Context, r *sio.Request) (any, error) {
		var in order
		if err := r.Bind(&in); err != nil {
			return nil, errOrder
		}
		switch {
		case in.ClientID == "":
			return nil, &sio.Error{Message: "clientId is missing"}
		case in.Event == "":
			return nil, &sio.Error{Message: "event is missing"}
		case reserved(in.Event):
			return nil, &sio.Error{Message: "event name is reserved"}
		}
		if p.opts.Authorize != nil {
			if err := p.opts.Authorize(ctx, r.Socket, action, in.ClientID, in.Event); err != nil {
				return nil, err
			}
		}
		reply, err := h(ctx, r, &in)
		return reply, Public(err)
	})
}

// reserved reports whether nothing can be sent as an event of that name.
func reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

func (p *protocol) publish(ctx context.Context, r *sio.Request, in *order) (any, error) {
	if len(in.Payload) == 0 {
		in.Payload = json.RawMessage("null")
	}
	payload := &sio.Payload{Data: append(append([]byte("["), in.Payload...), ']'), Attachments: r.Args().Attachments}
	// It is stored also when the client goes away meanwhile.
	receipt, err := p.o.Post(context.WithoutCancel(ctx), Letter{Recipient: in.ClientID, Topic: in.Event, ID: in.MessageID, Payload: payload})
	if err != nil {
		return nil, err
	}
	return receipt, nil
}

func (p *protocol) subscribe(_ context.Context, r *sio.Request, in *order) (any, error) {
	if p.o.subscription(r.Socket, in.ClientID, in.Event) == nil {
		opts := AttachOptions{ByEvent: !in.Ack, New: !in.Ack}
		if _, err := p.o.Attach(r.Socket, in.ClientID, in.Event, &opts); err != nil {
			return nil, err
		}
	}
	n, err := p.o.Waiting(in.ClientID, in.Event)
	return map[string]int64{"waiting": n}, err
}

func (p *protocol) unsubscribe(_ context.Context, r *sio.Request, in *order) (any, error) {
	if a := p.o.subscription(r.Socket, in.ClientID, in.Event); a != nil {
		a.Detach()
	}
	return nil, nil
}

func (p *protocol) getAll(ctx context.Context, r *sio.Request, in *order) (any, error) {
	a := p.o.subscription(r.Socket, in.ClientID, in.Event)
	if a == nil {
		var err error
		a, err = p.o.attach(r.Socket, p.o.boxes.Box(in.ClientID, in.Event), AttachOptions{ByEvent: true, New: true}, false)
		if err != nil {
			return nil, err
		}
		defer a.Detach()
	}
	n, err := a.Replay(ctx)
	return map[string]int{"count": n}, err
}

func (p *protocol) received(ctx context.Context, _ *sio.Request, in *order) (any, error) {
	if in.MessageID == "" {
		return nil, &sio.Error{Message: "messageID is missing"}
	}
	n, err := p.o.Received(context.WithoutCancel(ctx), in.ClientID, in.Event, in.MessageID)
	return map[string]int{"removed": n}, err
}

// Public returns err as a client may read it, for handlers that use an
// [Office]: nil stays nil, and what a client can do nothing about stays private.
func Public(err error) error {
	var e *sio.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	for _, known := range []struct {
		err  error
		text string
	}{
		{queue.ErrMailboxFull, "mailbox is full"},
		{queue.ErrTooLarge, "too large"},
		{queue.ErrRefused, "storage takes no more messages"},
		{ErrTooMany, "too many subscriptions"},
		{ErrID, "messageID cannot be used"},
		{errOneValue, "a message is one value"},
		{ErrClosed, "connection is closed"},
		{context.Canceled, "connection is closed"}, // nobody reads it; it is no failure
	} {
		if errors.Is(err, known.err) {
			return &sio.Error{Message: known.text}
		}
	}
	return err
}
