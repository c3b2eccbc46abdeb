package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/engine"
)

var (
	pollingOnly   = &engine.DialOptions{Transports: []string{"polling"}}
	webSocketOnly = &engine.DialOptions{Transports: []string{"websocket"}}
)

func TestDialPollingCarriesMessagesBothWays(t *testing.T) {
	s := newFake(t, nil)
	c, r := mustDial(t, s.URL, pollingOnly)
	if c.ID() != "S" || c.Transport() != "polling" || c.Handshake().MaxPayload != 1000000 {
		t.Fatalf("%q %q %+v", c.ID(), c.Transport(), c.Handshake())
	}
	s.out <- "4hello\x1ebAQID\x1e4€"
	expect(t, r.messages, "hello", "b:\x01\x02\x03", "€")
	if err := c.Send(0, text("a"), binary("\x01\x02\x03"), text("c")); err != nil {
		t.Fatal(err)
	}
	expect(t, s.in, "4a", "bAQID", "4c")
	s.out <- "2"
	expect(t, s.in, "3")
}

func TestDialWebSocketCarriesMessagesBothWays(t *testing.T) {
	s := newFake(t, nil)
	c, r := mustDial(t, strings.Replace(s.URL, "http", "ws", 1), webSocketOnly)
	if c.Transport() != "websocket" {
		t.Fatal(c.Transport())
	}
	s.frame("4hello")
	expect(t, r.messages, "hello")
	if err := c.Send(0, text("a"), binary("\x01"), text("c")); err != nil {
		t.Fatal(err)
	}
	expect(t, s.in, "4a", "b:\x01", "4c")
	s.frame("2")
	expect(t, s.in, "3")
}

func TestDialContextDoesNotBoundTheConnection(t *testing.T) {
	for _, o := range []*engine.DialOptions{pollingOnly, webSocketOnly} {
		s := newFake(t, nil)
		ctx, cancel := context.WithCancel(context.Background())
		r := newRecorder()
		c, err := engine.Dial(ctx, s.URL, func(*engine.ClientConn) engine.Session { return r }, o)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := c.Send(0, text("still here")); err != nil {
			t.Fatal(err)
		}
		expect(t, s.in, "4still here")
		c.Close(nil)
		<-c.Done()
	}
}

func TestUpgradeKeepsTheOrderOfMessages(t *testing.T) {
	upgraded := make(chan bool, 1)
	s := newFake(t, nil)
	c, r := mustDial(t, s.URL, &engine.DialOptions{
		Hooks: engine.DialHooks{Upgrade: func(*engine.ClientConn) { upgraded <- true }},
	})
	const n = 300
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := range n {
			if err := c.Send(0, text(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		}
	}()
	next(t, upgraded)
	<-done
	for want := 0; want < n; {
		switch got := next(t, s.in); got {
		case "5":
		case "4" + fmt.Sprint(want):
			want++
		default:
			t.Fatalf("got %q, want %d", got, want)
		}
	}
	if c.Transport() != "websocket" {
		t.Fatal(c.Transport())
	}
	s.frame("4on websocket")
	expect(t, r.messages, "on websocket")
}

func TestFailedUpgradeLeavesPollingAsItWas(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"refused": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"hangs":   func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			s := newFake(t, func(s *fakeServer) {
				s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Query().Get("transport") == "websocket" {
						answer(w, r)
						return true
					}
					return false
				}
			})
			c, r := mustDial(t, s.URL, &engine.DialOptions{
				UpgradeTimeout: 50 * time.Millisecond,
				Hooks:          engine.DialHooks{UpgradeError: func(_ *engine.ClientConn, err error) { failed <- err }},
			})
			if err := next(t, failed); err == nil {
				t.Fatal("no error")
			}
			_ = c.Send(0, text("x"))
			expect(t, s.in, "4x")
			s.out <- "4y"
			expect(t, r.messages, "y")
		})
	}
}

func TestUpgradeThatStallsGoesBackToPolling(t *testing.T) {
	// The server answers the probe but never the request that waits.
	failed := make(chan error, 1)
	s := newFake(t, nil)
	hold := make(chan bool)
	s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && r.URL.Query().Get("sid") != "" && r.URL.Query().Get("transport") == "polling" {
			select {
			case <-hold:
				fmt.Fprint(w, "4late")
			case <-r.Context().Done():
			}
			return true
		}
		return false
	}
	c, r := mustDial(t, s.URL, &engine.DialOptions{
		UpgradeTimeout: 100 * time.Millisecond,
		Hooks:          engine.DialHooks{UpgradeError: func(_ *engine.ClientConn, err error) { failed <- err }},
	})
	if err := next(t, failed); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Fatal(err)
	}
	close(hold)
	if got := next(t, r.messages); got != "late" {
		t.Fatal(got)
	}
	_ = c.Send(0, text("x"))
	for next(t, s.in) != "4x" {
	}
}

