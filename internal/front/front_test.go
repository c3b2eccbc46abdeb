package front_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/internal/front"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves hs on loopback through the front, until the test ends.
func start(t *testing.T, hs *http.Server) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- front.Serve(hs, ln) }()
	t.Cleanup(func() {
		_ = hs.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	return nc
}

// all sends text and returns what comes back until the end.
func all(t *testing.T, addr, text string) string {
	t.Helper()
	nc := dial(t, addr)
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(nc)
	if err != nil {
		t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

const handshake = "GET /chat/?a=b%20c HTTP/1.1\r\nHost: example.com:80\r\nConnection: keep-alive, Upgrade\r\nPragma: no-cache\r\n" +
	"upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"X-Two: one\r\nx-two: \t two \r\nX-Empty:\r\nCookie: a=b\r\n"

// through tells whether the front or net/http served a request.
func through(w http.ResponseWriter) string {
	if _, ok := w.(interface{ Take() (net.Conn, error) }); ok {
		return "front"
	}
	return "net/http"
}

// A handler sees the same request whoever serves it.
func TestSameRequest(t *testing.T) {
	dump := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		w.Header().Set("X-Through", through(w))
		fmt.Fprintf(w, "%s %s %s %d %d host %q uri %q remote %t server %t local %t tls %t length %d close %t form %v\n", r.Method, r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor,
			r.Host, r.RequestURI, strings.HasPrefix(r.RemoteAddr, "127.0.0.1:"), srv != nil, local != nil, r.TLS != nil, r.ContentLength, r.Close, r.URL.Query())
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			fmt.Fprintf(w, "%s %q\n", name, r.Header[name])
		}
		_, _ = io.Copy(w, r.Body)
	})
	mux := http.NewServeMux()
	mux.Handle("/chat/", dump)
	plain := httptest.NewServer(mux)
	defer plain.Close()
	addr := start(t, &http.Server{Handler: mux})

	want, wantBody := split(t, all(t, plain.Listener.Addr().String(), handshake+"Connection: close\r\n\r\n"))
	got, gotBody := split(t, all(t, addr, handshake+"Connection: close\r\n\r\n"))
	if got.Get("X-Through") != "front" || want.Get("X-Through") != "net/http" {
		t.Errorf("served by %q and %q", got.Get("X-Through"), want.Get("X-Through"))
	}
	if gotBody != wantBody {
		t.Errorf("handler saw\n%s\nwith net/http\n%s", gotBody, wantBody)
	}
	for _, h := range []http.Header{got, want} {
		h.Del("X-Through")
		h.Del("Date")
		h.Del("Content-Length") // the front writes at once, and ends the connection
	}
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("header of the answer is %s, want %s", g, w)
	}
}

func split(t *testing.T, text string) (http.Header, string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Date") == "" {
		t.Error("answer has no date")
	}
	return res.Header, string(b)
}

