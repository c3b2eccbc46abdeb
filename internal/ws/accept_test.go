package ws_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

func TestAcceptRefusesWhatIsNoHandshake(t *testing.T) {
	with := func(change func(*http.Request)) *http.Request {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(upgrade + "\r\n")))
		must(t, err)
		change(r)
		return r
	}
	cases := map[string]struct {
		change func(r *http.Request)
		status int
	}{
		"method":         {func(r *http.Request) { r.Method = "POST" }, 405},
		"HTTP/1.0":       {func(r *http.Request) { r.ProtoMinor = 0 }, 400},
		"HTTP/2":         {func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }, 400},
		"no connection":  {func(r *http.Request) { r.Header.Del("Connection") }, 400},
		"close":          {func(r *http.Request) { r.Header.Set("Connection", "close, upgraded") }, 400},
		"no upgrade":     {func(r *http.Request) { r.Header.Del("Upgrade") }, 400},
		"h2c":            {func(r *http.Request) { r.Header.Set("Upgrade", "h2c") }, 400},
		"no version":     {func(r *http.Request) { r.Header.Del("Sec-WebSocket-Version") }, 426},
		"version 12":     {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "12") }, 426},
		"no key":         {func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, 400},
		"two keys":       {func(r *http.Request) { r.Header.Add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") }, 400},
		"key of 3":       {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "YWJj") }, 400},
		"key of 17":      {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE=") }, 400},
		"key no base64":  {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "!!hlIHNhbXBsZSBub25jZQ==") }, 400},
		"body":           {func(r *http.Request) { r.ContentLength = 4 }, 400},
		"chunked":        {func(r *http.Request) { r.ContentLength = -1 }, 400},
		"not hijackable": {func(*http.Request) {}, 500},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			_, err := ws.Accept(w, with(tc.change), nil)
			he, ok := err.(*ws.HandshakeError)
			if !ok || he.Status != tc.status {
				t.Fatalf("got %v, want status %d", err, tc.status)
			}
			if tc.status == 426 && he.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Error("the refusal does not name version 13")
			}
			if w.Body.Len() != 0 || len(w.Header()) != 0 {
				t.Error("something was written")
			}
		})
	}
}

func TestAcceptAnswersAsTheStandardShows(t *testing.T) {
	o := &ws.Options{
		Protocols: []string{"best", "chat"},
		Header:    http.Header{"Set-Cookie": {"a=b", "c=d\r\nX: y"}, "Upgrade": {"x"}, "Sec-Websocket-Accept": {"x"}},
	}
	s := serveOne(t, o, func(c *ws.Conn) { _ = c.Close() })
	_, head := dialRaw(t, s, "Sec-WebSocket-Protocol: other, chat\r\nSec-WebSocket-Protocol: superchat\r\n"+deflateExtension)
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n" +
		"Set-Cookie: a=b\r\nSet-Cookie: c=d  X: y\r\n\r\n"
	if head != want {
		t.Errorf("got  %q\nwant %q", head, want)
	}
}

