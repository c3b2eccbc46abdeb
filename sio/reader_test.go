package sio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
)

// ways are the ways in which the events of a client can be read: by a goroutine
// that handles them, too, or by one that leaves that to others.
var ways = map[string]int{"reader of its own": 0, "shared": -1}

// read runs a test once for each way.
func read(t *testing.T, test func(t *testing.T, w *world)) {
	for name, readers := range ways {
		t.Run(name, func(t *testing.T) {
			test(t, serve(t, &sio.Options{Engine: engine.Options{Readers: readers}}))
		})
	}
}

// A handler that takes long keeps nobody waiting but the events of its socket.
func TestHandlerThatWaitsHoldsUpNobodyElse(t *testing.T) {
	read(t, func(t *testing.T, w *world) {
		release, other := make(chan bool), make(chan bool, 10)
		w.srv.Of("/").Handle("wait", func(ctx context.Context, r *sio.Request) (any, error) {
			<-release
			return nil, nil
		})
		w.srv.Of("/other").Handle("e", func(ctx context.Context, r *sio.Request) (any, error) {
			other <- true
			return nil, nil
		})
		p := w.connect()
		p.send("40/other,")
		p.expect(`40/other,{"sid":"{sid}"}`)
		p.send(`421["wait"]`)
		for i := range 3 {
			p.send(fmt.Sprintf(`42/other,%d["e"]`, i))
			receive(t, other)
			p.expect(fmt.Sprintf(`43/other,%d[]`, i))
		}
		release <- true
		p.expect(`431[]`)
	})
}

// The same when both events are read at once, whichever is first.
func TestEventsThatAreReadTogetherWaitForNoOtherSocket(t *testing.T) {
	read(t, func(t *testing.T, w *world) {
		meet := make(chan bool)
		for _, name := range []string{"/", "/other"} {
			w.srv.Of(name).Handle("meet", func(ctx context.Context, r *sio.Request) (any, error) {
				select {
				case meet <- true:
				case <-meet:
				}
				return nil, nil
			})
		}
		p := w.connect()
		p.send("40/other,")
		p.expect(`40/other,{"sid":"{sid}"}`)
		p.send(`421["meet"]`, `42/other,2["meet"]`, `42/other,3["meet"]`, `424["meet"]`)
		for range 4 {
			if m, _ := p.next(); !strings.HasPrefix(m, "43") {
				t.Errorf("got %s", m)
			}
		}
	})
}

// A handler may ask its own client, alone or among all, and learns of its end.
func TestHandlerMayWaitForItsOwnClient(t *testing.T) {
	read(t, func(t *testing.T, w *world) {
		ns := w.srv.Of("/")
		ended := make(chan error, 1)
		sio.On(ns, "ask", func(ctx context.Context, s *sio.Socket, _ struct{}) error {
			return s.EmitAck(ctx, "you?", nil)
		})
		sio.On(ns, "ask all", func(ctx context.Context, _ *sio.Socket, _ struct{}) error {
			return ns.EmitAck(ctx, "you all?", nil)
		})
		sio.On(ns, "end", func(ctx context.Context, _ *sio.Socket, _ struct{}) error {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil
		})
		p := w.connect()
		for i := range 3 {
			p.send(fmt.Sprintf(`42%d["ask"]`, i))
			p.send(`43` + p.expect(`42{id}["you?"]`)[0] + `[]`)
			p.expect(fmt.Sprintf(`43%d[]`, i))
			p.send(fmt.Sprintf(`42%d["ask all"]`, i))
			p.send(`43` + p.expect(`42{id}["you all?"]`)[0] + `[]`)
			p.expect(fmt.Sprintf(`43%d[]`, i))
		}
		p.send(`42["end"]`)
		p.cut()
		receive(t, ended)
	})
}

// A handler may disconnect its own client, and wait for that.
func TestHandlerMayDisconnectItsOwnClient(t *testing.T) {
	read(t, func(t *testing.T, w *world) {
		gone := make(chan bool, 2)
		sio.On(w.srv.Of("/"), "go", func(ctx context.Context, s *sio.Socket, _ struct{}) error {
			s.OnDisconnect(func(context.Context, sio.Reason) { gone <- true })
			s.DisconnectConn()
			<-s.Conn().Done()
			<-ctx.Done()
			gone <- true
			return nil
		})
		p := w.connect()
		p.send(`42["go"]`)
		p.expect(`41`)
		p.closed()
		receive(t, gone)
		receive(t, gone)
	})
}

// Shutdown waits for a handler, wherever it runs.
func TestShutdownWaitsForHandlers(t *testing.T) {
	read(t, func(t *testing.T, w *world) {
		began, release, left := make(chan bool), make(chan bool), make(chan bool, 1)
		w.srv.Of("/").Handle("wait", func(context.Context, *sio.Request) (any, error) {
			began <- true
			<-release
			left <- true
			return nil, nil
		})
		p := w.connect()
		p.send(`42["wait"]`)
		receive(t, began)
		down := make(chan error, 1)
		go func() { down <- w.srv.Shutdown(context.Background()) }()
		p.closed()
		p.cut()
		release <- true
		if err := receive(t, down); err != nil {
			t.Error(err)
		}
		select {
		case <-left:
		default:
			t.Error("Shutdown returned before the handler did")
		}
	})
}