func TestUpgradeThatTheServerDropsAtTheEndGoesBackToPolling(t *testing.T) {
	failed := make(chan error, 1)
	s := newFake(t, func(s *fakeServer) { s.drop = true })
	c, r := mustDial(t, s.URL, &engine.DialOptions{
		Hooks: engine.DialHooks{UpgradeError: func(_ *engine.ClientConn, err error) { failed <- err }},
	})
	if err := next(t, failed); err == nil {
		t.Fatal("no error")
	}
	s.out <- "4the last word\x1e1"
	expect(t, r.messages, "the last word")
	if why := next(t, r.closed); !errors.Is(why, engine.ErrTransportClose) {
		t.Fatal(why)
	}
	_ = c
}

func TestWebSocketFirstFallsBackToPolling(t *testing.T) {
	s := newFake(t, func(s *fakeServer) {
		s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("transport") == "websocket" {
				http.Error(w, "no websocket here", http.StatusBadRequest)
				return true
			}
			return false
		}
	})
	order := []string{"websocket", "polling"}
	_, _, err := dial(t, s.URL, &engine.DialOptions{Transports: order})
	var e *engine.DialError
	if !errors.As(err, &e) || e.Transport != "websocket" || e.Status != 400 || e.Message != "no websocket here" {
		t.Fatalf("%#v", err)
	}
	c, _ := mustDial(t, s.URL, &engine.DialOptions{Transports: order, TryAllTransports: true, NoUpgrade: true})
	if c.Transport() != "polling" {
		t.Fatal(c.Transport())
	}
}

