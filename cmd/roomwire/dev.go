package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/examples/chat/room"
	"github.com/roomwire/roomwire/sio"
)

// A devCmd starts a server with a demo chat.
type devCmd struct {
	Addr    string        `default:"127.0.0.1:3000" help:"Address to listen on; loopback unless said otherwise."`
	Log     string        `default:"auto" enum:"auto,pretty,plain,logfmt,json" help:"Format of the log: ${enum}."`
	Quiet   bool          `short:"q" help:"Do not log what happens."`
	Grace   time.Duration `default:"5s" help:"Time that clients and handlers have when the server stops."`
	started time.Time
}

// Run implements the command.
func (c *devCmd) Run(e *env) error {
	c.started = time.Now()
	out, err := console.New(e.stdout, c.Log)
	if err != nil {
		return err
	}
	srv := sio.NewServer(&sio.Options{
		Recovery: &sio.Recovery{},
		Logger:   slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Engine:   engine.Options{CORS: &engine.CORS{Origins: []string{"*"}}},
	})
	chat := srv.Of("/")
	room.Attach(chat)
	if !c.Quiet {
		watch(srv, chat, out)
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle("/", room.Page)

	ln, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("%w\n  is another server running? try --addr 127.0.0.1:0 for a free port", err)
	}
	c.banner(out, e, ln.Addr())
	return serve(e.ctx, &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}, ln, srv, c.Grace, out)
}

// serve runs the server until ctx is done, then shuts it down in good order.
func serve(ctx context.Context, hs *http.Server, ln net.Listener, srv *sio.Server, grace time.Duration, out *console.Printer) error {
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	out.Print(console.Line{Kind: console.Info, Text: "stopping"})
	wait, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := errors.Join(srv.Shutdown(wait), hs.Shutdown(wait))
	if err == nil {
		out.Print(console.Line{Kind: console.Info, Text: "stopped"})
	}
	return err
}

// banner tells people where to go, and programs that the server is ready.
func (c *devCmd) banner(out *console.Printer, e *env, addr net.Addr) {
	url := "http://" + strings.Replace(addr.String(), "127.0.0.1", "localhost", 1)
	ready := time.Since(c.started).Round(100 * time.Microsecond)
	if !out.ForPeople() {
		out.Print(console.Line{Kind: console.Info, Fields: []any{"state", "ready", "url", url, "version", version}})
		return
	}
	client := sio.ClientVersion()
	if client == "" {
		client = "not built in (make client-dist); the page uses the public CDN"
	}
	fmt.Fprintf(e.stdout, `
  %s  Socket.IO v5 / Engine.IO v4 · ready in %s

  → chat     %s   open it in two tabs
  → socket   %s/socket.io/
    client   %s

  dev mode: any origin may connect, nobody has to log in

`, out.Bold("roomwire "+version), ready, url, url, client)
}

// watch prints a line for everything that happens in a namespace.
func watch(srv *sio.Server, ns *sio.Namespace, out *console.Printer) {
	name := ns.Name()
	line := func(k console.Kind, s *sio.Socket, text string, fields ...any) {
		id := ""
		if s != nil {
			id = s.ID()
		}
		out.Print(console.Line{Kind: k, Namespace: name, Socket: id, Text: text, Fields: fields})
	}
	ns.OnConnect(func(_ context.Context, s *sio.Socket) error {
		host, _, _ := net.SplitHostPort(s.Request().RemoteAddr)
		text := s.Transport() + "  " + host + "  " + browser(s.Request().UserAgent())
		if s.Recovered() {
			text = "recovered  " + text
		}
		line(console.Connect, s, text, "transport", s.Transport(), "address", host, "recovered", s.Recovered())
		return nil
	})
	ns.OnDisconnect(func(_ context.Context, s *sio.Socket, why sio.Reason) {
		text := string(why)
		if why.Recoverable() {
			text += "  (recoverable for 2m)"
		}
		line(console.Disconnect, s, text, "reason", string(why))
	})
	ns.OnRoom(func(e sio.RoomEvent) {
		if e.Socket == nil || e.Room == e.Socket.ID() {
			return
		}
		switch e.Kind {
		case sio.RoomJoined:
			line(console.Join, e.Socket, "joined "+e.Room, "room", e.Room)
		case sio.RoomLeft:
			line(console.Leave, e.Socket, "left "+e.Room, "room", e.Room)
		}
	})
	ns.OnAny(func(_ context.Context, r *sio.Request) {
		line(console.Receive, r.Socket, r.Event+"  "+clip(string(r.Args().Data)), "name", r.Event, "args", clip(string(r.Args().Data)))
	})
	ns.OnAnyOutgoing(func(s *sio.Socket, event string, args sio.Payload) {
		line(console.Emit, s, event+"  "+clip(string(args.Data)), "name", event, "args", clip(string(args.Data)))
	})
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
