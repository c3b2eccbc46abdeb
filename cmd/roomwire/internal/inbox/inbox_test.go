package inbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/inbox"
	"github.com/roomwire/roomwire/examples/chat/room"
	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
	"github.com/roomwire/roomwire/siotest"
)

// A hall is the chat with its inbox, on a store that outlives it.
type hall struct {
	t     *testing.T
	store *queue.Store
	srv   *sio.Server
	kept  chan []inbox.Waiting
	taken chan int
}

func openHall(t *testing.T) *hall {
	t.Helper()
	store, err := queue.Open(queue.Memory(), &queue.Options{Janitor: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h := &hall{t: t, store: store, kept: make(chan []inbox.Waiting, 100), taken: make(chan int, 100)}
	h.start()
	t.Cleanup(func() { _, _ = h.srv.Close(), store.Close() })
	return h
}

func (h *hall) start() {
	h.t.Helper()
	log := slog.New(slog.DiscardHandler)
	h.srv = sio.NewServer(&sio.Options{Logger: log, Recovery: &sio.Recovery{
		Log: mailroom.Log(h.store, nil), Durable: func(room string) bool { return strings.HasPrefix(room, "#") },
	}})
	chat := h.srv.Of("/")
	room.Attach(chat)
	in, err := inbox.Open(h.t.Context(), chat, h.store, log)
	if err != nil {
		h.t.Fatal(err)
	}
	in.Delivered = func(_ *sio.Socket, _ room.Person, n int, taken bool) {
		if taken {
			h.taken <- n
		}
	}
	chat.OnSent(func(ctx context.Context, e sio.Sent) {
		if e.Event == "chat message" {
			h.kept <- in.Keep(ctx, e)
		}
	})
}

// A guest is a client of the chat.
type guest struct {
	t      *testing.T
	c      *client.Client
	s      *client.Socket
	here   chan []string // who is online
	heard  chan string   // live
	missed chan []string // at once
}

type message struct{ Text string }

func (h *hall) enter(nick, name string, acknowledge bool) *guest {
	h.t.Helper()
	c := siotest.Dial(h.t, h.srv, &client.Options{Auth: map[string]string{"nick": nick, "room": name}})
	g := &guest{t: h.t, c: c, s: c.Of("/"), here: make(chan []string, 100), heard: make(chan string, 100), missed: make(chan []string, 100)}
	client.On(g.s, "online", func(_ context.Context, o struct{ Names []string }) error {
		g.here <- o.Names
		return nil
	})
	client.On(g.s, "chat message", func(_ context.Context, m message) error { g.heard <- m.Text; return nil })
	g.s.Handle("missed", func(ctx context.Context, r *client.Request) (any, error) {
		var all []message
		if err := r.Bind(&all); err != nil {
			return nil, err
		}
		var texts []string
		for _, m := range all {
			texts = append(texts, m.Text)
		}
		g.missed <- texts
		if !acknowledge {
			<-ctx.Done()
		}
		return nil, nil
	})
	if err := g.s.Connect(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	return g
}

func (g *guest) say(text string) {
	g.t.Helper()
	if err := g.s.EmitAck(g.t.Context(), "chat message", nil, text); err != nil {
		g.t.Fatal(err)
	}
}

func (g *guest) until(names ...string) {
	g.t.Helper()
	for !slices.Equal(slices.Sorted(slices.Values(next(g.t, g.here))), names) {
	}
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestWhoWasAwayGetsWhatWasSaidOnceAndInOrder(t *testing.T) {
	h := openHall(t)
	ada, bob := h.enter("ada", "lobby", true), h.enter("bob", "lobby", true)
	ada.until("ada", "bob")
	ada.say("both are here")
	if w := next(t, h.kept); len(w) != 0 {
		t.Errorf("it waits for %v", w)
	}
	bob.c.Close()
	ada.until("ada")
	for i := range 5 {
		ada.say(fmt.Sprint("message ", i))
		if w := next(t, h.kept); len(w) != 1 || w[0].Nick != "bob" || w[0].Pending != int64(i+1) {
			t.Errorf("it waits for %v", w)
		}
	}
	bob = h.enter("bob", "lobby", true)
	want := []string{"message 0", "message 1", "message 2", "message 3", "message 4"}
	if got := next(t, bob.missed); !slices.Equal(got, want) {
		t.Errorf("missed %q", got)
	}
	if n := next(t, h.taken); n != 5 {
		t.Errorf("took %d", n)
	}
	bob.c.Close()
	ada.until("ada", "bob")
	ada.until("ada")
	bob = h.enter("bob", "lobby", true) // nothing new
	ada.until("ada", "bob")
	ada.say("live")
	if got := next(t, bob.heard); got != "live" || len(bob.missed) != 0 {
		t.Errorf("heard %q, missed %d", got, len(bob.missed))
	}
}

func TestPeopleAndWhatTheyMissedOutliveTheServer(t *testing.T) {
	h := openHall(t)
	bob := h.enter("bob", "lobby", true)
	bob.until("bob")
	bob.c.Close()
	_ = h.srv.Close()
	h.start() // which has never seen bob
	ada := h.enter("ada", "lobby", true)
	ada.say("one")
	_ = h.srv.Close()
	h.start()
	ada = h.enter("ada", "lobby", true)
	ada.say("two")
	bob = h.enter("bob", "lobby", false) // gets it, and does not say so
	if got := next(t, bob.missed); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("missed %q", got)
	}
	bob.c.Close()
	ada.until("ada")
	ada.until("ada", "bob")
	ada.until("ada")
	bob = h.enter("bob", "lobby", true)
	if got := next(t, bob.missed); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("missed %q the second time", got)
	}
	next(t, h.taken)
}

func TestWhatIsKeptIsForTheRoomAndTheNameAlone(t *testing.T) {
	h := openHall(t)
	for _, g := range []*guest{h.enter("bob", "tea", true), h.enter("guest-1", "lobby", true), h.enter(strings.Repeat("b", 200), "lobby", true)} {
		next(t, g.here)
		g.c.Close()
	}
	eve := h.enter("eve", "lobby", true)
	ada := h.enter("ada", "lobby", true)
	ada.until("ada", "eve")
	if err := eve.s.EmitAck(t.Context(), "me", nil, map[string]string{"nick": "eve", "room": "tea"}); err != nil {
		t.Fatal(err)
	}
	ada.say("for eve")
	if w := next(t, h.kept); len(w) != 1 || w[0].Nick != "eve" {
		t.Errorf("it waits for %v", w)
	}
	if err := eve.s.EmitAck(t.Context(), "me", nil, map[string]string{"nick": "eve", "room": "lobby"}); err != nil {
		t.Fatal(err)
	}
	if got := next(t, eve.missed); !slices.Equal(got, []string{"for eve"}) {
		t.Errorf("missed %q", got)
	}
}
