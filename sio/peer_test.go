package sio_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/internal/ws"
	"github.com/roomwire/roomwire/sio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a server and what is needed to reach it.
type world struct {
	t   *testing.T
	srv *sio.Server
	url string
}

// serve starts a server that is shut down at the end of the test.
func serve(t *testing.T, opts *sio.Options) *world {
	t.Helper()
	if opts == nil {
		opts = &sio.Options{}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	srv := sio.NewServer(opts)
	hs := httptest.NewServer(srv)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		hs.Close()
	})
	return &world{t: t, srv: srv, url: "ws" + strings.TrimPrefix(hs.URL, "http") + "/socket.io/?EIO=4&transport=websocket"}
}

// A peer is a client that speaks the bytes of the protocol.
type peer struct {
	t        *testing.T
	conn     *ws.Conn
	messages chan string
	served   chan struct{}
}

// dial opens a connection and reads the handshake of Engine.IO.
func (w *world) dial() *peer {
	w.t.Helper()
	c, _, err := ws.Dial(w.t.Context(), w.url, nil, &ws.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	p := &peer{t: w.t, conn: c, messages: make(chan string, 10_000), served: make(chan struct{})}
	go func() {
		defer close(p.served)
		defer close(p.messages)
		_ = c.Serve(p)
	}()
	w.t.Cleanup(p.cut)
	p.expect(`0{"sid":"{sid}",.*}`)
	return p
}

// connect opens a connection and joins the main namespace.
func (w *world) connect() *peer {
	w.t.Helper()
	p := w.dial()
	p.send("40")
	p.expect(`40{"sid":"{sid}".*}`)
	return p
}

// Message implements ws.Handler.
func (p *peer) Message(binary bool, data []byte) error {
	if binary {
		p.messages <- "<" + string(data) + ">"
	} else {
		p.messages <- string(data)
	}
	return nil
}

// Ping implements ws.Handler.
func (p *peer) Ping([]byte) {}
func (p *peer) Pong([]byte) {}

// Idle implements ws.Handler.
func (p *peer) Idle() {}

func (p *peer) send(lines ...string) {
	p.t.Helper()
	var b []byte
	for _, line := range lines {
		op := ws.OpText
		if strings.HasPrefix(line, "<") {
			op, line = ws.OpBinary, strings.Trim(line, "<>")
		}
		b = ws.AppendMasked(b, op, []byte(line))
	}
	if err := p.conn.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) next() (string, bool) {
	p.t.Helper()
	select {
	case m, ok := <-p.messages:
		return m, ok
	case <-time.After(10 * time.Second):
		p.t.Fatal("the server sent nothing")
		return "", false
	}
}

// expect reads a message for each pattern: a literal text in which {name}
// stands for an ID and .* for anything. It returns the IDs.
func (p *peer) expect(patterns ...string) (ids []string) {
	p.t.Helper()
	for _, want := range patterns {
		got, ok := p.next()
		if !ok {
			p.t.Fatalf("the connection closed, want %s", want)
		}
		expr := regexp.QuoteMeta(want)
		expr = regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(expr, `([\w.-]+)`)
		expr = strings.ReplaceAll(expr, `\.\*`, `.*`)
		m := regexp.MustCompile("^" + expr + "$").FindStringSubmatch(got)
		if m == nil {
			p.t.Fatalf("got %s, want %s", got, want)
		}
		ids = append(ids, m[1:]...)
	}
	return ids
}

// quiet checks that the server has sent nothing more than it must answer now.
func (p *peer) quiet() {
	p.t.Helper()
	p.send(`42987["there?"]`)
	p.expect(`43987[]`)
}

// closed checks that the server ends the connection.
func (p *peer) closed() {
	p.t.Helper()
	if got, ok := p.next(); ok {
		p.t.Fatalf("got %s, want the connection to close", got)
	}
}

// cut ends the connection without a word.
func (p *peer) cut() {
	p.conn.Close()
	<-p.served
}

// alive registers what quiet asks.
func alive(ns *sio.Namespace) {
	sio.On(ns, "there?", func(context.Context, *sio.Socket, struct{}) error { return nil })
}

// receive waits for a value that a handler sends.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
