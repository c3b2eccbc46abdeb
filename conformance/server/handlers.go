package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/roomwire/roomwire/parser"
	"github.com/roomwire/roomwire/sio"
)

// handle registers the behaviours of the fixture on a namespace.
func handle(ns *sio.Namespace, f flags) {
	if f.suite {
		ns.OnConnect(func(ctx context.Context, s *sio.Socket) error {
			auth := json.RawMessage("{}")
			if err := s.Auth(&auth); err != nil {
				return err
			}
			return s.Emit(ctx, "auth", auth)
		})
	}
	back := func(_ context.Context, r *sio.Request) (any, error) { return r.Args(), nil }
	ns.Handle("echo", back)
	ns.Handle("message-with-ack", back)
	ns.Handle("message", func(ctx context.Context, r *sio.Request) (any, error) {
		return nil, r.Socket.Emit(ctx, "message-back", r.Args())
	})
	ns.Handle("broadcast", func(ctx context.Context, r *sio.Request) (any, error) {
		return nil, r.Socket.Namespace().Emit(ctx, "broadcast", r.Args())
	})
	ns.Handle("fanout", func(ctx context.Context, r *sio.Request) (any, error) {
		return nil, r.Socket.Namespace().Emit(ctx, "msg", r.Args())
	})
	ns.Handle("join", func(ctx context.Context, r *sio.Request) (any, error) {
		rooms := make([]string, r.Len())
		into := make([]any, len(rooms))
		for i := range rooms {
			into[i] = &rooms[i]
		}
		if err := r.Bind(into...); err != nil {
			return nil, err
		}
		return nil, r.Socket.Join(ctx, rooms...)
	})
	sio.On(ns, "leave", func(ctx context.Context, s *sio.Socket, room string) error { return s.Leave(ctx, room) })
	ns.Handle("room", func(ctx context.Context, r *sio.Request) (any, error) {
		var room string
		args, err := rest(r, &room)
		if err != nil {
			return nil, err
		}
		return nil, r.Socket.To(room).Emit(ctx, "room", args)
	})
	ns.Handle("roomcast", func(ctx context.Context, r *sio.Request) (any, error) {
		var room string
		args, err := rest(r, &room)
		if err != nil {
			return nil, err
		}
		return nil, r.Socket.Namespace().To(room).Emit(ctx, "msg", args)
	})
	ns.Handle("roomcastx", func(ctx context.Context, r *sio.Request) (any, error) {
		var room, except string
		args, err := rest(r, &room, &except)
		if err != nil {
			return nil, err
		}
		return nil, r.Socket.Namespace().To(room).Except(except).Emit(ctx, "msg", args)
	})
	ns.Handle("ask", ask)
	ns.Handle("ask-briefly", func(ctx context.Context, r *sio.Request) (any, error) {
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		return nil, r.Socket.EmitFunc(ctx, "asked", func(context.Context, sio.Reply, error) { cancel() })
	})
	ns.Handle("panic", func(context.Context, *sio.Request) (any, error) { panic("asked for") })
}

// rest decodes the first arguments and returns the others as they came.
func rest(r *sio.Request, first ...*string) (*parser.Payload, error) {
	into := make([]any, len(first))
	for i := range into {
		into[i] = first[i]
	}
	if err := r.Bind(into...); err != nil {
		return nil, err
	}
	others := *r.Args()
	for range first {
		others = parser.JSON.Rest(others)
	}
	return &others, nil
}

// ask asks the client back, without keeping its next events waiting, and tells it the answer.
func ask(ctx context.Context, r *sio.Request) (any, error) {
	s := r.Socket
	return nil, s.EmitFunc(ctx, "asked", func(ctx context.Context, answer sio.Reply, err error) {
		if err == nil {
			_ = s.Emit(ctx, "answered", answer.Args()) // fails only when the client has gone
		}
	}, r.Args())
}
