package ws_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/internal/ws"
)

// answering starts a server that hijacks and writes what answer returns.
func answering(t *testing.T, answer func(accept string) string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(nc, answer(base64.StdEncoding.EncodeToString(sum[:])))
		_, _ = io.Copy(io.Discard, nc)
		_ = nc.Close()
	}))
	t.Cleanup(s.Close)
	return s
}

const switching = "HTTP/1.1 101 Switching Protocols\r\n"

func TestDialRefusesWrongAnswers(t *testing.T) {
	good := func(accept, more string) string {
		return switching + "Upgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n" + more + "\r\n"
	}
	cases := map[string]struct {
		answer func(accept string) string
		o      ws.Options
		want   string // "": the connection is made
	}{
		"good":          {func(a string) string { return good(a, "") }, ws.Options{}, ""},
		"wrong key":     {func(string) string { return good("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "") }, ws.Options{}, "wrong key"},
		"no key":        {func(string) string { return switching + "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n" }, ws.Options{}, "wrong key"},
		"no upgrade":    {func(a string) string { return switching + "Sec-WebSocket-Accept: " + a + "\r\n\r\n" }, ws.Options{}, "another protocol"},
		"other upgrade": {func(a string) string { return strings.Replace(good(a, ""), "WebSocket", "h2c", 1) }, ws.Options{}, "another protocol"},
		"status":        {func(string) string { return "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno" }, ws.Options{}, "answered 403"},
		"status 200":    {func(string) string { return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno" }, ws.Options{}, "answered 200"},
		"subprotocol":   {func(a string) string { return good(a, "Sec-WebSocket-Protocol: b\r\n") }, ws.Options{Protocols: []string{"a", "b"}}, ""},
		"not offered":   {func(a string) string { return good(a, "Sec-WebSocket-Protocol: c\r\n") }, ws.Options{Protocols: []string{"a", "b"}}, "subprotocol"},
		"extension":     {func(a string) string { return good(a, "Sec-WebSocket-Extensions: permessage-deflate\r\n") }, ws.Options{}, "extension"},
		"takes over":    {func(a string) string { return good(a, "Sec-WebSocket-Extensions: permessage-deflate\r\n") }, ws.Options{Deflate: &ws.Deflate{}}, "extension"},
		"deflate": {func(a string) string {
			return good(a, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; server_max_window_bits=9\r\n")
		}, ws.Options{Deflate: &ws.Deflate{}}, ""},
		"bounds ours": {func(a string) string {
			return good(a, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=9\r\n")
		}, ws.Options{Deflate: &ws.Deflate{}}, "extension"},
		"deflate twice": {func(a string) string {
			return good(a, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover\r\n")
		}, ws.Options{Deflate: &ws.Deflate{}}, "extension"},
		"other extension": {func(a string) string { return good(a, "Sec-WebSocket-Extensions: foo\r\n") }, ws.Options{Deflate: &ws.Deflate{}}, "extension"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := answering(t, tc.answer)
			c, resp, err := ws.Dial(t.Context(), s.URL, s.Client(), &tc.o)
			if tc.want == "" {
				must(t, err)
				must(t, c.Close())
				return
			}
			if err == nil || c != nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if body, _ := io.ReadAll(resp.Body); strings.HasPrefix(name, "status") && string(body) != "no" {
				t.Errorf("body is %q", body)
			}
		})
	}
}

func TestFramesSentTogetherWithTheResponseAreNotLost(t *testing.T) {
	long := strings.Repeat("x", 3000)
	s := answering(t, func(accept string) string {
		frames := ws.AppendFrame(ws.AppendFrame(nil, ws.OpText, []byte("early")), ws.OpText, []byte(long))
		return switching + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n" +
			string(ws.AppendClose(frames, 1001, "away", false))
	})
	c, _, err := ws.Dial(t.Context(), s.URL, s.Client(), nil)
	must(t, err)
	var rec recorder
	if end := describe(c.Serve(&rec)); end != "peer 1001 away" {
		t.Errorf("ended with %q", end)
	}
	equal(t, rec.lines, []string{"text early", "text " + brief([]byte(long))})
	must(t, c.Close())
}

func TestMaskedFrameOfAServerIsRefused(t *testing.T) {
	s := answering(t, func(accept string) string {
		return switching + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n" + text("x")
	})
	c, _, err := ws.Dial(t.Context(), s.URL, s.Client(), nil)
	must(t, err)
	if end := describe(c.Serve(funcs{})); end != "violation 1002 frame has the wrong masking" {
		t.Errorf("ended with %q", end)
	}
	must(t, c.Close())
}

func TestDialSendsHeadersCookiesAndOffers(t *testing.T) {
	seen := make(chan *http.Request, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r }))
	defer s.Close()
	jar, err := cookiejar.New(nil)
	must(t, err)
	client := &http.Client{Transport: s.Client().Transport, Jar: jar}
	jar.SetCookies(&url.URL{Scheme: "http", Host: "example.com"}, []*http.Cookie{{Name: "a", Value: "b"}})
	_, resp, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http")+"/p?q=1#f", client, &ws.Options{
		Header:    http.Header{"X-A": {"1", "2"}, "Host": {"example.com"}, "Sec-Websocket-Key": {"x"}, "connection": {"close"}},
		Protocols: []string{"p", "q"}, Deflate: &ws.Deflate{},
	})
	if err == nil || resp.StatusCode != 200 {
		t.Fatalf("got %v", err)
	}
	r := <-seen
	got := fmt.Sprint(r.URL, " ", r.Host, " ", r.Header["X-A"], r.Header["Cookie"], r.Header["Connection"], r.Header["Sec-Websocket-Protocol"], r.Header["Sec-Websocket-Extensions"])
	want := "/p?q=1 example.com [1 2] [a=b] [Upgrade] [p, q] [permessage-deflate; server_no_context_takeover; client_no_context_takeover]"
	if got != want || len(r.Header.Get("Sec-WebSocket-Key")) != 24 {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDialFollowsRedirectsOnTheSameHostOnly(t *testing.T) {
	other := serveOne(t, nil, echo)
	target := other.URL
	s := serveOne(t, nil, echo)
	mux := http.NewServeMux()
	accept := s.Config.Handler
	mux.Handle("/ws", accept)
	mux.Handle("/here", http.RedirectHandler("/ws", http.StatusTemporaryRedirect))
	mux.Handle("/there", http.RedirectHandler(target, http.StatusTemporaryRedirect))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusTemporaryRedirect))
	s.Config.Handler = mux

	c, _, err := ws.Dial(t.Context(), s.URL+"/here", s.Client(), nil)
	must(t, err)
	must(t, c.Close())
	_, resp, err := ws.Dial(t.Context(), s.URL+"/there", s.Client(), nil)
	if err == nil || resp.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("redirect to another host: %v", err)
	}
	if _, _, err := ws.Dial(t.Context(), s.URL+"/loop", s.Client(), nil); err == nil {
		t.Error("redirects in a loop led somewhere")
	}
}

func TestDialIsBoundedByItsContextAndTheConnectionIsNot(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	defer slow.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, _, err := ws.Dial(ctx, slow.URL, slow.Client(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)

	s := serveOne(t, nil, echo)
	ctx, cancel = context.WithCancel(t.Context())
	c, _, err := ws.Dial(ctx, s.URL, s.Client(), nil)
	must(t, err)
	cancel()
	must(t, c.Write(frame(c, false, ws.OpBinary, nil)))
	exchangeAll(t, c)
}

func TestDialRefusesOtherSchemes(t *testing.T) {
	for _, u := range []string{"ftp://127.0.0.1", "127.0.0.1:80", "ws://\x00", ""} {
		if c, _, err := ws.Dial(t.Context(), u, nil, nil); err == nil {
			_ = c.Close()
			t.Errorf("%q was dialled", u)
		}
	}
}
