package sio_test

import (
	"context"
	"regexp"
	"slices"
	"testing"

	"github.com/roomwire/roomwire/sio"
)

func TestUnknownNamespaceIsRefused(t *testing.T) {
	w := serve(t, nil)
	p := w.dial()
	p.send(`40/nope,`)
	p.expect(`44/nope,{"message":"Invalid namespace"}`)
	p.send(`40`)
	p.expect(`40{"sid":"{id}"}`)
}

func TestDynamicNamespaces(t *testing.T) {
	w := serve(t, nil)
	tenants := w.srv.Of("/tenant-{id}/{part}")
	numbers := w.srv.OfRegexp(regexp.MustCompile(`^/n-(?P<n>\d+)$`))
	secret := w.srv.OfFunc(func(_ context.Context, s *sio.Socket, name string) bool {
		var auth struct{ Key string }
		return s.Auth(&auth) == nil && auth.Key == "let me in" && name == "/secret"
	})
	values := make(chan string, 10)
	tenants.Use(func(_ context.Context, s *sio.Socket) error {
		values <- s.PathValue("id") + "," + s.PathValue("part") + "," + s.PathValue("none")
		return nil
	})
	numbers.OnConnect(func(_ context.Context, s *sio.Socket) error { values <- s.PathValue("n"); return nil })
	for _, ns := range []*sio.Namespace{tenants, numbers, secret} {
		sio.OnCall(ns, "who", func(_ context.Context, s *sio.Socket, _ struct{}) (string, error) {
			return s.Namespace().Name(), nil
		})
	}
	p := w.dial()
	p.send(`40/tenant-7/chat,`)
	p.expect(`40/tenant-7/chat,{"sid":"{id}"}`)
	if got := receive(t, values); got != "7,chat," {
		t.Errorf("path values %q", got)
	}
	p.send(`40/n-42`)
	p.expect(`40/n-42,{"sid":"{id}"}`)
	if got := receive(t, values); got != "42" {
		t.Errorf("path value %q", got)
	}
	p.send(`40/secret`)
	p.expect(`44/secret,{"message":"Invalid namespace"}`)
	p.send(`40/secret,{"key":"let me in"}`)
	p.expect(`40/secret,{"sid":"{id}"}`)
	p.send(`42/secret,1["who"]`, `42/n-42,2["who"]`)
	for range 2 { // different sockets run in parallel
		got, _ := p.next()
		if got != `43/secret,1["/secret"]` && got != `43/n-42,2["/n-42"]` {
			t.Errorf("got %s", got)
		}
	}
	if err := numbers.Emit(t.Context(), "all"); err != nil {
		t.Fatal(err)
	}
	p.expect(`42/n-42,["all"]`)
}

func TestEmptyDynamicNamespacesAreRemoved(t *testing.T) {
	for _, keep := range []bool{false, true} {
		w := serve(t, &sio.Options{KeepEmptyNamespaces: keep})
		w.srv.OfRegexp(regexp.MustCompile(`^/d-\d+$`))
		born := make(chan string, 1)
		gone := make(chan bool, 1)
		w.srv.OnNamespace(func(n *sio.Namespace) {
			born <- n.Name()
			n.OnDisconnect(func(context.Context, *sio.Socket, sio.Reason) { gone <- true })
		})
		p := w.connect()
		p.send(`40/d-1`)
		p.expect(`40/d-1,{"sid":"{id}"}`)
		if got := receive(t, born); got != "/d-1" {
			t.Errorf("new namespace %s", got)
		}
		p.send(`41/d-1`)
		receive(t, gone)
		p.send(`40/nope`) // the reader has gone on, and so has the lane of the socket soon
		p.expect(`44/nope,{"message":"Invalid namespace"}`)
		has := func() bool {
			return slices.ContainsFunc(w.srv.Namespaces(), func(n *sio.Namespace) bool { return n.Name() == "/d-1" })
		}
		for i := 0; !keep && has() && i < 1e6; i++ {
			p.send(`40/nope`)
			p.expect(`44/nope,{"message":"Invalid namespace"}`)
		}
		if has() != keep {
			t.Errorf("namespace is there: %v, want %v", has(), keep)
		}
	}
}

func TestLiveDynamicNamespacesAreCapped(t *testing.T) {
	w := serve(t, &sio.Options{Limits: sio.Limits{DynamicNamespaces: 2}})
	w.srv.OfRegexp(regexp.MustCompile(`^/d-\d+$`))
	p := w.dial()
	p.send(`40/d-1`)
	p.expect(`40/d-1,{"sid":"{id}"}`)
	p.send(`40/d-2`)
	p.expect(`40/d-2,{"sid":"{id}"}`)
	p.send(`40/d-3`)
	p.expect(`44/d-3,{"message":"too many namespaces"}`)
}

func TestOnlyOneCONNECTPerNamespace(t *testing.T) {
	w := serve(t, nil)
	waiting := make(chan bool)
	w.srv.Of("/").Use(func(ctx context.Context, _ *sio.Socket) error {
		close(waiting)
		<-ctx.Done() // of a socket that is closed
		return ctx.Err()
	})
	p := w.dial()
	p.send(`40`)
	receive(t, waiting)
	p.send(`40`)
	p.closed()
}
