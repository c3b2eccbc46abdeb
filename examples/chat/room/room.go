// Package room is a chat: nicknames, rooms, who is online, who is typing.
package room

import (
	"cmp"
	"context"
	"embed"
	"net/http"
	"time"

	"github.com/roomwire/roomwire/sio"
)

//go:embed index.html
var page embed.FS

// Page serves the chat's one page.
var Page = http.FileServerFS(page)

// A Person is what people say of themselves.
type Person struct{ Nick, Room string }

// Who returns the person at a socket.
func Who(s *sio.Socket) Person { p, _ := sio.Value[Person](s, "me"); return p }

// Attach makes a chat of a namespace. The Socket.IO room of a chat room begins with a #.
func Attach(chat *sio.Namespace) {
	enter := func(ctx context.Context, s *sio.Socket, now Person) error {
		was := Who(s)
		if s.Set("me", now); was.Room != now.Room {
			_, _ = s.Leave(ctx, "#"+was.Room), s.Join(ctx, "#"+now.Room)
			_ = online(ctx, chat, was.Room)
		}
		return online(ctx, chat, now.Room)
	}
	chat.OnConnect(func(ctx context.Context, s *sio.Socket) error {
		now := cmp.Or(Who(s), Person{"guest", "lobby"}) // a recovered socket still is somebody
		if err := s.Auth(&now); err != nil {
			return err
		}
		return enter(ctx, s, now)
	})
	chat.OnDisconnect(func(ctx context.Context, s *sio.Socket, _ sio.Reason) { _ = online(ctx, chat, Who(s).Room) })
	sio.On(chat, "me", enter)
	sio.On(chat, "chat message", func(ctx context.Context, s *sio.Socket, text string) error {
		return chat.To("#"+Who(s).Room).Emit(ctx, "chat message", map[string]any{"from": Who(s).Nick, "text": text, "at": time.Now().UnixMicro()})
	})
	sio.On(chat, "typing", func(ctx context.Context, s *sio.Socket, on bool) error {
		return s.To("#"+Who(s).Room).Volatile().Emit(ctx, "typing", map[string]any{"nick": Who(s).Nick, "on": on})
	})
}

// online tells a room who is in it.
func online(ctx context.Context, chat *sio.Namespace, room string) error {
	var names []string
	for s := range chat.Sockets() {
		if Who(s).Room == room {
			names = append(names, Who(s).Nick)
		}
	}
	return chat.To("#"+room).Transient().Emit(ctx, "online", map[string]any{"room": room, "names": names})
}