// Whatever is not a plain handshake is served by net/http, to the byte.
func TestLeftToNetHTTP(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s: %s %s %q", through(w), r.Method, r.URL, b)
	})
	quiet := log.New(io.Discard, "", 0)
	plain := httptest.NewUnstartedServer(handler)
	plain.Config.ErrorLog = quiet
	plain.Start()
	defer plain.Close()
	addr := start(t, &http.Server{Handler: handler, ErrorLog: quiet})
	end := "Connection: close\r\n\r\n"
	swap := func(old, new string) string {
		s := strings.Replace(handshake, old, new, 1)
		if s == handshake {
			t.Fatalf("%q is not in the handshake", old)
		}
		return s + end
	}
	for name, text := range map[string]string{
		"page":             "GET / HTTP/1.1\r\nHost: x\r\n" + end,
		"two requests":     "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n" + end,
		"post":             "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" + end + "abc",
		"http 1.0":         strings.Replace(swap("keep-alive, ", ""), "HTTP/1.1", "HTTP/1.0", 1),
		"http 1.2":         swap("HTTP/1.1", "HTTP/1.2"),
		"no host":          swap("Host: example.com:80\r\n", ""),
		"two hosts":        swap("Host: ", "Host: x\r\nHost: "),
		"odd host":         swap("example.com", "exa mple"),
		"body":             swap("Host: ", "Content-Length: 0\r\nHost: "),
		"chunked":          swap("Host: ", "Transfer-Encoding: chunked\r\nHost: ") + "0\r\n\r\n",
		"expect":           swap("Host: ", "Expect: 100-continue\r\nHost: "),
		"space in name":    swap("X-Two:", "X-Two :"),
		"odd name":         swap("X-Two:", "X(Two:"),
		"no colon":         swap("X-Empty:", "X-Empty"),
		"folded":           swap("X-Empty:", "X-Empty:\r\n more"),
		"control in value": swap("one", "o\x01ne"),
		"bare cr":          swap("one", "o\rne"),
		"beyond ascii":     swap("one", "ö"),
		"absolute":         swap("/chat/", "http://x/chat/"),
		"star":             swap("/chat/?a=b%20c", "*"),
		"odd target":       swap("/chat/", "/%zz"),
		"space in target":  swap("%20", " "),
		"other upgrade":    swap("WebSocket", "h2c"),
		"two upgrades":     swap("WebSocket", "WebSocket, h2c"),
		"no key":           swap("Sec-WebSocket-Key", "X-Key"),
		"two keys":         swap("Sec-WebSocket-Key", "Sec-WebSocket-Key: a\r\nSec-WebSocket-Key"),
		"bare newlines":    strings.ReplaceAll(handshake+end, "\r\n", "\n"),
		"long":             handshake + "X-Long: " + strings.Repeat("x", 5000) + "\r\n" + end,
		"empty line first": "\r\n" + handshake + end,
		"nonsense":         "\x16\x03\x01\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			want, got := all(t, plain.Listener.Addr().String(), text), all(t, addr, text)
			if got != want || strings.Contains(got, "front:") {
				t.Errorf("got %q, from net/http %q", got, want)
			}
		})
	}
	t.Run("in pieces", func(t *testing.T) {
		nc := dial(t, addr)
		for _, piece := range []string{handshake[:20], handshake[20:], end} {
			if _, err := io.WriteString(nc, piece); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := io.ReadAll(nc); err != nil || !bytes.Contains(b, []byte(" GET /chat/")) {
			t.Errorf("got %q, %v", b, err)
		}
	})
}

// What follows the handshake is left to whoever takes the connection, with the
// deadlines of the server gone.
func TestTaken(t *testing.T) {
	taken := make(chan string, 1)
	addr := start(t, &http.Server{ReadTimeout: time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("second Hijack: %v", err)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("Write after Hijack: %v", err)
		}
		line, err := rw.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		taken <- line
	})})
	nc := dial(t, addr)
	if _, err := io.WriteString(nc, handshake+"\r\nearly\n"); err != nil {
		t.Fatal(err)
	}
	if line := <-taken; line != "early\n" {
		t.Errorf("got %q", line)
	}
}

// The hooks and contexts of the http.Server hold for handshakes.
func TestHooks(t *testing.T) {
	type key string
	states := make(chan http.ConnState, 10)
	over := make(chan error, 1)
	hs := &http.Server{
		BaseContext: func(net.Listener) context.Context { return context.WithValue(context.Background(), key("base"), "b") },
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return context.WithValue(ctx, key("conn"), "c") },
		ConnState:   func(_ net.Conn, s http.ConnState) { states <- s },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			w.Header().Set("X-Through", through(w))
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, ctx.Value(key("base")), ctx.Value(key("conn")), ctx.Err())
			context.AfterFunc(ctx, func() { over <- ctx.Err() })
		}),
	}
	got := all(t, start(t, hs), handshake+"\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 418 I'm a teapot\r\n") || !strings.HasSuffix(got, "\r\n\r\nbc<nil>") || !strings.Contains(got, "X-Through: front") {
		t.Errorf("got %q", got)
	}
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("context after the handler: %v", err)
	}
	for _, want := range []http.ConnState{http.StateNew, http.StateActive, http.StateClosed} {
		if s := <-states; s != want {
			t.Errorf("state %v, want %v", s, want)
		}
	}
}

