package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/ws"
)

const fakeOpen = `0{"sid":"E","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`

// A fakeServer is a Socket.IO server over WebSocket, without a network, that
// says what its script tells it to.
type fakeServer struct {
	t *testing.T
	// script is called with each packet, as text, and answers as it likes.
	script func(c *fakeConn, packet string)

	l       *pipes
	conns   chan *fakeConn
	packets chan string
	asked   func()      // called with each request; may be nil
	down    atomic.Bool // refuses requests
	lost    atomic.Bool // does not know the path
}

// A fakeConn is one connection to a fakeServer.
type fakeConn struct {
	mu   sync.Mutex
	conn *ws.Conn
	n    int // counted from 1
	s    *fakeServer
}

// accepting answers CONNECT as a server does and passes the rest on.
func accepting(rest func(c *fakeConn, packet string)) func(c *fakeConn, packet string) {
	return func(c *fakeConn, packet string) {
		if !strings.HasPrefix(packet, "0") {
			if rest != nil {
				rest(c, packet)
			}
			return
		}
		ns := ""
		if packet[1:] != "" && packet[1] == '/' {
			ns, _, _ = strings.Cut(packet[1:], ",")
			ns += ","
		}
		c.send(fmt.Sprintf(`0%s{"sid":"S%d"}`, ns, c.n))
	}
}

func newFake(t *testing.T, script func(c *fakeConn, packet string)) *fakeServer {
	s := &fakeServer{
		t: t, script: script, l: &pipes{conns: make(chan net.Conn), done: make(chan struct{})},
		conns: make(chan *fakeConn, 1000), packets: make(chan string, 10000),
	}
	srv := &http.Server{Handler: s}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = srv.Serve(s.l)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-stopped
	})
	return s
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.asked != nil {
		s.asked()
	}
	if s.down.Load() {
		http.Error(w, "out of order", http.StatusServiceUnavailable)
		return
	}
	if s.lost.Load() {
		http.NotFound(w, r)
		return
	}
	conn, err := ws.Accept(w, r, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c := &fakeConn{conn: conn, s: s, n: len(s.conns) + 1}
	s.conns <- c
	c.raw(fakeOpen)
	_ = conn.Serve(c)
	_ = conn.Close()
}

func (c *fakeConn) Message(binary bool, data []byte) error {
	switch {
	case binary:
		c.s.packets <- fmt.Sprintf("b:%x", data)
	case data[0] == '4':
		c.s.packets <- string(data[1:])
		c.s.script(c, string(data[1:]))
	}
	return nil
}
func (*fakeConn) Ping([]byte) {}
func (*fakeConn) Pong([]byte) {}
func (*fakeConn) Idle()       {}

// raw sends a text frame, send a Socket.IO packet, cut ends the connection.
func (c *fakeConn) raw(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_ = c.conn.Write(ws.AppendFrame(nil, ws.OpText, []byte(text)))
}
func (c *fakeConn) send(packet string) { c.raw("4" + packet) }
func (c *fakeConn) binary(b string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.Write(ws.AppendFrame(nil, ws.OpBinary, []byte(b)))
}
func (c *fakeConn) cut() { _ = c.conn.Close() }

// options are those that reach the server.
func (s *fakeServer) options() *client.Options {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		a, b := net.Pipe()
		select {
		case s.l.conns <- b:
			return a, nil
		case <-s.l.done:
			return nil, net.ErrClosed
		}
	}}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &client.Options{
		Engine: engine.DialOptions{HTTPClient: &http.Client{Transport: tr}, Transports: []string{"websocket"}},
		Logger: slog.New(slog.DiscardHandler),
	}
}

// client makes a client of the server; change may be nil.
func (s *fakeServer) client(change func(o *client.Options)) *client.Client {
	o := s.options()
	if change != nil {
		change(o)
	}
	c := client.New("http://server", o)
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// connect makes a connected socket of the main namespace.
func (s *fakeServer) connect(change func(o *client.Options)) *client.Socket {
	s.t.Helper()
	so := s.client(change).Of("/")
	if err := so.Connect(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return so
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

func expect(t *testing.T, ch <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := next(t, ch); got != w {
			t.Fatalf("got %s, want %s", got, w)
		}
	}
}

func next[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(time.Hour): // of a bubble
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// stalled is a transport on which nothing ever happens.
type stalled struct{}

func (stalled) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
