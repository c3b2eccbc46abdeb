package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roomwire/roomwire/sio"
)

// A fixture registers the events of the tests on namespaces.
type fixture struct {
	srv *sio.Server
}

func (fx *fixture) attach(ns *sio.Namespace) {
	fx.about(ns)
	fx.ending(ns)
	fx.sending(ns)
	fx.targets(ns)
	fx.managing(ns)
	fx.catching(ns)
}

func (fx *fixture) about(ns *sio.Namespace) {
	ns.Handle("echo", func(_ context.Context, r *sio.Request) (any, error) { return r.Args(), nil })
	ns.Handle("whoami", func(_ context.Context, r *sio.Request) (any, error) { return whoami(r.Socket) })
	ns.Handle("set", func(_ context.Context, r *sio.Request) (any, error) {
		var v any
		err := r.Bind(&v)
		r.Socket.Set("kept", v)
		return nil, err
	})
	ns.Handle("get", func(_ context.Context, r *sio.Request) (any, error) {
		return sio.Args{r.Socket.Get("kept")}, nil
	})
	ns.Handle("join", func(ctx context.Context, r *sio.Request) (any, error) {
		args, err := bind(r)
		if err != nil {
			return nil, err
		}
		return nil, r.Socket.Join(ctx, texts(args)...)
	})
}

func whoami(s *sio.Socket) (any, error) {
	var auth any
	if err := s.Auth(&auth); err != nil {
		return nil, err
	}
	if auth == nil {
		auth = struct{}{}
	}
	h := s.Handshake()
	query := map[string]string{}
	for k := range h.Query {
		query[k] = h.Query.Get(k)
	}
	return map[string]any{
		"id": s.ID(), "rooms": slices.Sorted(slices.Values(s.Rooms())), "recovered": s.Recovered(),
		"nsp": s.Namespace().Name(), "transport": s.Transport(), "protocol": 4, "auth": auth, "query": query,
		"header": h.Headers.Get("X-Test"), "address": h.Address, "secure": h.Secure, "crossDomain": h.XDomain,
		"issued": h.Time.UnixMilli(),
	}, nil
}

func (fx *fixture) ending(ns *sio.Namespace) {
	watchers := fx.srv.Of("/").To("watchers")
	ns.Handle("watch", func(ctx context.Context, r *sio.Request) (any, error) {
		return nil, r.Socket.Join(ctx, "watchers")
	})
	sio.On(ns, "kick", func(_ context.Context, s *sio.Socket, whole bool) error {
		if whole {
			s.DisconnectConn()
		} else {
			s.Disconnect()
		}
		return nil
	})
	ns.Handle("cut", func(_ context.Context, r *sio.Request) (any, error) {
		r.Socket.Conn().Close(nil) // without a word to its client
		return nil, nil
	})
	ns.OnDisconnecting(func(ctx context.Context, s *sio.Socket, why sio.Reason) {
		rooms := slices.DeleteFunc(s.Rooms(), func(room string) bool { return room == s.ID() })
		slices.Sort(rooms)
		if rooms == nil {
			rooms = []string{}
		}
		_ = watchers.Emit(context.WithoutCancel(ctx), "leaving", s.ID(), s.Namespace().Name(), why, rooms)
	})
	ns.OnDisconnect(func(ctx context.Context, s *sio.Socket, why sio.Reason) {
		_ = watchers.Emit(context.WithoutCancel(ctx), "gone", s.ID(), s.Namespace().Name(), why)
	})
}

func (fx *fixture) sending(ns *sio.Namespace) {
	sio.On(ns, "burst", func(ctx context.Context, s *sio.Socket, n int) error {
		for i := range n {
			if err := s.Emit(ctx, "seq", i); err != nil {
				return err
			}
		}
		return nil
	})
	sio.On(ns, "volatile", func(ctx context.Context, s *sio.Socket, n int) error {
		for i := range n {
			if err := s.Volatile().Emit(ctx, "tick", i); err != nil && !errors.Is(err, sio.ErrDropped) {
				return err
			}
		}
		return nil
	})
	ns.Handle("compressed", func(ctx context.Context, r *sio.Request) (any, error) {
		var flag bool
		var size int
		if err := r.Bind(&flag, &size); err != nil {
			return nil, err
		}
		return nil, r.Socket.Compress(flag).Emit(ctx, "blob", strings.Repeat("z", size))
	})
	ns.Handle("ask-within", askWithin)
	ns.Handle("say", func(ctx context.Context, r *sio.Request) (any, error) {
		return nil, r.Socket.Emit(ctx, "message", r.Args())
	})
	ns.OnConnect(func(_ context.Context, s *sio.Socket) error {
		s.Once("once-only", func(context.Context, *sio.Request) (any, error) { return "first", nil })
		return nil
	})
}

func askWithin(ctx context.Context, r *sio.Request) (any, error) {
	var ms int
	args, err := bind(r, &ms)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
	defer cancel()
	var answer any
	switch err := r.Socket.EmitAck(ctx, "asked", &answer, args...); {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, sio.ErrTimeout):
		return map[string]any{"error": "timeout"}, nil
	case err != nil:
		return nil, err
	}
	return map[string]any{"answer": answer}, nil
}

// bind decodes the first arguments and returns the others as they come.
func bind(r *sio.Request, first ...any) ([]any, error) {
	n := max(r.Len(), len(first))
	into, args := slices.Grow(first, n), make([]any, n)
	for i := len(first); i < n; i++ {
		into = append(into, &args[i])
	}
	return args[len(first):], r.Bind(into...)
}

// texts returns those of the values that are strings.
func texts(values []any) []string {
	var all []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// An eventLog is what the catch-all listeners have seen of one socket.
type eventLog struct {
	mu         sync.Mutex
	seen, sent []string
}

func (fx *fixture) catching(ns *sio.Namespace) {
	var logs sync.Map // socket ID → *eventLog
	of := func(s *sio.Socket) *eventLog {
		l, _ := logs.LoadOrStore(s.ID(), &eventLog{seen: []string{}, sent: []string{}})
		return l.(*eventLog)
	}
	ns.OnAny(func(_ context.Context, r *sio.Request) {
		l := of(r.Socket)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.seen = append(l.seen, r.Event)
	})
	ns.OnAnyOutgoing(func(s *sio.Socket, event string, _ sio.Payload) {
		l := of(s)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sent = append(l.sent, event)
	})
	ns.OnDisconnect(func(_ context.Context, s *sio.Socket, _ sio.Reason) { logs.Delete(s.ID()) })
	report := func(names func(*eventLog) []string) sio.Handler {
		return func(_ context.Context, r *sio.Request) (any, error) {
			l := of(r.Socket)
			l.mu.Lock()
			defer l.mu.Unlock()
			return sio.Args{slices.Clone(names(l))}, nil
		}
	}
	ns.Handle("seen", report(func(l *eventLog) []string { return l.seen }))
	ns.Handle("sent", report(func(l *eventLog) []string { return l.sent }))
	ns.Handle("forbidden", func(ctx context.Context, r *sio.Request) (any, error) {
		return nil, r.Socket.Emit(ctx, "reached")
	})
	ns.UseEvents(func(next sio.Handler) sio.Handler {
		return func(ctx context.Context, r *sio.Request) (any, error) {
			if r.Event == "forbidden" {
				return nil, r.Socket.Emit(ctx, "blocked", r.Event)
			}
			return next(ctx, r)
		}
	})
}
