package ws_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/internal/poller"
	"github.com/roomwire/roomwire/internal/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A recorder keeps what Serve delivers, one line for each call, and echoes
// through echo if that is set.
type recorder struct {
	lines []string
	idles int
	echo  func(binary bool, data []byte) error
}

func (r *recorder) Message(binary bool, data []byte) error {
	kind := "text"
	if binary {
		kind = "binary"
	}
	r.lines = append(r.lines, kind+" "+brief(data))
	if r.echo != nil {
		return r.echo(binary, data)
	}
	return nil
}

func (r *recorder) Ping(data []byte) { r.lines = append(r.lines, "ping "+brief(data)) }
func (r *recorder) Pong(data []byte) { r.lines = append(r.lines, "pong "+brief(data)) }
func (r *recorder) Idle()            { r.idles++ }

// brief shortens what is too long to compare by eye.
func brief(data []byte) string {
	if len(data) <= 200 {
		return string(data)
	}
	return fmt.Sprintf("%d bytes %08x", len(data), crc32.ChecksumIEEE(data))
}

// funcs is a Handler of functions; any may be nil.
type funcs struct {
	message func(binary bool, data []byte) error
	ping    func([]byte)
	idle    func()
}

func (f funcs) Message(binary bool, data []byte) error {
	if f.message == nil {
		return nil
	}
	return f.message(binary, data)
}

func (f funcs) Ping(data []byte) {
	if f.ping != nil {
		f.ping(data)
	}
}

func (f funcs) Pong([]byte) {}

func (f funcs) Idle() {
	if f.idle != nil {
		f.idle()
	}
}

// serveOne starts a server that upgrades with o and hands each Conn to serve.
func serveOne(t testing.TB, o *ws.Options, serve func(*ws.Conn)) *httptest.Server {
	t.Helper()
	var wg serving
	s := httptest.NewServer(acceptor(t, o, &wg, serve))
	t.Cleanup(func() {
		s.Close()
		wg.wait()
	})
	return s
}

// serving counts handlers. That of a hijacked connection is awaited by nobody
// else, and may start to serve when the test is over already.
type serving struct {
	mu sync.Mutex // orders begin and wait
	wg sync.WaitGroup
}

func (s *serving) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wg.Add(1)
}

func (s *serving) wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wg.Wait()
}

// How the connections that acceptor makes are read. Without any, by goroutines
// that do nothing else.
var (
	readBy  *poller.Poller
	onShift bool
)

// reading returns o with that.
func reading(o *ws.Options) *ws.Options {
	var with ws.Options
	if o != nil {
		with = *o
	}
	if readBy != nil {
		with.Poller = readBy
	}
	with.Defer = with.Defer || onShift
	return &with
}

func acceptor(t testing.TB, o *ws.Options, wg *serving, serve func(*ws.Conn)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wg.begin()
		defer wg.wg.Done()
		c, err := ws.Accept(w, r, reading(o))
		if err != nil {
			var he *ws.HandshakeError
			if !errors.As(err, &he) {
				t.Error(err)
				return
			}
			maps.Copy(w.Header(), he.Header)
			http.Error(w, he.Reason, he.Status)
			return
		}
		wg.wg.Go(func() { serve(c) })
	})
}

const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

const deflateExtension = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

// dialRaw upgrades a bare TCP connection and returns it with the response.
func dialRaw(t testing.TB, s *httptest.Server, more string) (*net.TCPConn, string) {
	t.Helper()
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc.(*net.TCPConn), exchange(t, nc, upgrade+more+"\r\n")
}

// exchange sends a request and reads the head of the response.
func exchange(t testing.TB, nc net.Conn, request string) string {
	t.Helper()
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	var head []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); {
		if _, err := nc.Read(b); err != nil {
			t.Fatalf("%v after %q", err, head)
		}
		head = append(head, b...)
	}
	return string(head)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// describe makes the end of Serve comparable.
func describe(err error) string {
	var ce *ws.CloseError
	switch {
	case errors.As(err, &ce) && ce.Remote:
		return fmt.Sprintf("peer %d %s", ce.Code, ce.Reason)
	case errors.As(err, &ce):
		return fmt.Sprintf("violation %d %s", ce.Code, ce.Reason)
	case errors.Is(err, io.EOF):
		return "end"
	default:
		return err.Error()
	}
}
