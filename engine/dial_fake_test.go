package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/ws"
)

const fakeOpen = `{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`

// A fakeServer is a small and obedient Engine.IO server of one session, whose
// parts a test can make misbehave.
type fakeServer struct {
	*httptest.Server
	open string // the handshake
	// intercept may answer a request itself.
	intercept func(w http.ResponseWriter, r *http.Request) bool

	drop     bool        // ends the WebSocket of an upgrade at its end
	out      chan string // to a polling client
	in       chan string // packets from the client, binary ones as "b:…"
	requests chan *http.Request
	bodies   chan int      // sizes of POSTs
	probed   chan struct{} // closed by a probe: waiting requests are answered with a noop

	mu   sync.Mutex
	conn *ws.Conn
}

func newFake(t *testing.T, change func(s *fakeServer)) *fakeServer {
	s := &fakeServer{
		open: fakeOpen, out: make(chan string, 100), in: make(chan string, 10000),
		requests: make(chan *http.Request, 10000), bodies: make(chan int, 10000),
		probed: make(chan struct{}),
	}
	if change != nil {
		change(s)
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.mu.Lock()
		if s.conn != nil {
			_ = s.conn.Close()
		}
		s.mu.Unlock()
		s.CloseClientConnections()
		s.Server.Close()
	})
	return s
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests <- r
	if s.intercept != nil && s.intercept(w, r) {
		return
	}
	q := r.URL.Query()
	switch {
	case q.Get("transport") == "websocket":
		s.serveWS(w, r)
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		s.bodies <- len(body)
		for _, p := range strings.Split(string(body), "\x1e") {
			s.in <- p
		}
		fmt.Fprint(w, "ok")
	case q.Get("sid") == "":
		fmt.Fprint(w, "0"+s.open)
	default:
		select {
		case p := <-s.out:
			fmt.Fprint(w, p)
		case <-s.probed:
			fmt.Fprint(w, "6")
		case <-r.Context().Done():
		}
	}
}

func (s *fakeServer) serveWS(w http.ResponseWriter, r *http.Request) {
	conn, err := ws.Accept(w, r, &ws.Options{MaxMessage: 1 << 24})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	if r.URL.Query().Get("sid") == "" {
		s.frame("0" + s.open)
	}
	_ = conn.Serve(&fakeReader{s: s})
	_ = conn.Close()
	s.in <- "closed"
}

// frame sends a text frame.
func (s *fakeServer) frame(text string) { s.write(ws.OpText, text) }

func (s *fakeServer) pong(data string) { s.write(ws.OpPong, data) }

func (s *fakeServer) write(op ws.Opcode, payload string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.Write(ws.AppendFrame(nil, op, []byte(payload)))
}

type fakeReader struct{ s *fakeServer }

func (r *fakeReader) Message(binary bool, data []byte) error {
	switch {
	case binary:
		r.s.in <- "b:" + string(data)
	case string(data) == "2probe":
		r.s.frame("3probe")
		close(r.s.probed)
	case string(data) == "5" && r.s.drop:
		return errors.New("dropped")
	default:
		r.s.in <- string(data)
	}
	return nil
}

// Ping leaves the answer to the test.
func (r *fakeReader) Ping(data []byte) { r.s.in <- "ping " + string(data) }
func (*fakeReader) Pong([]byte)        {}
func (*fakeReader) Idle()              {}

// A recorder is a session that keeps what it is told.
type recorder struct {
	messages chan string
	closed   chan error
	fail     error // of Message
}

func newRecorder() *recorder {
	return &recorder{messages: make(chan string, 10000), closed: make(chan error, 1)}
}

func (r *recorder) Message(binary bool, data []byte) error {
	prefix := ""
	if binary {
		prefix = "b:"
	}
	r.messages <- prefix + string(data)
	return r.fail
}

func (r *recorder) Closed(why error) { r.closed <- why }

// dial connects and closes at the end of the test.
func dial(t *testing.T, url string, o *engine.DialOptions) (*engine.ClientConn, *recorder, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r := newRecorder()
	c, err := engine.Dial(ctx, url, func(*engine.ClientConn) engine.Session { return r }, o)
	if err == nil {
		t.Cleanup(func() {
			c.Close(nil)
			<-c.Done()
		})
	}
	return c, r, err
}

func mustDial(t *testing.T, url string, o *engine.DialOptions) (*engine.ClientConn, *recorder) {
	t.Helper()
	c, r, err := dial(t, url, o)
	if err != nil {
		t.Fatal(err)
	}
	return c, r
}

// next receives from ch, or fails.
func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func expect(t *testing.T, ch <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := next(t, ch); got != w {
			t.Fatalf("got %q, want %q", got, w)
		}
	}
}

func text(s string) engine.Message   { return engine.Message{Data: []byte(s)} }
func binary(s string) engine.Message { return engine.Message{Binary: true, Data: []byte(s)} }

// quiet is for servers whose complaints are expected.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
