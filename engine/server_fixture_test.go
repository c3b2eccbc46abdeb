package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// patience is how long a test waits for what has to happen.
const patience = 10 * time.Second

// A fixture is a server on loopback whose sessions tell the test everything.
type fixture struct {
	t    *testing.T
	srv  *engine.Server
	http *httptest.Server
	hc   *http.Client
	conn func() (net.Conn, error)

	pipe    bool
	handler engine.Handler // nil: the fixture
	opened  chan *session
	refused chan *engine.ConnectionError
	message func(s *session, binary bool, data []byte) error // nil: record
}

// A session records what it is told.
type session struct {
	f      *fixture
	c      *engine.Conn
	got    chan string
	closed chan error

	mu   sync.Mutex
	over bool
}

func (s *session) Message(binary bool, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		s.f.t.Error("message after the end")
	}
	if s.f.message != nil {
		return s.f.message(s, binary, data)
	}
	if binary {
		s.got <- "b:" + string(data)
	} else {
		s.got <- string(data)
	}
	return nil
}

func (s *session) Closed(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		s.f.t.Error("closed twice")
	}
	s.over = true
	s.closed <- why
}

func (f *fixture) Open(c *engine.Conn) engine.Session {
	s := &session{f: f, c: c, got: make(chan string, 4096), closed: make(chan error, 2)}
	f.opened <- s
	return s
}

// newFixture starts a server that is stopped at the end of the test.
func newFixture(t *testing.T, o *engine.Options, change ...func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{t: t, opened: make(chan *session, 20000), refused: make(chan *engine.ConnectionError, 20000)}
	for _, c := range change {
		c(f)
	}
	if o == nil {
		o = &engine.Options{}
	}
	if o.Readers == 0 {
		o.Readers = -1 // few as there are, they are to be read as many would be
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Hooks.ConnectionError == nil {
		o.Hooks.ConnectionError = func(e *engine.ConnectionError) { f.refused <- e }
	}
	if f.handler == nil {
		f.handler = f
	}
	f.srv = engine.NewServer(f.handler, o)
	f.http = httptest.NewUnstartedServer(f.srv)
	f.http.Config.ErrorLog = quiet()
	if f.pipe {
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		_ = f.http.Listener.Close()
		f.http.Listener, f.conn = l, l.dial
	}
	f.http.Start()
	if !f.pipe {
		addr := f.http.Listener.Addr().String()
		f.conn = func() (net.Conn, error) { return net.Dial("tcp", addr) }
	}
	tr := &http.Transport{DisableCompression: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return f.conn() }}
	f.hc = &http.Client{Transport: tr}
	t.Cleanup(func() {
		if err := f.srv.Close(); err != nil {
			t.Error(err)
		}
		tr.CloseIdleConnections()
		f.http.CloseClientConnections()
		f.http.Close()
	})
	return f
}

// inMemory makes a fixture talk through pipes, as a synctest bubble needs it.
func inMemory(f *fixture) { f.pipe = true }