// A handler that panics costs its client the connection, and nobody else anything.
func TestPanic(t *testing.T) {
	logged, what := make(lines, 1), make(chan any, 1)
	addr := start(t, &http.Server{
		ErrorLog: log.New(logged, "", 0),
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(<-what)
		}),
	})
	what <- http.ErrAbortHandler
	if got := all(t, addr, handshake+"\r\n"); got != "" || len(logged) > 0 {
		t.Errorf("abort: got %q, logged %d lines", got, len(logged))
	}
	what <- "ouch"
	if got := all(t, addr, handshake+"\r\n"); got != "" {
		t.Errorf("panic: got %q", got)
	}
	if line := <-logged; !strings.Contains(line, "panic serving 127.0.0.1:") || !strings.Contains(line, "ouch") {
		t.Errorf("logged %q", line)
	}
}

// lines is where a logger writes to.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// A header that is set to nothing is left out, as with net/http.
func TestHeaderLeftOut(t *testing.T) {
	addr := start(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"], w.Header()["Content-Type"] = nil, nil
		fmt.Fprint(w, "x")
	})})
	if got := all(t, addr, handshake+"\r\n"); got != "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx" {
		t.Errorf("got %q", got)
	}
}

// A handler that writes nothing answers 200, as with net/http.
func TestEmptyAnswer(t *testing.T) {
	addr := start(t, &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	if got := all(t, addr, handshake+"\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.Contains(got, "Content-Length: 0\r\n") {
		t.Errorf("got %q", got)
	}
}

// Shutdown closes the connections that have sent nothing, and Serve waits for
// the handshake under way.
func TestShutdown(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		fmt.Fprint(w, "done")
	})}
	addr := start(t, hs)
	silent, busy := dial(t, addr), dial(t, addr)
	if _, err := io.WriteString(busy, handshake+"\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := hs.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(silent); len(b) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("silent connection: %q, %v", b, err)
	}
	close(leave)
	if b, err := io.ReadAll(busy); err != nil || !strings.HasSuffix(string(b), "done") {
		t.Errorf("busy connection: %q, %v", b, err)
	}
}

// Who says nothing is cut when the time for a header is over.
func TestSilence(t *testing.T) {
	addr := start(t, &http.Server{ReadHeaderTimeout: 50 * time.Millisecond})
	if b, err := io.ReadAll(dial(t, addr)); len(b) > 0 || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}

// TLS is served by net/http.
func TestTLS(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, through(w), r.TLS != nil) })
	s := httptest.NewUnstartedServer(handler)
	s.StartTLS() // for its certificate
	defer s.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: s.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: handler}
	served := make(chan error, 1)
	go func() { served <- front.Serve(hs, ln) }()
	res, err := s.Client().Get("https://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if string(b) != "net/httptrue" {
		t.Errorf("got %q", b)
	}
	s.Client().CloseIdleConnections()
	_ = hs.Close()
	<-served
}

// flaky fails a few times before it goes on, and then for good.
type flaky struct {
	net.Listener
	errs []error
}

func (f *flaky) Accept() (net.Conn, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, err
	}
	return f.Listener.Accept()
}

type passing struct{ error }

func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

// net/http decides what an error of the listener means.
func TestListenerFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	final := errors.New("no more")
	quiet := log.New(io.Discard, "", 0)
	err = front.Serve(&http.Server{ErrorLog: quiet}, &flaky{ln, []error{passing{errors.New("too many files")}, final}})
	if !errors.Is(err, final) {
		t.Errorf("Serve: %v", err)
	}
}
