package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
)

func TestConnectSendsAuthOfEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		n := 0
		so := s.connect(func(o *client.Options) {
			o.AuthFunc = func(_ context.Context, ns string) (any, error) {
				n++
				return map[string]any{"n": n, "ns": ns}, nil
			}
		})
		expect(t, s.packets, `0{"n":1,"ns":"/"}`)
		if so.ID() != "S1" || !so.Connected() || !so.Active() || so.Recovered() {
			t.Error(so.ID(), so.Connected())
		}
		again := make(chan bool, 1)
		so.OnConnect(func(context.Context) { again <- true })
		next(t, s.conns).cut()
		next(t, again)
		expect(t, s.packets, `0{"n":2,"ns":"/"}`)
	})
}

func TestNamespacesShareOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		c := s.client(func(o *client.Options) { o.Auth = struct{ A int }{1} })
		for _, ns := range []string{"", "admin", "/x"} {
			if err := c.Of(ns).Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, s.packets, `0{"A":1}`, `0/admin,{"A":1}`, `0/x,{"A":1}`)
		if c.Of("/admin") != c.Of("admin") || len(s.conns) != 1 {
			t.Error("not shared")
		}
		_ = c.Of("/x").Emit(t.Context(), "e")
		c.Of("/x").Disconnect()
		expect(t, s.packets, `2/x,["e"]`, `1/x,`)
		if !c.Of("/").Connected() || c.Of("/x").Connected() {
			t.Error("wrong sockets connected")
		}
		if err := c.Of("/x").Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestConnectErrorIsFinalAndHasData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, func(c *fakeConn, p string) { c.send(`4{"message":"no entry","data":{"code":7}}`) })
		so := s.client(nil).Of("/")
		told := make(chan error, 10)
		so.OnConnectError(func(_ context.Context, err error) { told <- err })
		err := so.Connect(t.Context())
		var e *event.Error
		if !errors.As(err, &e) || e.Message != "no entry" || !reflect.DeepEqual(e.Data, map[string]any{"code": 7.0}) {
			t.Fatalf("%#v", err)
		}
		if next(t, told) != err || so.Active() {
			t.Error("not told, or active")
		}
		time.Sleep(time.Minute)
		if len(s.conns) != 1 || len(s.packets) != 1 {
			t.Error("it tried again")
		}
		if err := so.Emit(t.Context(), "x"); !errors.Is(err, client.ErrNotConnected) {
			t.Error(err)
		}
	})
}

func TestOldServerIsToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, func(c *fakeConn, p string) { c.send(`0`) })
		if err := s.client(nil).Of("/").Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "older protocol") {
			t.Fatal(err)
		}
	})
}

func TestConnectGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		s.down.Store(true)
		c := s.client(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := c.Of("/").Connect(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "out of order") {
			t.Error(err)
		}
		if c.Of("/").Active() {
			t.Error("still active")
		}
		s.down.Store(false)
		if err := c.Of("/").Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestEventsAreHandledInOrderAfterOnConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, func(c *fakeConn, p string) {
			c.send(`2["n",-1]`) // before CONNECT
			c.send(`0{"sid":"S"}`)
			for i := range 100 {
				c.send(fmt.Sprintf(`2["n",%d]`, i))
			}
		})
		so := s.client(nil).Of("/")
		got := make(chan int, 200)
		so.OnConnect(func(context.Context) { got <- -2 })
		client.On(so, "n", func(_ context.Context, n int) error { got <- n; return nil })
		if err := so.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for want := -2; want < 100; want++ {
			if n := next(t, got); n != want {
				t.Fatalf("got %d, want %d", n, want)
			}
		}
	})
}

