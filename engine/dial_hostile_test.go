package engine_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/ws"
)

// endless writes s until the client has had enough.
func endless(w http.ResponseWriter, s string) (written int) {
	for {
		n, err := w.Write([]byte(s))
		written += n
		if err != nil {
			return written
		}
	}
}

func TestHugeHandshakeIsRefused(t *testing.T) {
	for _, o := range []*engine.DialOptions{pollingOnly, webSocketOnly} {
		var written atomic.Int64
		s := newFake(t, func(s *fakeServer) {
			s.open = `{"sid":"` + strings.Repeat("x", 100<<10) + `","pingInterval":1,"pingTimeout":1}`
			s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("transport") == "websocket" {
					return false
				}
				_, _ = w.Write([]byte(`0{"sid":"`))
				written.Store(int64(endless(w, strings.Repeat("x", 1<<16))))
				return true
			}
		})
		if _, _, err := dial(t, s.URL, o); err == nil {
			t.Fatal("no error")
		}
		s.Server.Close()
		if written.Load() > 16<<20 {
			t.Errorf("read %d bytes", written.Load())
		}
	}
}

func TestEndlessHeaderIsRefused(t *testing.T) {
	for _, o := range []*engine.DialOptions{pollingOnly, webSocketOnly} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan int, 1)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				done <- 0
				return
			}
			written := 0
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n"))
			for err == nil {
				var n int
				n, err = conn.Write([]byte("X-Header: " + strings.Repeat("x", 1000) + "\r\n"))
				written += n
			}
			_ = conn.Close()
			done <- written
		}()
		_, _, err = dial(t, "http://"+l.Addr().String(), o)
		_ = l.Close()
		if err == nil {
			t.Fatal("no error")
		}
		if n := <-done; n > 64<<20 {
			t.Errorf("took %d bytes", n)
		}
	}
}

func TestWrongAcceptKeyIsRefused(t *testing.T) {
	s := newFake(t, func(s *fakeServer) {
		s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			conn, rw, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n")
			_ = rw.Flush()
			return true
		}
	})
	if _, _, err := dial(t, s.URL, webSocketOnly); err == nil {
		t.Fatal("no error")
	}
}

func TestHandshakesAreCheckedOrClamped(t *testing.T) {
	const ok = `"pingInterval":25000,"pingTimeout":20000`
	for _, tt := range []struct{ name, open, want string }{
		{"interval 0", `{"sid":"S","pingInterval":0,"pingTimeout":20000}`, "error"},
		{"interval -1", `{"sid":"S","pingInterval":-1,"pingTimeout":20000}`, "error"},
		{"timeout missing", `{"sid":"S","pingInterval":25000}`, "error"},
		{"interval 1e18", `{"sid":"S","pingInterval":1e18,"pingTimeout":20000}`, "24h0m0s"},
		{"interval 1e999", `{"sid":"S","pingInterval":1e999,"pingTimeout":20000}`, "error"},
		{"maxPayload 0", `{"sid":"S",` + ok + `,"maxPayload":0}`, "25s"},
		{"maxPayload -5", `{"sid":"S",` + ok + `,"maxPayload":-5}`, "25s"},
		{"maxPayload 1e300", `{"sid":"S",` + ok + `,"maxPayload":1e300}`, "25s"},
		{"unknown upgrades", `{"sid":"S","upgrades":["carrier pigeon",""],` + ok + `}`, "25s"},
		{"no sid", `{` + ok + `}`, "error"},
		{"sid is a number", `{"sid":1,` + ok + `}`, "error"},
		{"long sid", `{"sid":"` + strings.Repeat("s", 2000) + `",` + ok + `}`, "error"},
		{"no JSON", `hello`, "error"},
		{"array", `[]`, "error"},
		{"empty", ``, "error"},
	} {
		for _, o := range []*engine.DialOptions{pollingOnly, webSocketOnly} {
			t.Run(tt.name+" "+o.Transports[0], func(t *testing.T) {
				s := newFake(t, func(s *fakeServer) { s.open = tt.open })
				c, _, err := dial(t, s.URL, o)
				got := "error"
				if err == nil {
					got = c.Handshake().PingInterval.String()
				}
				if got != tt.want {
					t.Errorf("got %s, want %s (%v)", got, tt.want, err)
				}
				if err == nil {
					if err := c.Send(0, text("works")); err != nil {
						t.Error(err)
					}
					expect(t, s.in, "4works")
				}
			})
		}
	}
}