func TestDeflateIsNegotiatedOfferByOffer(t *testing.T) {
	const plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	cases := []struct{ offer, want string }{
		{"permessage-deflate", plain},
		{"Permessage-Deflate; client_max_window_bits", plain},
		{"permessage-deflate; client_max_window_bits=10; client_no_context_takeover", plain},
		{`permessage-deflate; server_max_window_bits="15"`, plain + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits=10", ""},
		{"permessage-deflate; server_max_window_bits=10, permessage-deflate", plain},
		{"x-webkit-deflate-frame; a=\"b, c\", permessage-deflate;server_no_context_takeover", plain},
		{"permessage-deflate; server_max_window_bits", ""},
		{"permessage-deflate; server_max_window_bits=16", ""},
		{"permessage-deflate; server_max_window_bits=015", ""},
		{"permessage-deflate; client_max_window_bits=7", ""},
		{"permessage-deflate; client_max_window_bits=", ""},
		{"permessage-deflate; client_max_window_bits; client_max_window_bits=15", ""},
		{"permessage-deflate; server_no_context_takeover=1", ""},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
		{"permessage-deflate; unknown", ""},
		{"permessage-deflate-2", ""},
		{",;,=\",", ""},
	}
	compress := make(chan bool, 1)
	s := serveOne(t, &ws.Options{Deflate: &ws.Deflate{}}, func(c *ws.Conn) {
		compress <- c.Compress()
		_ = c.Close()
	})
	for _, tc := range cases {
		_, head := dialRaw(t, s, "Sec-WebSocket-Extensions: "+tc.offer+"\r\n")
		_, got, _ := strings.Cut(head, "Sec-WebSocket-Extensions: ")
		got, _, _ = strings.Cut(got, "\r\n")
		if on := <-compress; got != tc.want || on != (tc.want != "") {
			t.Errorf("offer %q: answer %q, compress %v", tc.offer, got, on)
		}
	}
}

func TestDeflateIsOffByDefault(t *testing.T) {
	s := serveOne(t, nil, func(c *ws.Conn) { _ = c.Close() })
	if _, head := dialRaw(t, s, deflateExtension); strings.Contains(head, "Extensions") {
		t.Errorf("extension was accepted: %q", head)
	}
}

func TestFramesSentTogetherWithTheRequestAreNotLost(t *testing.T) {
	got := make(chan outcome, 1)
	s := serveOne(t, nil, func(c *ws.Conn) {
		var rec recorder
		err := c.Serve(&rec)
		got <- outcome{rec.lines, describe(err)}
		_ = c.Close()
	})
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	must(t, err)
	defer func() { _ = nc.Close() }()
	first, second := text("early"), text(strings.Repeat("x", 10_000))
	_, err = io.WriteString(nc, upgrade+"\r\n"+first+second[:5000])
	must(t, err)
	_, err = io.WriteString(nc, second[5000:]+bye)
	must(t, err)
	o := <-got
	equal(t, o.lines, []string{"text early", "text " + brief([]byte(strings.Repeat("x", 10_000)))})
	if o.end != left {
		t.Errorf("ended with %q", o.end)
	}
}

// A wrapped response writer is hijacked through Unwrap.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestAcceptOutlivesTheDeadlinesOfTheServerAndWrappers(t *testing.T) {
	accepted := make(chan *ws.Conn, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		past := time.Now().Add(-time.Second)
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(past)
		c, err := ws.Accept(wrapped{w}, r, nil)
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}))
	s.Start()
	defer s.Close()
	nc, _ := dialRaw(t, s, "")
	c := <-accepted
	if c == nil {
		return
	}
	must(t, c.Write(ws.AppendFrame(nil, ws.OpText, []byte("hi"))))
	b := make([]byte, 4)
	_, err := io.ReadFull(nc, b)
	must(t, err)
	if string(b) != "\x81\x02hi" {
		t.Errorf("read %q", b)
	}
	must(t, c.Close())
}

// handing gives its connection away without buffers.
type handing struct {
	http.ResponseWriter
	take func() (net.Conn, error)
}

func (h handing) Take() (net.Conn, error) { return h.take() }

func (h handing) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("Hijack was called instead of Take")
}

func TestAcceptTakesTheConnectionWithoutBuffers(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := handing{w, func() (net.Conn, error) { return nil, http.ErrHijacked }}
		var he *ws.HandshakeError
		if _, err := ws.Accept(wrapped{h}, r, nil); !errors.As(err, &he) || he.Status != 500 || !strings.Contains(he.Reason, "has been hijacked") {
			t.Errorf("a connection that is gone: %v", err)
		}
		h.take = func() (net.Conn, error) {
			nc, _, err := http.NewResponseController(w).Hijack()
			return nc, err
		}
		c, err := ws.Accept(wrapped{wrapped{h}}, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		must(t, c.Close())
	}))
	defer s.Close()
	_, head := dialRaw(t, s, "")
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Errorf("answered %q", head)
	}
}

func TestAcceptOverUnixSocketsReadsTheDescriptor(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/s")
	must(t, err)
	raw := make(chan bool, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, reading(nil))
		if err != nil {
			t.Error(err)
			return
		}
		raw <- c.CanTryWrite()
		echo(c)
	}))
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	defer s.Close()
	nc, err := net.Dial("unix", l.Addr().String())
	must(t, err)
	defer func() { _ = nc.Close() }()
	exchange(t, nc, upgrade+"\r\n")
	_, err = io.WriteString(nc, text("a")+text("b")+bye)
	must(t, err)
	b, err := io.ReadAll(nc)
	must(t, err)
	if !slices.Equal(b, []byte("\x81\x01a\x81\x01b")) || !<-raw {
		t.Errorf("read %q", b)
	}
}
