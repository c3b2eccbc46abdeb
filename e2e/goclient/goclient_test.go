// Package goclient_test tries the Go client against the official server of
// Socket.IO and against ours, with the same cases over every transport.
package goclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// transports are the ways to connect.
var transports = []struct {
	name string
	o    engine.DialOptions
	ends string // the transport in the end
}{
	{"polling", engine.DialOptions{Transports: []string{"polling"}}, "polling"},
	{"websocket", engine.DialOptions{Transports: []string{"websocket"}}, "websocket"},
	{"upgrade", engine.DialOptions{}, "websocket"},
}

// A world is one combination of server and transport.
type world struct {
	*testing.T
	target target
	engine engine.DialOptions
	ends   string
	ctx    context.Context
}

// everywhere runs a case with each server over each transport.
func everywhere(t *testing.T, fn func(w *world)) {
	for _, target := range targets(t) {
		for _, tr := range transports {
			t.Run(target.name+"/"+tr.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				fn(&world{T: t, target: target, engine: tr.o, ends: tr.ends, ctx: ctx})
			})
		}
	}
}

func (w *world) client(s *server, change func(o *client.Options)) *client.Client {
	o := &client.Options{
		Engine: w.engine, ReconnectionDelay: 20 * time.Millisecond, ReconnectionDelayMax: 200 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(o)
	}
	c := client.New(s.url, o)
	w.Cleanup(func() { _ = c.Close() })
	return c
}

func (w *world) connect(c *client.Client, ns string) *client.Socket {
	w.Helper()
	s := c.Of(ns)
	if err := s.Connect(w.ctx); err != nil {
		w.Fatal(err)
	}
	return s
}

func next[T any](w *world, ch <-chan T) T {
	w.Helper()
	select {
	case v := <-ch:
		return v
	case <-w.ctx.Done():
		w.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestTransportInTheEnd(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		so := w.connect(w.client(s, nil), "/")
		for {
			got, err := client.Call[string](w.ctx, so, "transport")
			if err != nil {
				w.Fatal(err)
			}
			if got == w.ends && so.Client().Engine().Transport() == w.ends {
				return
			}
		}
	})
}

func TestEchoOfAllKindsOfValues(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		so := w.connect(w.client(s, nil), "/")
		got := make(chan []any, 1)
		so.Handle("echo", func(_ context.Context, r *client.Request) (any, error) {
			v, err := r.Values()
			got <- v
			return nil, err
		})
		values := []any{
			nil, true, 1.5, "text", "ünïcödé \u2028 \x1e €😀",
			[]any{1.0, "a", nil},
			map[string]any{"a": map[string]any{"b": []any{}}},
			[]byte{0, 1, 255},
			[]byte{},
			map[string]any{"x": []byte("deep"), "y": []any{[]byte("er")}},
			strings.Repeat("long ", 20000), bytes.Repeat([]byte{7}, 100000),
		}
		if err := so.Emit(w.ctx, "echo", values...); err != nil {
			w.Fatal(err)
		}
		if v := next(w, got); !reflect.DeepEqual(v, values) {
			w.Errorf("got %.500v", v)
		}
		for _, v := range values {
			back, err := client.Call[any](w.ctx, so, "echo", v)
			if err != nil || !reflect.DeepEqual(back, v) {
				w.Errorf("%.100v came back as %.100v, %v", v, back, err)
			}
		}
	})
}

func TestServerAsksClient(t *testing.T) {
	type answer struct {
		Answer any
		Failed string
	}
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		so := w.connect(w.client(s, nil), "/")
		client.OnCall(so, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
		client.OnCall(so, "reverse", func(_ context.Context, b []byte) ([]byte, error) { return append([]byte{9}, b...), nil })
		client.OnCall(so, "fails", func(context.Context, int) (int, error) { return 0, &event.Error{Message: "no"} })
		client.On(so, "plain", func(context.Context, int) error { return nil })
		for _, tt := range []struct {
			name      string
			arg, want any
		}{
			{"double", 21, 42.0},
			{"reverse", []byte{1}, []byte{9, 1}},
			{"fails", 1, map[string]any{"error": map[string]any{"message": "no"}}},
			{"plain", 1, nil},
		} {
			a, err := client.Call[answer](w.ctx, so, "ask", tt.name, tt.arg)
			if err != nil || a.Failed != "" || !reflect.DeepEqual(a.Answer, tt.want) {
				w.Errorf("%s: %+v %v", tt.name, a, err)
			}
		}
	})
}