func TestSessionIDIsEscapedInRequests(t *testing.T) {
	const sid = "a\r\nX-Evil: 1\r\n&transport=websocket#é/../"
	s := newFake(t, func(s *fakeServer) {
		s.open = strings.Replace(fakeOpen, `"S"`, `"a\r\nX-Evil: 1\r\n&transport=websocket#é/../"`, 1)
	})
	upgraded := make(chan bool, 1)
	mustDial(t, s.URL, &engine.DialOptions{Hooks: engine.DialHooks{Upgrade: func(*engine.ClientConn) { upgraded <- true }}})
	next(t, upgraded)
	for range 3 {
		r := next(t, s.requests)
		q := r.URL.Query()
		if r.Header.Get("X-Evil") != "" || len(q["transport"]) != 1 || r.URL.Path != "/engine.io/" {
			t.Fatalf("%s %v", r.URL, r.Header)
		}
		if got := q.Get("sid"); got != "" && got != sid {
			t.Fatalf("sid %q", got)
		}
	}
}

func TestServerThatAnswersNothingIsNotAskedWithoutPause(t *testing.T) {
	s := newFake(t, func(s *fakeServer) {
		s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("sid") == "" {
				return false
			}
			fmt.Fprint(w, "6")
			return true
		}
	})
	c, _ := mustDial(t, s.URL, pollingOnly)
	time.AfterFunc(300*time.Millisecond, func() { c.Close(nil) })
	<-c.Done()
	if n := len(s.requests); n > 25 {
		t.Errorf("%d requests in 300 ms", n)
	}
}

func TestInvalidPacketsCloseTheConnection(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "unknown type": "9", "second open": "0{}", "not UTF-8": "4\xff", "bad base64": "b!", "empty packet": "4a\x1e",
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t, nil)
			_, r := mustDial(t, s.URL, pollingOnly)
			s.out <- body
			if why := next(t, r.closed); !errors.Is(why, engine.ErrTransport) {
				t.Fatal(why)
			}
			if name == "empty" || name == "bad base64" {
				return // the same text is no packet of WebSocket either, but is not worth a frame
			}
			s = newFake(t, nil)
			_, r = mustDial(t, s.URL, webSocketOnly)
			s.frame(strings.TrimPrefix(body, "4a\x1e"))
			if why := next(t, r.closed); !errors.Is(why, engine.ErrTransport) {
				t.Fatal(why)
			}
		})
	}
}

func TestOversizedMessagesCloseTheConnection(t *testing.T) {
	o := *webSocketOnly
	o.MaxPayload = 1 << 16
	fragments := func(s *fakeServer) {
		frame := ws.AppendFrame(nil, ws.OpText, []byte(strings.Repeat("x", 1000)))
		frame[0] &^= 0x80 // not the last
		for err := error(nil); err == nil; {
			err = s.conn.Write(frame)
			frame[0] = 0 // a continuation
		}
	}
	declared := func(s *fakeServer) {
		_ = s.conn.Write([]byte{0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3})
	}
	for name, attack := range map[string]func(s *fakeServer){"fragments": fragments, "declared": declared} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t, nil)
			_, r := mustDial(t, s.URL, &o)
			attack(s)
			if why := next(t, r.closed); !errors.Is(why, engine.ErrTransport) {
				t.Fatal(why)
			}
		})
	}
	t.Run("polling", func(t *testing.T) {
		s := newFake(t, nil)
		_, r := mustDial(t, s.URL, &engine.DialOptions{Transports: []string{"polling"}, MaxPayload: 1 << 16})
		s.out <- "4" + strings.Repeat("x", 1<<16)
		if why := next(t, r.closed); !errors.Is(why, engine.ErrTransport) {
			t.Fatal(why)
		}
	})
}

