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
	"github.com/roomwire/roomwire/cmd/roomwire/internal/inbox"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/queueapi"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/examples/chat/room"
	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

// A devCmd starts a server with a demo chat.
type devCmd struct {
	Addr    string        `default:"127.0.0.1:3000" help:"Address to listen on; loopback unless said otherwise."`
	Data    string        `default:"./roomwire-data" placeholder:"DIR" help:"Where messages are kept (default: ${default})."`
	Memory  bool          `help:"Keep messages in memory only: they are gone when the server stops."`
	Log     string        `default:"auto" enum:"auto,pretty,plain,logfmt,json" help:"Format of the log: ${enum}."`
	Quiet   bool          `short:"q" help:"Do not log what happens."`
	Grace   time.Duration `default:"5s" help:"Time that clients and handlers have when the server stops."`
	started time.Time
}

// Help implements kong.HelpProvider.
func (c *devCmd) Help() string {
	return `The chat's messages are on disk before they are sent. Whoever was away gets what was missed: after a short while, or a crash of the server, the connection goes on where it was; after a long one, messages wait under the nickname. See what waits with:  roomwire queue ls`
}

// recoverable is how long a lost connection can be taken up again.
const recoverable = 2 * time.Minute

// Run implements the command.
func (c *devCmd) Run(e *env) error {
	c.started = time.Now()
	out, err := console.New(e.stdout, c.Log)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, disk, err := c.open(log)
	if err != nil {
		return err
	}
	defer func() {
		if err := store.Close(); err != nil {
			log.Error("store not closed", "error", err)
		}
	}()
	ln, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("%w\n  is another server running? try --addr 127.0.0.1:0 for a free port", err)
	}
	defer ln.Close()
	srv, err := c.server(e.ctx, store, log, out)
	if err != nil {
		return err
	}
	api := queueapi.NewServer(&queueapi.Ops{Store: store, Disk: disk})
	if !c.Memory {
		withdraw, err := queueapi.Announce(c.Data, "http://"+ln.Addr().String(), api.Token())
		if err != nil {
			log.Warn("queues cannot be looked at while the server runs", "error", err)
		} else {
			defer withdraw()
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle(queueapi.Path, api)
	mux.Handle("/", room.Page)
	c.banner(out, e, ln.Addr(), api.Token())
	return serve(e.ctx, &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}, ln, srv, c.Grace, out)
}

// server makes the Socket.IO server with the chat.
func (c *devCmd) server(ctx context.Context, store *queue.Store, log *slog.Logger, out *console.Printer) (*sio.Server, error) {
	srv := sio.NewServer(&sio.Options{
		Recovery: &sio.Recovery{
			MaxAge:  recoverable,
			Log:     mailroom.Log(store, nil),
			Durable: func(room string) bool { return strings.HasPrefix(room, "#") },
		},
		Logger: log,
		Engine: engine.Options{CORS: &engine.CORS{Origins: []string{"*"}}},
	})
	chat := srv.Of("/")
	w := &watch{name: chat.Name(), out: out}
	if !c.Quiet {
		w.connections(chat) // before the chat, so that who comes is told of first
	}
	room.Attach(chat)
	in, err := inbox.Open(ctx, chat, store, log)
	if err != nil {
		return nil, err
	}
	if c.Quiet {
		chat.OnSent(func(ctx context.Context, e sio.Sent) { in.Keep(ctx, e) })
		return srv, nil
	}
	in.Delivered = w.missed
	chat.OnSent(func(ctx context.Context, e sio.Sent) { w.sent(e, in.Keep(ctx, e)) })
	return srv, nil
}

// serve runs the server until ctx is done, then shuts it down in good order.
func serve(ctx context.Context, hs *http.Server, ln net.Listener, srv *sio.Server, grace time.Duration, out *console.Printer) error {
	failed := make(chan error, 1)
	go func() { failed <- sio.Serve(hs, ln) }()
	select {
	case err := <-failed:
		return errors.Join(err, srv.Close())
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
func (c *devCmd) banner(out *console.Printer, e *env, addr net.Addr, token string) {
	url := "http://" + strings.Replace(addr.String(), "127.0.0.1", "localhost", 1)
	ready := time.Since(c.started).Round(100 * time.Microsecond)
	store := c.Data
	if c.Memory {
		store = "memory"
	}
	if !out.ForPeople() {
		out.Print(console.Line{Kind: console.Info, Fields: []any{"state", "ready", "url", url, "version", version, "store", store}})
		return
	}
	client := sio.ClientVersion()
	if client == "" {
		client = "not built in (make client-dist); the page uses the public CDN"
	}
	kept, look := store+"   on disk before it is sent", "roomwire queue ls"
	if c.Data != "./roomwire-data" {
		look += " --data " + c.Data
	}
	if c.Memory {
		kept, look = "memory   gone when the server stops", "roomwire queue ls --url "+url+" --token "+token
	}
	fmt.Fprintf(e.stdout, `
  %s  Socket.IO v5 / Engine.IO v4 · ready in %s

  → chat     %s   open it in two tabs
  → socket   %s/socket.io/
    client   %s
    store    %s
    queues   %s

  dev mode: any origin may connect, nobody has to log in

`, out.Bold("roomwire "+version), ready, url, url, client, kept, look)
}