func TestHandshakeCarriesAuthHeadersAndQuery(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		so := w.connect(w.client(s, func(o *client.Options) {
			o.Auth = map[string]any{"token": "t", "n": 1}
			o.Engine.Header = http.Header{"X-Key": {"k"}}
			o.Engine.Query = url.Values{"room": {"a b&c"}}
		}), "/")
		auth, err := client.Call[map[string]any](w.ctx, so, "auth")
		if err != nil || !reflect.DeepEqual(auth, map[string]any{"token": "t", "n": 1.0}) {
			w.Error(auth, err)
		}
		headers, err := client.Call[map[string]any](w.ctx, so, "headers")
		if err != nil || headers["x-key"] != "k" {
			w.Error(headers, err)
		}
		query, err := client.Call[map[string]any](w.ctx, so, "query")
		if err != nil || query["room"] != "a b&c" || query["EIO"] != "4" {
			w.Error(query, err)
		}
	})
}

func TestNamespacesAndRefusals(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		c := w.client(s, nil)
		w.connect(c, "/")
		var e *event.Error
		err := c.Of("/admin").Connect(w.ctx)
		if !errors.As(err, &e) || e.Message != "not authorized" || !reflect.DeepEqual(e.Data, map[string]any{"code": 42.0}) {
			w.Errorf("%#v", err)
		}
		if err := c.Of("/nowhere").Connect(w.ctx); !errors.As(err, &e) || e.Message != "Invalid namespace" {
			w.Errorf("%#v", err)
		}
		if !c.Of("/").Connected() {
			w.Error("the main namespace was lost")
		}
		admin := w.client(s, func(o *client.Options) { o.Auth = map[string]string{"token": "secret"} })
		so := w.connect(admin, "/admin")
		if v, err := client.Call[string](w.ctx, so, "echo", "x"); v != "x" || err != nil {
			w.Error(v, err)
		}
		so.Disconnect()
		so = w.connect(admin, "/admin") // over a new connection
		if v, err := client.Call[string](w.ctx, so, "echo", "y"); v != "y" || err != nil {
			w.Error(v, err)
		}
	})
}

func TestEventsOfMiddlewareComeFirst(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		so := w.client(s, nil).Of("/early")
		got := make(chan int, 3)
		client.On(so, "early", func(_ context.Context, n int) error { got <- n; return nil })
		if err := so.Connect(w.ctx); err != nil {
			w.Fatal(err)
		}
		for want := 1; want <= 3; want++ {
			if n := next(w, got); n != want {
				w.Fatalf("got %d, want %d", n, want)
			}
		}
	})
}

func TestErrorFormOfAnAck(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		so := w.connect(w.client(s, nil), "/")
		var e *event.Error
		err := so.EmitAck(w.ctx, "fail", nil)
		if !errors.As(err, &e) || e.Message != "no luck" || !reflect.DeepEqual(e.Data, map[string]any{"n": 7.0}) {
			w.Errorf("%#v", err)
		}
		if err := so.Timeout(50*time.Millisecond).EmitAck(w.ctx, "never", nil); !errors.Is(err, client.ErrAckTimeout) {
			w.Error(err)
		}
	})
}

func TestRooms(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		said := make(chan string, 10)
		var sockets []*client.Socket
		for i := range 3 {
			so := w.connect(w.client(s, nil), "/")
			client.On(so, "said", func(_ context.Context, text string) error {
				said <- fmt.Sprint(i, text)
				return nil
			})
			if err := so.EmitAck(w.ctx, "join", nil, []string{"a", "a", "b"}[i]); err != nil {
				w.Fatal(err)
			}
			sockets = append(sockets, so)
		}
		_ = sockets[0].Emit(w.ctx, "say", "b", "one")
		if got := next(w, said); got != "2one" {
			w.Error(got)
		}
		_ = sockets[2].Emit(w.ctx, "say", "a", "two")
		if got := map[string]bool{next(w, said): true, next(w, said): true}; !got["0two"] || !got["1two"] {
			w.Error(got)
		}
	})
}

func TestOrderIsKeptBothWays(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		c := w.client(s, nil)
		so := c.Of("/")
		const n = 500
		got, back := make(chan int, n), make(chan int, n)
		client.On(so, "n", func(_ context.Context, i int) error { got <- i; return nil })
		client.On(so, "echo", func(_ context.Context, i int) error { back <- i; return nil })
		if err := so.Connect(w.ctx); err != nil {
			w.Fatal(err)
		}
		if err := so.Emit(w.ctx, "burst", n); err != nil {
			w.Fatal(err)
		}
		for i := range n {
			if err := so.Emit(w.ctx, "echo", i); err != nil {
				w.Fatal(err)
			}
		}
		for i := range n {
			if a, b := next(w, got), next(w, back); a != i || b != i {
				w.Fatalf("got %d and %d, want %d", a, b, i)
			}
		}
	})
}