func TestDialErrorSaysWhatTheServerSaid(t *testing.T) {
	s := newFake(t, func(s *fakeServer) {
		s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"code":4,"message":"members only"}`)
			return true
		}
	})
	_, _, err := dial(t, s.URL, pollingOnly)
	var e *engine.DialError
	if !errors.As(err, &e) || e.Status != 403 || e.Code != 4 || e.Message != "members only" {
		t.Fatalf("%#v", err)
	}
	if !strings.Contains(err.Error(), "members only") {
		t.Error(err)
	}
}

func TestEveryRequestHasHeadersQueryAndCookies(t *testing.T) {
	jar, _ := cookiejar.New(nil)
	s := newFake(t, func(s *fakeServer) {
		s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("sid") == "" {
				http.SetCookie(w, &http.Cookie{Name: "node", Value: "7"})
			}
			return false
		}
	})
	upgraded := make(chan bool, 1)
	c, _ := mustDial(t, s.URL+"/custom/?a=1", &engine.DialOptions{
		HTTPClient: &http.Client{Jar: jar},
		Header:     http.Header{"X-Key": {"k"}},
		Query:      url.Values{"b": {"2 3"}},
		Hooks:      engine.DialHooks{Upgrade: func(*engine.ClientConn) { upgraded <- true }},
	})
	next(t, upgraded)
	_ = c
	seen := map[string]bool{}
	for range 3 {
		r := next(t, s.requests)
		q := r.URL.Query()
		if r.Header.Get("X-Key") != "k" || q.Get("a") != "1" || q.Get("b") != "2 3" || q.Get("EIO") != "4" || r.URL.Path != "/custom/" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		if cookie, _ := r.Cookie("node"); q.Get("sid") != "" && (cookie == nil || cookie.Value != "7") {
			t.Errorf("%s has no cookie", r.URL)
		}
		seen[q.Get("transport")+q.Get("sid")] = true
	}
	for _, k := range []string{"polling", "pollingS", "websocketS"} {
		if !seen[k] {
			t.Errorf("no request %q of %v", k, seen)
		}
	}
}

func TestEachTransportHasItsOwnHeadersAndQuery(t *testing.T) {
	s := newFake(t, nil)
	upgraded := make(chan bool, 1)
	_, _ = mustDial(t, s.URL, &engine.DialOptions{
		Header: http.Header{"X-Key": {"both"}, "X-Other": {"both"}, "Host": {"front.example"}},
		Query:  url.Values{"q": {"both"}},
		Polling: engine.TransportOptions{
			Header: http.Header{"X-Key": {"polling"}}, Query: url.Values{"q": {"polling"}},
		},
		WebSocket: engine.TransportOptions{
			Header: http.Header{"x-key": {"websocket"}}, Query: url.Values{"more": {"websocket"}},
		},
		Hooks: engine.DialHooks{Upgrade: func(*engine.ClientConn) { upgraded <- true }},
	})
	next(t, upgraded)
	seen := map[string]bool{}
	for range 3 {
		r := next(t, s.requests)
		q := r.URL.Query()
		name := q.Get("transport")
		seen[name] = true
		query, more := "polling", ""
		if name == "websocket" {
			query, more = "both", "websocket"
		}
		if r.Header.Get("X-Key") != name || r.Header.Get("X-Other") != "both" || q.Get("q") != query || q.Get("more") != more || r.Host != "front.example" {
			t.Errorf("%s of %s: %v", r.URL, r.Host, r.Header)
		}
	}
	if len(seen) != 2 {
		t.Error(seen)
	}
}

func TestPostsKeepToMaxPayload(t *testing.T) {
	release := make(chan bool)
	s := newFake(t, func(s *fakeServer) {
		s.open = strings.Replace(fakeOpen, "1000000", "100", 1)
		s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				<-release
			}
			return false
		}
	})
	c, _ := mustDial(t, s.URL, pollingOnly)
	for i := range 50 {
		if err := c.Send(0, text(fmt.Sprintf("message %03d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Send(0, text(strings.Repeat("x", 100))); !errors.Is(err, engine.ErrMaxPayload) {
		t.Fatal(err)
	}
	if err := c.Send(0, binary(strings.Repeat("x", 80))); !errors.Is(err, engine.ErrMaxPayload) {
		t.Fatal(err) // 108 bytes in base64
	}
	if err := c.Send(0, text(strings.Repeat("x", 99))); err != nil {
		t.Fatal(err)
	}
	close(release)
	for i := range 50 {
		expect(t, s.in, fmt.Sprintf("4message %03d", i))
	}
	for i := range 5 {
		if n := next(t, s.bodies); n > 100 || n == 0 {
			t.Fatalf("body %d has %d bytes", i, n)
		}
	}
}

func TestCloseSendsWhatIsQueuedFirst(t *testing.T) {
	for name, o := range map[string]*engine.DialOptions{"polling": pollingOnly, "websocket": webSocketOnly} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t, nil)
			c, r := mustDial(t, s.URL, o)
			if err := c.Send(engine.Later, text("last")); err != nil {
				t.Fatal(err)
			}
			c.Close(nil)
			<-c.Done()
			expect(t, s.in, "4last")
			if name == "polling" {
				expect(t, s.in, "1")
			}
			if why := next(t, r.closed); !errors.Is(why, engine.ErrClosed) {
				t.Fatal(why)
			}
			if err := c.Send(0, text("x")); !errors.Is(err, engine.ErrClosed) {
				t.Fatal(err)
			}
			if err := c.Wait(context.Background(), 0); !errors.Is(err, engine.ErrClosed) {
				t.Fatal(err)
			}
		})
	}
}

func TestSendBufferIsBounded(t *testing.T) {
	release := make(chan bool)
	s := newFake(t, func(s *fakeServer) {
		s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				<-release
			}
			return false
		}
	})
	c, _ := mustDial(t, s.URL, &engine.DialOptions{Transports: []string{"polling"}, SendBuffer: 1000})
	big := strings.Repeat("x", 400)
	for range 2 {
		if err := c.Send(0, text(big)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Send(0, text(big)); !errors.Is(err, engine.ErrFull) {
		t.Fatal(err)
	}
	if err := c.Send(engine.Volatile, text("v")); !errors.Is(err, engine.ErrDropped) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Wait(ctx, 500); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(release)
	if err := c.Wait(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Send(0, text(big)); err != nil {
		t.Fatal(err)
	}
}

func TestSessionErrorClosesTheConnectionWithIt(t *testing.T) {
	mine := errors.New("mine")
	for name, o := range map[string]*engine.DialOptions{"polling": pollingOnly, "websocket": webSocketOnly} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t, nil)
			r := newRecorder()
			r.fail = mine
			c, err := engine.Dial(context.Background(), s.URL, func(*engine.ClientConn) engine.Session { return r }, o)
			if err != nil {
				t.Fatal(err)
			}
			if name == "polling" {
				s.out <- "4a\x1e4b"
			} else {
				s.frame("4a")
			}
			if why := next(t, r.closed); why != mine {
				t.Fatal(why)
			}
			<-c.Done()
			expect(t, r.messages, "a")
			if len(r.messages) != 0 {
				t.Error("a message came after the error")
			}
		})
	}
}

func TestServerCloseIsTransportClose(t *testing.T) {
	s := newFake(t, nil)
	_, r := mustDial(t, s.URL, pollingOnly)
	s.out <- "4bye\x1e1"
	expect(t, r.messages, "bye")
	if why := next(t, r.closed); !errors.Is(why, engine.ErrTransportClose) {
		t.Fatal(why)
	}
	s = newFake(t, nil)
	_, r = mustDial(t, s.URL, webSocketOnly)
	s.mu.Lock()
	_ = s.conn.Close()
	s.mu.Unlock()
	if why := next(t, r.closed); !errors.Is(why, engine.ErrTransportClose) {
		t.Fatal(why)
	}
}

func TestMessagesBesideTheHandshakeAreDelivered(t *testing.T) {
	s := newFake(t, func(s *fakeServer) { s.open = fakeOpen + "\x1e4welcome\x1e4here" })
	_, r := mustDial(t, s.URL, pollingOnly)
	expect(t, r.messages, "welcome", "here")
}