// A pipeListener accepts what its own dial makes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial() (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// An answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// request sends one request to the server's only path; query follows "EIO=4&".
func (f *fixture) request(method, query, body string, header ...string) answer {
	f.t.Helper()
	a, err := f.try(method, query, body, header...)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

func (f *fixture) try(method, query, body string, header ...string) (answer, error) {
	req, err := http.NewRequest(method, f.http.URL+"/engine.io/?"+query, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := f.hc.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

const polling = "EIO=4&transport=polling"

// open makes a polling session.
func (f *fixture) open() (sid string, s *session) {
	f.t.Helper()
	a := f.request("GET", polling, "")
	if a.status != 200 || !strings.HasPrefix(a.body, `0{"sid":"`) {
		f.t.Fatalf("handshake: %d %q", a.status, a.body)
	}
	s = next(f.t, f.opened)
	return s.c.ID(), s
}

func (f *fixture) get(sid string) answer { return f.request("GET", polling+"&sid="+sid, "") }

func (f *fixture) post(sid, body string) answer {
	return f.request("POST", polling+"&sid="+sid, body, "Content-Type", "text/plain;charset=UTF-8")
}

// goGet polls in the background.
func (f *fixture) goGet(sid string) <-chan answer {
	ch := make(chan answer, 1)
	go func() {
		a, err := f.try("GET", polling+"&sid="+sid, "")
		if err != nil {
			a.body = err.Error()
		}
		ch <- a
	}()
	return ch
}

// A raw is a TCP connection to the server.
type raw struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (f *fixture) dial() *raw {
	f.t.Helper()
	c, err := f.conn()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &raw{f.t, c, bufio.NewReader(c)}
}

func (r *raw) send(b string) {
	r.t.Helper()
	if _, err := io.WriteString(r.Conn, b); err != nil {
		r.t.Fatal(err)
	}
}

// head reads up to the end of the response's header.
func (r *raw) head() string {
	r.t.Helper()
	var b strings.Builder
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		line, err := r.r.ReadString('\n')
		if err != nil {
			r.t.Fatalf("%v after %q", err, b.String())
		}
		b.WriteString(line)
	}
	return b.String()
}

// upgradeRequest asks for a WebSocket; lines are whole header lines.
func upgradeRequest(query string, lines ...string) string {
	b := "GET /engine.io/?" + query + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, l := range lines {
		b += l + "\r\n"
	}
	return b + "\r\n"
}

// websocket opens a WebSocket with query.
func (f *fixture) websocket(query string, lines ...string) *raw {
	f.t.Helper()
	r := f.dial()
	r.send(upgradeRequest(query, lines...))
	if head := r.head(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		f.t.Fatalf("upgrade: %q", head)
	}
	return r
}

// connect makes a session on WebSocket.
func (f *fixture) connect() (*raw, *session) {
	f.t.Helper()
	r := f.websocket("EIO=4&transport=websocket")
	if op, p := r.frame(); op != 1 || !strings.HasPrefix(p, `0{"sid":"`) {
		f.t.Fatalf("open packet: %d %q", op, p)
	}
	return r, next(f.t, f.opened)
}

// frame reads one frame. Opcode 0 means the end of the connection.
func (r *raw) frame() (op byte, payload string) {
	r.t.Helper()
	op, _, payload, err := r.tryFrame()
	if err != nil {
		return 0, err.Error()
	}
	return op, payload
}

func (r *raw) tryFrame() (op byte, rsv1 bool, payload string, err error) {
	var h [2]byte
	if _, err = io.ReadFull(r.r, h[:]); err != nil {
		return 0, false, "", err
	}
	n := int(h[1])
	for i := 0; i < map[int]int{126: 2, 127: 8}[int(h[1])]; i++ {
		if i == 0 {
			n = 0
		}
		b, err := r.r.ReadByte()
		if err != nil {
			return 0, false, "", err
		}
		n = n<<8 | int(b)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r.r, b)
	return h[0] & 15, h[0]&0x40 != 0, string(b), err
}

// wantFrame reads a frame that must be as given.
func (r *raw) wantFrame(op byte, payload string) {
	r.t.Helper()
	if o, p := r.frame(); o != op || p != payload {
		r.t.Fatalf("got frame %d %.100q, want %d %.100q", o, p, op, payload)
	}
}

// maskedFrame is a frame of a client, masked with zeros.
func maskedFrame(first byte, payload string) string {
	var b bytes.Buffer
	b.WriteByte(first)
	switch n := len(payload); {
	case n < 126:
		b.WriteByte(0x80 | byte(n))
	case n < 1<<16:
		b.Write([]byte{0x80 | 126, byte(n >> 8), byte(n)})
	default:
		b.Write([]byte{0x80 | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	b.Write(make([]byte, 4))
	b.WriteString(payload)
	return b.String()
}

func (r *raw) text(payload string) { r.t.Helper(); r.send(maskedFrame(0x81, payload)) }

// wantAnswer compares status and body.
func wantAnswer(t *testing.T, what string, a answer, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Fatalf("%s: got %d %.200q, want %d %.200q", what, a.status, a.body, status, body)
	}
}

// newRequest makes a request for a handler that is called without a network.
func newRequest(method, query string) *http.Request {
	return httptest.NewRequest(method, "http://x/engine.io/?"+query, nil)
}

func newRecorderWriter() *httptest.ResponseRecorder { return httptest.NewRecorder() }
