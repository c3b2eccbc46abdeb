// Package room is a chat: nicknames, rooms, who is online, who is typing.
package room

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/roomwire/roomwire/sio"
)

//go:embed index.html
var page embed.FS

// Page serves the chat's one page.
var Page = http.FileServerFS(page)

// A me is what a person says of themselves.
type me struct{ Nick, Room string }

// Attach makes a chat of a namespace.
func Attach(chat *sio.Namespace) {
	enter := func(ctx context.Context, s *sio.Socket, now me) error {
		was := who(s)
		s.Set("me", now)
		_ = s.Leave(ctx, was.Room)
		_ = s.Join(ctx, now.Room)
		return errors.Join(online(ctx, chat, was.Room), online(ctx, chat, now.Room))
	}
	chat.OnConnect(func(ctx context.Context, s *sio.Socket) error {
		now := who(s) // a recovered socket still has it
		if err := s.Auth(&now); err != nil {
			return err
		}
		return enter(ctx, s, now)
	})
	chat.OnDisconnect(func(ctx context.Context, s *sio.Socket, _ sio.Reason) { _ = online(ctx, chat, who(s).Room) })
	sio.On(chat, "me", enter)
	sio.On(chat, "chat message", func(ctx context.Context, s *sio.Socket, text string) error {
		return chat.To(who(s).Room).Emit(ctx, "chat message", map[string]any{"from": who(s).Nick, "text": text, "at": time.Now().UnixMilli()})
	})
	sio.On(chat, "typing", func(ctx context.Context, s *sio.Socket, on bool) error {
		return s.To(who(s).Room).Volatile().Emit(ctx, "typing", map[string]any{"nick": who(s).Nick, "on": on})
	})
}

func who(s *sio.Socket) me { m, _ := s.Get("me").(me); return m }

// online tells a room who is in it.
func online(ctx context.Context, chat *sio.Namespace, room string) error {
	names := []string{}
	for s := range chat.Sockets() {
		if who(s).Room == room {
			names = append(names, who(s).Nick)
		}
	}
	slices.Sort(names)
	return chat.To(room).Emit(ctx, "online", map[string]any{"room": room, "names": names})
}
