package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/inbox"
	"github.com/roomwire/roomwire/examples/chat/room"
	"github.com/roomwire/roomwire/sio"
)

// A watch prints a line for everything that happens in a namespace.
type watch struct {
	name string
	out  *console.Printer
}

func (w *watch) line(k console.Kind, s *sio.Socket, text, aside string, fields ...any) {
	l := console.Line{Kind: k, Namespace: w.name, Text: text, Aside: aside, Fields: fields}
	if s != nil {
		l.Socket = s.ID()
	}
	w.out.Print(l)
}

// connections watches who comes, goes and moves, and what they send.
func (w *watch) connections(ns *sio.Namespace) {
	ns.OnConnect(func(_ context.Context, s *sio.Socket) error {
		host, _, _ := net.SplitHostPort(s.Request().RemoteAddr)
		text := s.Transport() + "  " + host + "  " + browser(s.Request().UserAgent())
		if s.Recovered() {
			text = "recovered " + room.Who(s).Nick + "  " + text
		}
		w.line(console.Connect, s, text, "", "transport", s.Transport(), "address", host, "recovered", s.Recovered())
		return nil
	})
	ns.OnDisconnect(func(_ context.Context, s *sio.Socket, why sio.Reason) {
		text := string(why)
		if why.Recoverable() {
			text += fmt.Sprintf("  (recoverable for %gm)", recoverable.Minutes())
		}
		w.line(console.Disconnect, s, text, "", "reason", string(why))
	})
	ns.OnRoom(func(e sio.RoomEvent) {
		if e.Socket == nil || e.Room == e.Socket.ID() {
			return
		}
		switch e.Kind {
		case sio.RoomJoined:
			w.line(console.Join, e.Socket, "joined "+e.Room, "", "room", e.Room)
		case sio.RoomLeft:
			w.line(console.Leave, e.Socket, "left "+e.Room, "", "room", e.Room)
		}
	})
	ns.OnAny(func(_ context.Context, r *sio.Request) {
		args := clip(string(r.Args().Data))
		w.line(console.Receive, r.Socket, r.Event+"  ", args, "name", r.Event, "args", args)
	})
}

// sent tells of an event that was sent, and for whom it waits.
func (w *watch) sent(e sio.Sent, waiting []inbox.Waiting) {
	if e.Event == "missed" {
		return // told by missed
	}
	args := clip(string(e.Args.Data))
	if e.Socket != nil {
		w.line(console.Emit, e.Socket, e.Event+"  ", args, "name", e.Event, "args", args)
		return
	}
	if e.Delivered == 0 && e.Stored == (sio.Place{}) {
		return // who is online, or typing, where nobody is
	}
	to, fate := "everybody", fmt.Sprintf("%d delivered", e.Delivered)
	if len(e.Rooms) > 0 {
		to = strings.Join(e.Rooms, ", ")
	}
	fields := []any{"name", e.Event, "rooms", strings.Join(e.Rooms, ","), "args", args, "delivered", e.Delivered}
	if e.Stored != (sio.Place{}) {
		fate = fmt.Sprintf("stored, %s, %d waiting", fate, len(waiting))
		fields = append(fields, "stored", e.Stored.Seq, "waiting", len(waiting))
	}
	w.line(console.Emit, nil, fmt.Sprintf("%s → %s  %s%s  ", e.Event, to, fate, names(waiting)), args, fields...)
}

// names says for whom a message waits: the first few, and how many more.
func names(waiting []inbox.Waiting) string {
	const most = 3
	if len(waiting) == 0 {
		return ""
	}
	var who []string
	for _, p := range waiting[:min(most, len(waiting))] {
		who = append(who, fmt.Sprintf("%s, %d pending", p.Nick, p.Pending))
	}
	text := strings.Join(who, "; ")
	if more := len(waiting) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return " (" + text + ")"
}

// missed tells of messages that somebody who came back got.
func (w *watch) missed(s *sio.Socket, who room.Person, n int, taken bool) {
	what := "missed messages"
	if n == 1 {
		what = "missed message"
	}
	if taken {
		w.line(console.Info, s, fmt.Sprintf("%s took %d %s", who.Nick, n, what), "", "name", "missed", "nick", who.Nick, "taken", n)
		return
	}
	w.line(console.Emit, s, fmt.Sprintf("%d %s → %s, in order", n, what, who.Nick), "", "name", "missed", "nick", who.Nick, "messages", n)
}

// clip shortens a text for a line.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// browser names the program of a User-Agent header.
func browser(agent string) string {
	for _, b := range []struct{ mark, name string }{
		{"Edg/", "Edge"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"Go-http-client", "Go"}, {"node", "Node.js"},
	} {
		if strings.Contains(agent, b.mark) {
			return b.name
		}
	}
	return ""
}