func TestHeartbeatsKeepTheConnection(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{PingInterval: 50, PingTimeout: 10_000}, 0)
		pings := make(chan bool, 1000)
		c := w.client(s, func(o *client.Options) { o.Engine.Hooks.Ping = func(*engine.ClientConn) { pings <- true } })
		so := w.connect(c, "/")
		id := so.ID()
		for range 10 { // each comes after the answer to the one before
			next(w, pings)
		}
		if so.ID() != id {
			w.Error("it was reconnected")
		}
	})
}

func TestDisconnectByTheServer(t *testing.T) {
	everywhere(t, func(w *world) {
		for name, want := range map[string]struct {
			why  client.Reason
			back bool
		}{"kick": {client.ServerDisconnect, false}, "kickall": {client.ServerDisconnect, false}, "cut": {client.TransportClose, true}} {
			s := w.target.start(t, serverOptions{}, 0)
			so := w.connect(w.client(s, nil), "/")
			gone, back := make(chan client.Reason, 1), make(chan bool, 1)
			so.OnDisconnect(func(_ context.Context, why client.Reason) { gone <- why })
			so.OnConnect(func(context.Context) { back <- true })
			_ = so.Emit(w.ctx, name)
			if why := next(w, gone); why != want.why {
				w.Errorf("%s: %s", name, why)
			}
			if want.back {
				next(w, back)
			} else if so.Active() {
				w.Error(name, "still active")
			}
		}
	})
}

func TestRecovery(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{Recovery: &struct{}{}}, 0)
		so := w.connect(w.client(s, nil), "/")
		news, back := make(chan string, 10), make(chan bool, 10)
		client.On(so, "news", func(_ context.Context, text string) error { news <- text; return nil })
		so.OnConnect(func(context.Context) { back <- so.Recovered() })
		id := so.ID()
		if err := so.EmitAck(w.ctx, "join", nil, "r"); err != nil {
			w.Fatal(err)
		}
		other := w.connect(w.client(s, nil), "/")
		_ = other.Emit(w.ctx, "news", "r", "first")
		if got := next(w, news); got != "first" {
			w.Fatal(got)
		}
		for i := range 3 {
			if err := so.Emit(w.ctx, "cut then news", "r", fmt.Sprint("missed ", i)); err != nil {
				w.Fatal(err)
			}
			if !next(w, back) || so.ID() != id {
				w.Fatalf("not recovered, or %q became %q", id, so.ID())
			}
			if got := next(w, news); got != fmt.Sprint("missed ", i) {
				w.Fatal(got)
			}
		}
	})
}

func TestRetries(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		so := w.connect(w.client(s, func(o *client.Options) { o.Retries, o.AckTimeout = 200, 50*time.Millisecond }), "/")
		if n, err := client.Call[int](w.ctx, so, "stubborn", "k"); n < 3 || err != nil { // more on a slow machine
			w.Error(n, err)
		}
		if err := so.Timeout(time.Millisecond).EmitAck(w.ctx, "never", nil); !errors.Is(err, client.ErrAckTimeout) {
			w.Error(err)
		}
	})
}

func TestCompression(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{Deflate: true}, 0)
		so := w.connect(w.client(s, func(o *client.Options) { o.Engine.Compression = &engine.Compression{} }), "/")
		long := strings.Repeat("compress me ", 1000)
		for range 3 {
			if v, err := client.Call[string](w.ctx, so, "echo", long); v != long || err != nil {
				w.Fatal(len(v), err)
			}
		}
	})
}

func TestBase64ForThoseWhoNeedIt(t *testing.T) {
	everywhere(t, func(w *world) {
		s := w.target.start(t, serverOptions{}, 0)
		so := w.connect(w.client(s, func(o *client.Options) { o.Engine.ForceBase64 = true }), "/")
		for range 3 {
			if v, err := client.Call[[]byte](w.ctx, so, "echo", []byte{1, 2, 3}); !bytes.Equal(v, []byte{1, 2, 3}) || err != nil {
				w.Fatal(v, err)
			}
		}
	})
}

func TestWebSocketIsRemembered(t *testing.T) {
	everywhere(t, func(w *world) {
		if w.ends == "polling" {
			return
		}
		s := w.target.start(t, serverOptions{}, 0)
		back := make(chan string, 1)
		c := w.client(s, func(o *client.Options) { o.RememberUpgrade = true })
		so := w.connect(c, "/")
		for c.Engine().Transport() != "websocket" {
			if err := so.EmitAck(w.ctx, "transport", nil); err != nil {
				w.Fatal(err)
			}
		}
		so.OnConnect(func(context.Context) { back <- c.Engine().Transport() })
		_ = so.Emit(w.ctx, "cut")
		if got := next(w, back); got != "websocket" {
			w.Error(got)
		}
	})
}