func TestAcksOfHandlers(t *testing.T) {
	type pair struct {
		event.Args
		A string
		B int
	}
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(nil)
		expect(t, s.packets, "0")
		client.On(so, "on", func(context.Context, string) error { return nil })
		client.OnCall(so, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
		client.OnCall(so, "swap", func(_ context.Context, p pair) (pair, error) {
			return pair{A: fmt.Sprint(p.B), B: len(p.A)}, nil
		})
		client.OnCall(so, "private", func(context.Context, struct{}) (int, error) { return 0, errors.New("secret") })
		client.OnCall(so, "public", func(context.Context, struct{}) (int, error) {
			return 0, &event.Error{Message: "sorry", Data: 3}
		})
		client.On(so, "panics", func(context.Context, struct{}) error { panic("oh") })
		so.Handle("raw", func(_ context.Context, r *client.Request) (any, error) {
			v, err := r.Values()
			return fmt.Sprint(v, r.Len(), r.WantsAck()), err
		})
		so.Handle("bin", func(_ context.Context, r *client.Request) (any, error) { return []byte{1}, nil })
		c := next(t, s.conns)
		for i, tt := range []struct{ in, out string }{
			{`["on","x"]`, `[]`},
			{`["double",21]`, `[42]`},
			{`["swap","abc",5]`, `["5",3]`},
			{`["private"]`, `[{"error":{"message":"internal error"}}]`},
			{`["public"]`, `[{"error":{"message":"sorry","data":3}}]`},
			{`["panics"]`, `[{"error":{"message":"internal error"}}]`},
			{`["raw",1,"b"]`, `["[1 b] 2 true"]`},
		} {
			c.send(fmt.Sprintf("2%d%s", i, tt.in))
			expect(t, s.packets, fmt.Sprintf("3%d%s", i, tt.out))
		}
		c.send(`27["bin"]`)
		expect(t, s.packets, `61-7[{"_placeholder":true,"num":0}]`, "b:01")
		c.send(`28["double","x"]`)
		if got := next(t, s.packets); !strings.HasPrefix(got, `38[{"error":{"message":"argument 1`) {
			t.Error(got)
		}
		c.send(`29["unknown"]`) // nobody answers
		c.send(`210["double",1]`)
		expect(t, s.packets, `310[2]`)
	})
}

func TestEmitAckDecodesAcknowledgements(t *testing.T) {
	answers := map[string]string{
		"int": `[5]`, "none": `[]`, "error": `[{"error":{"message":"no","data":[1]}}]`,
		"similar": `[{"error":{"message":"no"},"more":1}]`, "text": `[{"error":"no"}]`, "wrong": `["x"]`,
	}
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(func(c *fakeConn, p string) {
			var id int
			var name string
			_, _ = fmt.Sscanf(strings.NewReplacer("[", " ", "]", "", `"`, "").Replace(p), "2%d %s", &id, &name)
			c.send(fmt.Sprintf("3%d%s", id, answers[name]))
		}))
		so := s.connect(nil)
		if n, err := client.Call[int](t.Context(), so, "int"); n != 5 || err != nil {
			t.Error(n, err)
		}
		if n, err := client.Call[int](t.Context(), so, "none"); n != 0 || err != nil {
			t.Error(n, err)
		}
		if err := so.EmitAck(t.Context(), "int", nil); err != nil {
			t.Error(err)
		}
		var e *event.Error
		if err := so.EmitAck(t.Context(), "error", nil); !errors.As(err, &e) || e.Message != "no" {
			t.Error(err)
		}
		for _, name := range []string{"similar", "text"} {
			if v, err := client.Call[map[string]any](t.Context(), so, name); err != nil || v["error"] == nil {
				t.Error(name, v, err)
			}
		}
		if _, err := client.Call[int](t.Context(), so, "wrong"); err == nil {
			t.Error("no error")
		}
	})
}

func TestHandlerMayWaitForAnAckOfItsOwnSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(func(c *fakeConn, p string) {
			if p == `20["ask"]` {
				c.send(`2["go"]`) // an event of its own first
				c.send(`30[1]`)
			}
		}))
		so := s.connect(nil)
		got := make(chan int, 2)
		first := true
		client.On(so, "go", func(ctx context.Context, _ struct{}) error {
			if !first {
				got <- 2
				return nil
			}
			first = false
			n, err := client.Call[int](ctx, so, "ask")
			got <- n
			return err
		})
		next(t, s.conns).send(`2["go"]`)
		if a, b := next(t, got), next(t, got); a != 1 || b != 2 {
			t.Fatal(a, b)
		}
	})
}

func TestAckTimeoutFiresOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(func(o *client.Options) { o.AckTimeout = 7 * time.Second })
		start := time.Now()
		err := so.EmitAck(t.Context(), "x", nil)
		if !errors.Is(err, client.ErrAckTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 7*time.Second {
			t.Error(err, time.Since(start))
		}
		start = time.Now()
		if err := so.Timeout(time.Second).EmitAck(t.Context(), "x", nil); !errors.Is(err, client.ErrAckTimeout) || time.Since(start) != time.Second {
			t.Error(err, time.Since(start))
		}
		c := next(t, s.conns)
		c.send(`30[1]`) // too late, and for nobody
		c.send(`399[1]`)
		done := make(chan bool, 1)
		so.Handle("still", func(context.Context, *client.Request) (any, error) { done <- true; return nil, nil })
		c.send(`2["still"]`)
		next(t, done)
	})
}

func TestDisconnectEndsPendingAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(nil)
		errs := make(chan error, 1)
		go func() { errs <- so.EmitAck(t.Context(), "x", nil) }()
		expect(t, s.packets, "0", `20["x"]`)
		next(t, s.conns).cut()
		if err := next(t, errs); !errors.Is(err, client.ErrDisconnected) {
			t.Error(err)
		}
	})
}

func TestReasons(t *testing.T) {
	for _, tt := range []struct {
		why   client.Reason
		cause func(c *fakeConn, so *client.Socket)
		back  bool
	}{
		{client.ServerDisconnect, func(c *fakeConn, _ *client.Socket) { c.send("1") }, false},
		{client.ClientDisconnect, func(_ *fakeConn, so *client.Socket) { so.Disconnect() }, false},
		{client.TransportClose, func(c *fakeConn, _ *client.Socket) { c.cut() }, true},
		{client.TransportError, func(c *fakeConn, _ *client.Socket) { c.raw("9") }, true},
		{client.ParseError, func(c *fakeConn, _ *client.Socket) { c.send("9") }, true},
		{client.ParseError, func(c *fakeConn, _ *client.Socket) { c.send(`0[]`) }, true},
		{client.PingTimeout, func(*fakeConn, *client.Socket) {}, true},
	} {
		t.Run(string(tt.why), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t, accepting(nil))
				so := s.connect(nil)
				gone, back := make(chan client.Reason, 100), make(chan bool, 100)
				so.OnDisconnect(func(_ context.Context, why client.Reason) { gone <- why })
				so.OnConnect(func(context.Context) { back <- true })
				tt.cause(next(t, s.conns), so)
				if why := next(t, gone); why != tt.why {
					t.Errorf("got %q, want %q", why, tt.why)
				}
				if so.ID() != "" {
					t.Error(so.ID())
				}
				time.Sleep(5 * time.Second)
				if got := len(back) > 0; got != tt.back || so.Active() != tt.back {
					t.Errorf("came back: %v, want %v", got, tt.back)
				}
			})
		})
	}
}

func TestOnceOffAndCatchAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(nil)
		var log []string
		client.Once(so, "e", func(_ context.Context, n int) error { log = append(log, fmt.Sprint("once", n)); return nil })
		off := client.On(so, "e", func(_ context.Context, n int) error { log = append(log, fmt.Sprint("on", n)); return nil })
		so.OnAny(func(_ context.Context, r *client.Request) {
			v, _ := r.Values()
			log = append(log, fmt.Sprint("any ", r.Name, v))
		})
		offOut := so.OnAnyOutgoing(func(name string, args []any) { log = append(log, fmt.Sprint("out ", name, args)) })
		c := next(t, s.conns)
		c.send(`2["e",1]`)
		synctest.Wait()
		c.send(`2["e",2]`)
		synctest.Wait()
		off()
		off()
		c.send(`2["e",3]`)
		c.send(`2["other",[4]]`)
		synctest.Wait()
		_ = so.Emit(t.Context(), "o", 5)
		offOut()
		_ = so.Emit(t.Context(), "o", 6)
		want := "any e[1],once1,on1,any e[2],on2,any e[3],any other[[4]],out o[5]"
		if got := strings.Join(log, ","); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestPrependedCatchAllsComeFirstAndAllOfThemGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(nil)
		var log []string
		note := func(what string) func(context.Context, *client.Request) {
			return func(context.Context, *client.Request) { log = append(log, what) }
		}
		out := func(what string) func(string, []any) { return func(string, []any) { log = append(log, what) } }
		so.OnAny(note("any"))
		so.PrependAny(note("first"))
		off := so.PrependAny(note("gone"))
		off()
		for range 2 {
			client.On(so, "e", func(context.Context, struct{}) error { log = append(log, "on"); return nil })
		}
		so.OnAnyOutgoing(out("out"))
		so.PrependAnyOutgoing(out("first out"))
		c := next(t, s.conns)
		c.send(`2["e"]`)
		synctest.Wait()
		_ = so.Emit(t.Context(), "o")
		so.Off("e")
		so.Off("never heard of")
		c.send(`2["e"]`)
		synctest.Wait()
		so.OffAny()
		so.OffAnyOutgoing()
		c.send(`2["e"]`)
		_ = so.Emit(t.Context(), "o")
		synctest.Wait()
		want := "first,any,on,on,first out,out,first,any"
		if got := strings.Join(log, ","); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestReservedNamesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(nil)
		for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
			if err := so.Emit(t.Context(), name); !errors.Is(err, client.ErrReserved) {
				t.Error(name, err)
			}
			func() {
				defer func() {
					if recover() == nil {
						t.Error(name, "was registered")
					}
				}()
				so.Handle(name, nil)
			}()
		}
	})
}

func TestBinaryTravelsBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(nil)
		got := make(chan []byte, 1)
		client.On(so, "b", func(_ context.Context, m struct{ X []byte }) error { got <- m.X; return nil })
		c := next(t, s.conns)
		c.send(`51-["b",{"X":{"_placeholder":true,"num":0}}]`)
		c.binary("\x01\x02")
		if b := next(t, got); string(b) != "\x01\x02" {
			t.Error(b)
		}
		_ = so.Emit(t.Context(), "b", map[string]any{"X": []byte{3}})
		expect(t, s.packets, "0", `51-["b",{"X":{"_placeholder":true,"num":0}}]`, "b:03")
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(nil)
		gone := make(chan client.Reason, 1)
		so.OnDisconnect(func(_ context.Context, why client.Reason) { gone <- why })
		errs := make(chan error, 1)
		go func() { errs <- so.EmitAck(t.Context(), "x", nil) }()
		expect(t, s.packets, "0", `20["x"]`)
		if err := so.Client().Close(); err != nil {
			t.Fatal(err)
		}
		if len(gone) != 1 || <-gone != client.ClientDisconnect {
			t.Error("not told before Close returned")
		}
		if err := next(t, errs); !errors.Is(err, client.ErrDisconnected) {
			t.Error(err)
		}
		expect(t, s.packets, "1")
		if so.Context().Err() == nil {
			t.Error("context not done")
		}
		if err := so.Emit(t.Context(), "x"); !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
		if err := so.Connect(t.Context()); !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
		if err := so.Client().Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestURLsAreCompleted(t *testing.T) {
	for _, tt := range []struct{ url, asks string }{
		{"http://server", "http://server/socket.io/"},
		{"http://server:3000/", "http://server:3000/socket.io/"},
		{"ws://server", "http://server/socket.io/"},
		{"wss://server", "https://server/socket.io/"},
		{"HTTPS://server", "https://server/socket.io/"},
		{"http://[::1]:3000", "http://[::1]:3000/socket.io/"},
		{"http://server?token=a%26b", "http://server/socket.io/?token=a%26b"},
		{"http://server/my/path", "http://server/my/path/"},
		{"http://server/my/path/?a=1", "http://server/my/path/?a=1"},
		{"http://server/socket.io#part", "http://server/socket.io/"},
		{"server.example", "https://server.example/socket.io/"},
		{"server.example:3000?a=1", "https://server.example:3000/socket.io/?a=1"},
		{"localhost:3000", "http://localhost:3000/socket.io/"},
		{"localhost", "http://localhost/socket.io/"},
		{"127.0.0.1:3000", "http://127.0.0.1:3000/socket.io/"},
		{"[::1]:3000", "http://[::1]:3000/socket.io/"},
		{":3000", "http://localhost:3000/socket.io/"},
	} {
		if got := client.Asks(t.Context(), tt.url, nil); got != tt.asks {
			t.Errorf("%s asks %s, want %s", tt.url, got, tt.asks)
		}
	}
	if got := client.Asks(t.Context(), "http://server/path", &client.Options{NoTrailingSlash: true}); got != "http://server/path" {
		t.Error(got)
	}
}

func TestPathThatIsNotFoundIsToldFromANamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		s.lost.Store(true)
		o := s.options()
		o.NoReconnection = true
		c := client.New("http://server/admin", o)
		defer c.Close()
		err := c.Of("/").Connect(t.Context())
		var d *engine.DialError
		if !errors.As(err, &d) || d.Status != http.StatusNotFound || !strings.Contains(err.Error(), "a namespace goes to Of") {
			t.Error(err)
		}
	})
}

func TestBadURLIsAnErrorOfConnect(t *testing.T) {
	for _, u := range []string{"", "://", "ftp://x", "http://", "http://%zz", "http:/server", "http://a:b"} {
		c := client.New(u, &client.Options{NoReconnection: true})
		if err := c.Of("/").Connect(t.Context()); err == nil {
			t.Error(u, "connected")
		}
		_ = c.Close()
	}
}
