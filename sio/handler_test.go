package sio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/sio"
)

type move struct {
	event.Args
	X, Y int
}

const moved event.Of[move] = "move"

func TestTypedHandlersGetTheirArguments(t *testing.T) {
	w := serve(t, nil)
	got := make(chan string, 10)
	sio.On(w.srv.Of("/"), "text", func(_ context.Context, _ *sio.Socket, s string) error { got <- s; return nil })
	sio.On(w.srv.Of("/"), moved, func(_ context.Context, _ *sio.Socket, m move) error { got <- fmt.Sprint(m.X, m.Y); return nil })
	sio.On(w.srv.Of("/"), "blob", func(_ context.Context, _ *sio.Socket, b []byte) error { got <- string(b); return nil })
	sio.On(w.srv.Of("/"), "none", func(_ context.Context, _ *sio.Socket, _ struct{}) error { got <- "none"; return nil })
	p := w.connect()
	p.send(`42["text","hello"]`, `42["move",3,4]`, `451-["blob",{"_placeholder":true,"num":0}]`, `<bytes>`, `42["none"]`, `42["text"]`)
	for _, want := range []string{"hello", "3 4", "bytes", "none", ""} {
		if v := receive(t, got); v != want {
			t.Errorf("got %q, want %q", v, want)
		}
	}
}

func TestAcknowledgementsCarryWhatTheHandlerReturns(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	sio.On(ns, "on", func(context.Context, *sio.Socket, string) error { return nil })
	sio.OnCall(ns, "double", func(_ context.Context, _ *sio.Socket, n int) (int, error) { return 2 * n, nil })
	sio.OnCall(ns, "move", func(_ context.Context, _ *sio.Socket, m move) (move, error) { return move{X: m.Y, Y: m.X}, nil })
	sio.OnCall(ns, "public", func(context.Context, *sio.Socket, struct{}) (int, error) {
		return 0, &sio.Error{Message: "no", Data: map[string]int{"code": 7}}
	})
	sio.OnCall(ns, "private", func(context.Context, *sio.Socket, struct{}) (int, error) { return 0, errors.New("secret") })
	ns.Handle("raw", func(_ context.Context, r *sio.Request) (any, error) {
		return sio.Args{r.Event, r.Len(), []byte("b")}, nil
	})
	ns.Handle("early", func(_ context.Context, r *sio.Request) (any, error) { return "late", r.Ack("early") })
	ns.Handle("back", func(_ context.Context, r *sio.Request) (any, error) { return r.Args(), nil })
	p := w.connect()
	for _, c := range []struct{ event, ack string }{
		{`["on","x"]`, `[]`},
		{`["on",5]`, `[{"error":{"message":"invalid arguments: .*"}}]`},
		{`["double",21]`, `[42]`},
		{`["move",1,2]`, `[2,1]`},
		{`["public"]`, `[{"error":{"message":"no","data":{"code":7}}}]`},
		{`["private"]`, `[{"error":{"message":"internal error"}}]`},
		{`["early"]`, `["early"]`},
		{`["back",1,[2],{"a":null}]`, `[1,[2],{"a":null}]`},
	} {
		p.send(`4217` + c.event)
		p.expect(`4317` + c.ack)
	}
	p.send(`4218["raw",1,2,3]`)
	p.expect(`461-18["raw",3,{"_placeholder":true,"num":0}]`, `<b>`)
	p.send(`42["double",1]`) // not asked for an acknowledgement
	p.send(`4219["double",1]`)
	p.expect(`4319[2]`)
}

func TestEventsOfOneSocketAreHandledInOrderAndOneAtATime(t *testing.T) {
	w := serve(t, nil)
	var got []int // not guarded: the race detector tells
	done := make(chan bool)
	sio.On(w.srv.Of("/"), "n", func(_ context.Context, _ *sio.Socket, n int) error {
		if got = append(got, n); n == 1999 {
			close(done)
		}
		return nil
	})
	p := w.connect()
	for i := range 2000 {
		p.send(fmt.Sprintf(`42["n",%d]`, i))
	}
	receive(t, done)
	if !slices.IsSorted(got) || len(got) != 2000 {
		t.Fatalf("%d events, sorted: %v", len(got), slices.IsSorted(got))
	}
}

