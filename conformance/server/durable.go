package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

// durableFlags are those of /durable.
type durableFlags struct {
	on              bool
	sessions        int
	sessionBytes    int
	sessionLifetime time.Duration
}

// A depot is a store in memory and what its users may do. Rooms that begin
// with "d:" are durable; "d:ada:x" is for the user ada alone.
type depot struct {
	f     durableFlags
	store *queue.Store

	mu     sync.Mutex
	banned map[string]bool
}

func newDepot(f durableFlags) (*depot, error) {
	store, err := queue.Open(queue.Memory(), nil)
	return &depot{f: f, store: store, banned: map[string]bool{}}, err
}

// recovery keeps sessions and the events of durable rooms in the store.
func (d *depot) recovery() *sio.Recovery {
	return &sio.Recovery{
		MaxAge: d.f.sessionLifetime, MaxSessions: d.f.sessions, MaxSessionBytes: d.f.sessionBytes,
		Log: mailroom.Log(d.store, &mailroom.LogOptions{
			Sessions: queue.SessionOptions{Max: d.f.sessions, MaxBytes: int64(d.f.sessionBytes)},
		}),
		Durable: func(room string) bool { return strings.HasPrefix(room, "d:") },
		MayRejoin: func(_ context.Context, s *sio.Socket, room string) bool {
			return d.may(user(s), room)
		},
	}
}

// user is who a socket says it is; a real server would check that.
func user(s *sio.Socket) string {
	var auth struct{ User string }
	_ = s.Auth(&auth) // nobody, if there is none
	return auth.User
}

// may reports whether a user may be in a room.
func (d *depot) may(user, room string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	owner, _, owned := strings.Cut(strings.TrimPrefix(room, "d:"), ":")
	return !d.banned[room] && (!owned || owner == user)
}

// serve registers what /durable does.
func (d *depot) serve(ns *sio.Namespace) error {
	ns.Use(func(_ context.Context, s *sio.Socket) error {
		if s.Recovered() && s.Get("user") != user(s) {
			return &sio.Error{Message: "not your session"}
		}
		s.Set("user", user(s))
		return nil
	})
	sio.OnCall(ns, "join", func(ctx context.Context, s *sio.Socket, room string) (bool, error) {
		if !d.may(user(s), room) {
			return false, &sio.Error{Message: "not your room"}
		}
		return true, s.Join(ctx, room)
	})
	sio.OnCall(ns, "rooms", func(_ context.Context, s *sio.Socket, _ json.RawMessage) ([]string, error) {
		return s.Rooms()[1:], nil
	})
	sio.OnCall(ns, "ban", func(_ context.Context, _ *sio.Socket, room string) (bool, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.banned[room] = true
		return true, nil
	})
	ns.Handle("emit", func(ctx context.Context, r *sio.Request) (any, error) {
		var room string
		args, err := rest(r, &room)
		if err != nil {
			return nil, err
		}
		return true, ns.To(room).Emit(ctx, "e", args)
	})
	ctx := context.Background()
	boxes, err := d.store.Mailboxes(ctx, "boxes", nil)
	if err != nil {
		return err
	}
	mailroom.Serve(ns, mailroom.New(boxes, nil), &mailroom.ServeOptions{
		Authorize: func(_ context.Context, s *sio.Socket, _ mailroom.Action, recipient, _ string) error {
			if recipient != user(s) {
				return &sio.Error{Message: "not your mailbox"}
			}
			return nil
		},
	})
	return d.serveLog(ctx, ns)
}

// An appended is the answer of "append".
type appended struct {
	Offset    string `json:"offset"`
	Duplicate bool   `json:"duplicate"`
}

// A slice is the answer of "read": what comes after an offset, or why that
// cannot be told.
type slice struct {
	Data []string `json:"data"`
	Gap  string   `json:"gap"`
}

// serveLog lets clients append to a log, read it and trim it.
func (d *depot) serveLog(ctx context.Context, ns *sio.Namespace) error {
	log, err := d.store.Log(ctx, "plain", nil)
	if err != nil {
		return err
	}
	ns.Handle("append", func(ctx context.Context, r *sio.Request) (any, error) {
		var id, data string
		if err := r.Bind(&id, &data); err != nil {
			return nil, err
		}
		a, err := log.Append(ctx, queue.Record{ID: id, Data: []byte(data)})
		return appended{a.Offset.String(), a.Duplicate}, err
	})
	sio.OnCall(ns, "read", func(ctx context.Context, _ *sio.Socket, from string) (s slice, err error) {
		at, err := queue.ParseOffset(from)
		if err != nil {
			return s, &sio.Error{Message: "no offset"}
		}
		for e, err := range log.Read(ctx, at, nil, 0) {
			var gap *queue.GapError
			if errors.As(err, &gap) {
				return slice{Gap: string(gap.Reason)}, nil
			} else if err != nil {
				return s, err
			}
			s.Data = append(s.Data, string(e.Data))
		}
		return s, nil
	})
	sio.OnCall(ns, "trim", func(ctx context.Context, _ *sio.Socket, through string) (bool, error) {
		at, err := queue.ParseOffset(through)
		if err != nil {
			return false, &sio.Error{Message: "no offset"}
		}
		return true, log.Trim(ctx, at)
	})
	// The events of the durable rooms of this namespace, all of them.
	sio.OnCall(ns, "trim-rooms", func(ctx context.Context, _ *sio.Socket, _ json.RawMessage) (bool, error) {
		l, err := d.store.Log(ctx, ns.Name(), nil)
		if err != nil {
			return false, err
		}
		return true, l.Trim(ctx, l.Bounds().End())
	})
	return nil
}

// stats are those of the sessions in the store, if there is one.
func (d *depot) stats() queue.SessionStats {
	if d == nil {
		return queue.SessionStats{}
	}
	ss, err := d.store.Sessions(context.Background(), "/durable", nil)
	if err != nil {
		return queue.SessionStats{}
	}
	return ss.Stats()
}
