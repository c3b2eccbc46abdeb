package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/roomwire/roomwire/sio"
)

// in is everyone of the namespace, or of a room of it.
func in(s *sio.Socket, room string) sio.Target {
	if room == "" {
		return s.Namespace().Target
	}
	return s.Namespace().In(room)
}

func (fx *fixture) targets(ns *sio.Namespace) {
	ns.Handle("others", func(ctx context.Context, r *sio.Request) (any, error) {
		return nil, r.Socket.Broadcast().Emit(ctx, "others", r.Args())
	})
	ns.Handle("to-rooms", func(ctx context.Context, r *sio.Request) (any, error) {
		var rooms []string
		args, err := bind(r, &rooms)
		if err != nil {
			return nil, err
		}
		return nil, r.Socket.To(rooms...).Emit(ctx, "room", args...)
	})
	ns.Handle("to-room-volatile", func(ctx context.Context, r *sio.Request) (any, error) {
		var room string
		args, err := bind(r, &room)
		if err != nil {
			return nil, err
		}
		return nil, r.Socket.To(room).Volatile().Emit(ctx, "room", args...)
	})
	ns.Handle("to-local", func(ctx context.Context, r *sio.Request) (any, error) {
		return nil, r.Socket.Namespace().Local().Emit(ctx, "local", r.Args())
	})
	ns.Handle("gather", gather)
}

func gather(ctx context.Context, r *sio.Request) (any, error) {
	var room string
	var ms int
	args, err := bind(r, &room, &ms)
	if err != nil {
		return nil, err
	}
	late, answers := false, []any{}
	everyone := in(r.Socket, room).Timeout(time.Duration(ms) * time.Millisecond)
	for reply, err := range everyone.EmitCall(ctx, "asked", args...) {
		if errors.Is(err, sio.ErrTimeout) {
			late = true
			continue
		}
		if err != nil {
			return nil, err
		}
		var answer any
		if err := reply.Decode(&answer); err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return map[string]any{"late": late, "answers": answers}, nil
}

func (fx *fixture) managing(ns *sio.Namespace) {
	ns.Handle("list", func(ctx context.Context, r *sio.Request) (any, error) {
		var room string
		if err := r.Bind(&room); err != nil {
			return nil, err
		}
		ids := []string{}
		for s, err := range in(r.Socket, room).All(ctx) {
			if err != nil {
				return nil, err
			}
			ids = append(ids, s.ID())
		}
		slices.Sort(ids)
		return sio.Args{ids}, nil
	})
	ns.Handle("move", func(ctx context.Context, r *sio.Request) (any, error) {
		var from, to string
		if err := r.Bind(&from, &to); err != nil {
			return nil, err
		}
		return nil, in(r.Socket, from).Join(ctx, to)
	})
	ns.Handle("unmove", func(ctx context.Context, r *sio.Request) (any, error) {
		var room, from string
		if err := r.Bind(&room, &from); err != nil {
			return nil, err
		}
		return nil, in(r.Socket, room).Leave(ctx, from)
	})
	ns.Handle("evict", func(ctx context.Context, r *sio.Request) (any, error) {
		var room string
		var whole bool
		if err := r.Bind(&room, &whole); err != nil {
			return nil, err
		}
		if whole {
			return nil, in(r.Socket, room).DisconnectConn(ctx)
		}
		return nil, in(r.Socket, room).Disconnect(ctx)
	})
}
