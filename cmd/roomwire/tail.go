package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/remote"
)

// A tailCmd shows the events that a server sends.
type tailCmd struct {
	URL       string        `arg:"" help:"The server; a path after the host is a namespace, as in socket.io-client."`
	Namespace []string      `short:"n" sep:"none" placeholder:"/NAME" help:"Namespace to join; may be repeated."`
	Room      []string      `short:"r" sep:"none" placeholder:"ROOM" help:"Room to ask for; may be repeated. Socket.IO has no message by which a client joins a room, so this emits --join-event with the name and waits for its acknowledgement: the server must have a handler for it."`
	JoinEvent string        `default:"join" placeholder:"EVENT" help:"Event that asks for a room (default: ${default})."`
	Event     []string      `short:"e" sep:"none" placeholder:"EVENT" help:"Show only events of this name; may be repeated."`
	JSON      bool          `name:"json" help:"Print one JSON object per line: time, namespace, event, args. Binary is {\"base64\":\"…\"}."`
	Wide      bool          `help:"Do not cut long lines to the width of the terminal."`
	Count     int           `short:"c" placeholder:"N" help:"Stop after so many events."`
	For       time.Duration `placeholder:"DURATION" help:"Stop after this time."`
	remote.Flags
}

// Help implements kong.HelpProvider.
func (c *tailCmd) Help() string {
	return `Examples:

  roomwire tail localhost:3000
  roomwire tail https://example.com/admin --bearer "$TOKEN"
  roomwire tail localhost:3000 -r lobby --event "chat message"
  roomwire tail localhost:3000 --json | jq .args

Only events show on standard output, so that it can be read by programs; what happens to the connection goes to standard error. A lost connection comes back by itself. With connection state recovery the server adds the offset to the arguments of an event, as a last string.`
}

// Run implements the command.
func (c *tailCmd) Run(e *env) error {
	t, err := c.Target(c.URL)
	if err != nil {
		return usageError{err}
	}
	ctx, done := context.WithCancelCause(e.ctx)
	defer done(nil)
	names := t.Names(c.Namespace)
	style := e.out
	if c.Wide {
		style.Width = 0
	}
	w := &watcher{cmd: c, env: e, target: t, done: done, feed: console.NewFeed(e.stdout, style, c.JSON, names)}
	began := time.Now()
	cl, err := t.Open(ctx, t.Options(), names, w.attach)
	if err != nil {
		if e.ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer cl.Close()
	if c.For > 0 {
		timer := time.AfterFunc(c.For, func() { done(errEnough) })
		defer timer.Stop()
	}
	<-ctx.Done()
	events := "events"
	if w.seen.Load() == 1 {
		events = "event"
	}
	e.note("%s", e.err.Paint(console.Dim, fmt.Sprintf("%d %s in %s", w.seen.Load(), events, console.Took(time.Since(began)))))
	if why := context.Cause(ctx); !errors.Is(why, errEnough) && e.ctx.Err() == nil {
		return why
	}
	return nil
}

// errEnough ends a command that has done what was asked for.
var errEnough = errors.New("enough")

// A watcher prints the events of sockets.
type watcher struct {
	cmd    *tailCmd
	env    *env
	target *remote.Target
	done   context.CancelCauseFunc
	feed   *console.Feed
	seen   atomic.Int64
}

// attach watches a socket.
func (w *watcher) attach(s *client.Socket) {
	s.OnAny(func(_ context.Context, r *client.Request) { w.event(r) })
	s.OnConnect(func(ctx context.Context) { w.connected(ctx, s) })
	s.OnDisconnect(func(_ context.Context, why client.Reason) {
		if s.Active() {
			w.env.warn("disconnected from %s: %s; connecting again", s.Namespace(), why)
			return
		}
		w.done(&remote.Trouble{
			What: fmt.Sprintf("the server disconnected us from %s", s.Namespace()), Answer: string(why),
			Next: []string{"the log of the server: it called disconnect() for this client"},
		})
	})
	s.OnConnectError(func(_ context.Context, err error) {
		if !s.Active() {
			w.done(w.target.Refused(s.Namespace(), err))
		}
	})
}

func (w *watcher) connected(ctx context.Context, s *client.Socket) {
	st := w.env.err
	how := ""
	if s.Recovered() {
		how = ", nothing was missed"
	}
	w.env.note("%s connected to %s %s", st.Paint(console.Green, "●"), w.target.Base,
		st.Paint(console.Dim, fmt.Sprintf("%s  id %s%s", s.Namespace(), s.ID(), how)))
	if s.Recovered() {
		return // it is still in its rooms
	}
	for _, room := range w.cmd.Room {
		err := s.EmitAck(ctx, w.cmd.JoinEvent, nil, room)
		if err == nil {
			w.env.note("%s joined %s", st.Paint(console.Green, "●"), console.Printable(room))
			continue
		}
		if ctx.Err() != nil || !s.Connected() {
			return
		}
		p := w.target.Unanswered(w.cmd.JoinEvent, s.Namespace(), err)
		if t := (*remote.Trouble)(nil); errors.As(p, &t) && errors.Is(err, context.DeadlineExceeded) {
			t.Next = []string{"--join-event EVENT: the name of the event by which this server lets clients into rooms"}
		}
		w.done(p)
		return
	}
}

func (w *watcher) event(r *client.Request) {
	if len(w.cmd.Event) > 0 && !slices.Contains(w.cmd.Event, r.Name) {
		return
	}
	n := w.seen.Add(1)
	if w.cmd.Count > 0 && n > int64(w.cmd.Count) {
		w.seen.Add(-1)
		return
	}
	vs, err := console.Values(r.Len(), r.Bind)
	if err == nil {
		err = w.feed.Print(console.Event{Time: time.Now(), Namespace: r.Socket.Namespace(), Event: r.Name, Args: vs})
	}
	if err != nil { // nobody reads any more
		w.done(err)
	}
	if n == int64(w.cmd.Count) {
		w.done(errEnough)
	}
}