func TestHooksEncloseTheEvents(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	log := make(chan string, 20)
	connecting := make(chan bool)
	ns.Use(func(context.Context, *sio.Socket) error { log <- "guard"; return nil })
	ns.OnConnect(func(_ context.Context, s *sio.Socket) error {
		<-connecting
		err := s.Join(t.Context(), "r")
		log <- "connect" // after which the client leaves, which waits for nothing
		return err
	})
	ns.OnAny(func(_ context.Context, r *sio.Request) { log <- "any " + r.Event })
	sio.On(ns, "e", func(context.Context, *sio.Socket, struct{}) error { log <- "event"; return nil })
	ns.OnDisconnecting(func(_ context.Context, s *sio.Socket, why sio.Reason) {
		log <- fmt.Sprint("disconnecting ", s.Rooms()[1:])
	})
	ns.OnDisconnect(func(ctx context.Context, s *sio.Socket, why sio.Reason) {
		<-ctx.Done()
		log <- "disconnect " + string(why)
	})
	p := w.connect()
	p.send(`42["e"]`, `42["unknown"]`)
	close(connecting)
	for i, want := range []string{"guard", "connect", "any e", "event", "any unknown", "disconnecting [r]", "disconnect client namespace disconnect"} {
		if i == 2 {
			p.send(`41`)
		}
		if got := receive(t, log); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestGuardsRefuse(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/admin")
	ns.Use(func(ctx context.Context, s *sio.Socket) error {
		var auth struct{ Token string }
		if err := s.Auth(&auth); err != nil {
			return err
		}
		switch auth.Token {
		case "good":
			return s.Join(ctx, "members")
		case "panic":
			panic("in a guard")
		case "private":
			return errors.New("secret")
		}
		return &sio.Error{Message: "not authorized", Data: map[string]int{"code": 7}}
	})
	p := w.dial()
	p.send(`40/admin,{"token":"bad"}`)
	p.expect(`44/admin,{"message":"not authorized","data":{"code":7}}`)
	p.send(`40/admin,{"token":"private"}`)
	p.expect(`44/admin,{"message":"internal error"}`)
	p.send(`40/admin,{"token":"panic"}`)
	p.expect(`44/admin,{"message":"internal error"}`)
	p.send(`40/admin,{"token":"good"}`)
	p.expect(`40/admin,{"sid":"{id}"}`)
	if err := ns.To("members").Emit(t.Context(), "hi"); err != nil {
		t.Fatal(err)
	}
	p.expect(`42/admin,["hi"]`)
}

func TestPanicOfAHandlerEndsItsSocketOnly(t *testing.T) {
	w := serve(t, nil)
	alive(w.srv.Of("/"))
	sio.On(w.srv.Of("/"), "boom", func(context.Context, *sio.Socket, struct{}) error { panic("boom") })
	other, p := w.connect(), w.connect()
	p.send(`421["boom"]`)
	p.expect(`431[{"error":{"message":"internal error"}}]`, `41`)
	p.send(`40`)
	p.expect(`40{"sid":"{id}"}`)
	p.quiet()
	other.quiet()
	if n := w.srv.Stats().Panics; n != 1 {
		t.Errorf("%d panics counted", n)
	}
}

func TestMiddlewareWrapsEveryHandler(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	wrap := func(name string) func(sio.Handler) sio.Handler {
		return func(next sio.Handler) sio.Handler {
			return func(ctx context.Context, r *sio.Request) (any, error) {
				v, err := next(ctx, r)
				return fmt.Sprintf("%s(%v)", name, v), err
			}
		}
	}
	ns.OnConnect(func(_ context.Context, s *sio.Socket) error {
		s.UseEvents(wrap("socket"))
		s.Handle("own", func(context.Context, *sio.Request) (any, error) { return "own", nil })
		s.Once("once", func(context.Context, *sio.Request) (any, error) { return "once", nil })
		return nil
	})
	ns.Handle("before", func(context.Context, *sio.Request) (any, error) { return "before", nil })
	ns.UseEvents(wrap("a"), wrap("b"))
	off := ns.Handle("after", func(context.Context, *sio.Request) (any, error) { return "after", nil })
	p := w.connect()
	p.send(`421["before"]`, `422["after"]`, `423["own"]`, `424["once"]`, `425["once"]`)
	p.expect(`431["socket(a(b(before)))"]`, `432["socket(a(b(after)))"]`, `433["socket(own)"]`, `434["socket(once)"]`)
	off()
	p.send(`426["after"]`, `427["before"]`)
	p.expect(`437["socket(a(b(before)))"]`)
}

func TestRegistrationMistakesPanic(t *testing.T) {
	ns := serve(t, nil).srv.Of("/")
	ns.Handle("twice", func(context.Context, *sio.Request) (any, error) { return nil, nil })
	for want, fn := range map[string]func(){
		"second handler": func() { ns.Handle("twice", func(context.Context, *sio.Request) (any, error) { return nil, nil }) },
		"reserved":       func() { ns.Handle("disconnect", func(context.Context, *sio.Request) (any, error) { return nil, nil }) },
		"nil handler":    func() { ns.Handle("nil", nil) },
	} {
		func() {
			defer func() {
				if v := recover(); !strings.Contains(fmt.Sprint(v), want) {
					t.Errorf("panic is %v, want %q", v, want)
				}
			}()
			fn()
		}()
	}
}