func TestRedirectToAnotherHostIsRefused(t *testing.T) {
	var stolen atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stolen.Add(1) }))
	defer other.Close()
	for _, o := range []*engine.DialOptions{pollingOnly, webSocketOnly} {
		for _, status := range []int{301, 302, 307, 308} {
			s := newFake(t, func(s *fakeServer) {
				s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
					http.Redirect(w, r, other.URL+r.URL.RequestURI(), status)
					return true
				}
			})
			opts := *o
			opts.Header = http.Header{"Authorization": {"secret"}, "X-Key": {"secret"}}
			opts.HTTPClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
			_, _, err := dial(t, s.URL, &opts)
			opts.HTTPClient.CloseIdleConnections()
			var refused *engine.DialError
			if !errors.As(err, &refused) {
				t.Errorf("%s %d: %v", o.Transports[0], status, err)
			}
		}
	}
	if stolen.Load() != 0 {
		t.Error("the other host was asked")
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	s := newFake(t, nil)
	secure := httptest.NewUnstartedServer(s)
	secure.Config.ErrorLog = quiet()
	secure.StartTLS()
	defer secure.Close()
	for _, o := range []*engine.DialOptions{pollingOnly, webSocketOnly} {
		_, _, err := dial(t, secure.URL, o)
		var unverified *tls.CertificateVerificationError
		if !errors.As(err, &unverified) {
			t.Fatalf("%s: %v", o.Transports[0], err)
		}
		opts := *o
		opts.HTTPClient = secure.Client()
		c, _, err := dial(t, secure.URL, &opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(0, text("over TLS")); err != nil {
			t.Fatal(err)
		}
		for next(t, s.in) != "4over TLS" {
		}
		c.Close(nil)
		<-c.Done()
		secure.Client().CloseIdleConnections()
	}
}

// memory joins an http.Client to a handler without a network, for time that
// can be stopped.
func memory(t *testing.T, h http.Handler) *http.Client {
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: h}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = srv.Serve(l)
	}()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		a, b := net.Pipe()
		select {
		case l.conns <- b:
			return a, nil
		case <-l.done:
			return nil, net.ErrClosed
		}
	}}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = srv.Close()
		<-stopped
	})
	return &http.Client{Transport: tr}
}

type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serve returns a fake server that is not on the network.
func serve(t *testing.T) (*fakeServer, *http.Client) {
	s := &fakeServer{
		open: fakeOpen, out: make(chan string, 100), in: make(chan string, 100),
		requests: make(chan *http.Request, 100), bodies: make(chan int, 100),
		probed: make(chan struct{}),
	}
	return s, memory(t, s)
}

func TestServerWithoutHeartbeatTimesOut(t *testing.T) {
	for _, name := range []string{"polling", "websocket"} {
		synctest.Test(t, func(t *testing.T) {
			_, hc := serve(t)
			start := time.Now()
			c, r := mustDial(t, "http://server", &engine.DialOptions{Transports: []string{name}, HTTPClient: hc})
			if why := <-r.closed; why != engine.ErrPingTimeout {
				t.Error(why)
			}
			if d := time.Since(start); d != 45*time.Second {
				t.Errorf("%s: after %v", name, d)
			}
			<-c.Done()
		})
	}
}

func TestHeartbeatKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, hc := serve(t)
		c, r := mustDial(t, "http://server", &engine.DialOptions{Transports: []string{"websocket"}, HTTPClient: hc})
		for range 10 {
			time.Sleep(40 * time.Second)
			s.frame("2")
			if got := <-s.in; got != "3" {
				t.Fatal(got)
			}
		}
		select {
		case why := <-r.closed:
			t.Fatal(why)
		default:
		}
		c.Close(nil)
		<-c.Done()
	})
}

func TestHandshakeThatNeverComesTimesOut(t *testing.T) {
	for _, name := range []string{"polling", "websocket"} {
		synctest.Test(t, func(t *testing.T) {
			hang := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			start := time.Now()
			r := newRecorder()
			_, err := engine.Dial(t.Context(), "http://server", func(*engine.ClientConn) engine.Session { return r },
				&engine.DialOptions{Transports: []string{name}, HTTPClient: memory(t, hang), RequestTimeout: 3 * time.Second})
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

func TestOpeningAndClosingLeavesNothingBehind(t *testing.T) {
	s := newFake(t, nil)
	before := runtime.NumGoroutine()
	for i := range 300 {
		o := pollingOnly
		if i%2 == 1 {
			o = webSocketOnly
		}
		c, err := engine.Dial(context.Background(), s.URL, func(*engine.ClientConn) engine.Session { return newRecorder() }, o)
		if err != nil {
			t.Fatal(err)
		}
		c.Close(nil)
		<-c.Done()
	}
	for i := 0; runtime.NumGoroutine() > before+10; i++ {
		if i > 1e6 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}
