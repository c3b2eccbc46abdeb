package engine_test

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// stall makes a WebSocket whose client does not read, and fills what the
// kernel takes, so that something is queued.
func stall(t *testing.T, f *fixture) (*raw, *session, int) {
	t.Helper()
	r, s := f.connect()
	n := 0
	for p := engine.Prepare(binary(strings.Repeat("x", 32<<10))); s.c.Buffered() == 0; n++ {
		if err := s.c.Send(p, 0); err != nil {
			t.Fatal(err)
		}
	}
	return r, s, n
}

func TestSlowReaderIsClosedAtTheBound(t *testing.T) {
	f := newFixture(t, &engine.Options{SendBuffer: 1 << 20})
	_, s, _ := stall(t, f)
	p := engine.Prepare(binary(strings.Repeat("x", 64<<10)))
	sent := 0
	var err error
	for ; err == nil && sent < 100; sent++ {
		err = s.c.Send(p, 0)
		if b := s.c.Buffered(); b > 1<<20 {
			t.Fatalf("%d bytes wait", b)
		}
	}
	if err != engine.ErrSlow {
		t.Fatalf("after %d: %v", sent, err)
	}
	if err := next(t, s.closed); !errors.Is(err, engine.ErrSlow) {
		t.Error(err)
	}
	if err := s.c.Send(p, 0); err != engine.ErrClosed {
		t.Error(err)
	}
	if st := f.srv.Stats(); st.Slow != 1 || s.c.Buffered() != 0 {
		t.Errorf("%+v", st)
	}
}

func TestSlowPollerIsClosedAtTheBound(t *testing.T) {
	f := newFixture(t, &engine.Options{SendBuffer: 1000})
	sid, s := f.open()
	if err := s.c.SendMessage(false, make([]byte, 5000), 0); err != nil {
		t.Errorf("a large message on an empty queue: %v", err)
	}
	if err := s.c.SendMessage(false, nil, 0); err != engine.ErrSlow {
		t.Error(err)
	}
	f.gone("slow", sid, s, engine.ErrSlow)
}

func TestStuckWriteIsCutAfterTheTimeout(t *testing.T) {
	f := newFixture(t, &engine.Options{WriteTimeout: 50 * time.Millisecond})
	_, s, _ := stall(t, f)
	if err := next(t, s.closed); !errors.Is(err, engine.ErrSlow) {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, &engine.Options{WriteTimeout: 3 * time.Second}, inMemory)
		_, s := f.connect()
		start := time.Now()
		_ = s.c.SendMessage(false, []byte("x"), 0)
		if err := <-s.closed; !errors.Is(err, engine.ErrSlow) {
			t.Error(err)
		}
		wantBetween(t, "cut", time.Since(start), 3*time.Second, 3*time.Second)
	})
}

func TestSlowReaderGetsEverythingInOrder(t *testing.T) {
	f := newFixture(t, nil)
	r, s, n := stall(t, f)
	const more = 3000
	for i := range more {
		m := engine.Mode(0)
		if i%3 == 0 {
			m = engine.Later
		}
		if err := s.c.SendMessage(false, fmt.Append(nil, i), m); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		r.wantFrame(2, strings.Repeat("x", 32<<10))
	}
	for i := range more {
		r.wantFrame(1, fmt.Sprint("4", i))
	}
	if st := f.srv.Stats(); st.PacketsOut != int64(1+n+more) {
		t.Errorf("%d packets, want %d", st.PacketsOut, 1+n+more)
	}
}

func TestVolatileMessagesAreDroppedWhenTheyWouldWait(t *testing.T) {
	f := newFixture(t, nil)
	_, s, _ := stall(t, f)
	before := s.c.Buffered()
	if err := s.c.SendMessage(false, []byte("x"), engine.Volatile); err != engine.ErrDropped {
		t.Error(err)
	}
	if err := s.c.Send(engine.Prepare(text("x")), engine.Volatile|engine.Later); err != engine.ErrDropped {
		t.Error(err)
	}
	if b := s.c.Buffered(); b > before {
		t.Errorf("%d bytes wait", b)
	}
	r, s := f.connect()
	if err := s.c.SendMessage(false, []byte("x"), engine.Volatile); err != nil {
		t.Error(err)
	}
	r.wantFrame(1, "4x")

	sid, s := f.open()
	if err := s.c.SendMessage(false, []byte("x"), engine.Volatile); err != engine.ErrDropped {
		t.Errorf("polling, no request waits: %v", err)
	}
	if n := f.srv.Stats().Dropped; n != 3 {
		t.Errorf("%d were counted", n)
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil, inMemory)
		sid, s = f.open()
		pending := f.goGet(sid)
		synctest.Wait()
		if err := s.c.SendMessage(false, []byte("x"), engine.Volatile); err != nil {
			t.Errorf("polling, a request waits: %v", err)
		}
		wantAnswer(t, "poll", <-pending, 200, "4x")
	})
}

func TestOldestVolatileMessagesMakeRoom(t *testing.T) {
	f := newFixture(t, &engine.Options{SendBuffer: 100, Overflow: engine.OverflowDropVolatile})
	sid, s := f.open()
	send := func(data string, m engine.Mode, want error) {
		t.Helper()
		if err := s.c.SendMessage(false, []byte(data), m); err != want {
			t.Errorf("%s: %v, want %v", data, err, want)
		}
	}
	send("kept-one-01234567890123456", 0, nil)               // 26 + 3 bytes
	send("v-one-01234567890123456789", engine.Volatile, nil) //
	send("v-two-01234567890123456789", engine.Volatile, nil)
	send("kept-two-01234567890123456", 0, nil) // drops v-one and, for room, v-two
	send("v-three-012345678901234567", engine.Volatile, nil)
	wantAnswer(t, "poll", f.get(sid), 200, "4kept-one-01234567890123456\x1e4kept-two-01234567890123456\x1e4v-three-012345678901234567")
	if n := f.srv.Stats().Dropped; n != 2 {
		t.Errorf("%d were dropped", n)
	}
	send(strings.Repeat("x", 80), 0, nil)
	send(strings.Repeat("v", 80), engine.Volatile, engine.ErrDropped)
	send(strings.Repeat("y", 80), 0, engine.ErrSlow)
}

func TestFullBufferCanRefuseAndBeWaitedFor(t *testing.T) {
	f := newFixture(t, &engine.Options{SendBuffer: 100, Overflow: engine.OverflowRefuse})
	sid, s := f.open()
	_ = s.c.SendMessage(false, make([]byte, 60), 0)
	if err := s.c.SendMessage(false, make([]byte, 60), 0); err != engine.ErrFull {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.c.Wait(ctx); err != context.Canceled {
		t.Error(err)
	}
	ready := make(chan error)
	go func() { ready <- s.c.Wait(t.Context()) }()
	f.get(sid)
	if err := next(t, ready); err != nil {
		t.Error(err)
	}
	if err := s.c.SendMessage(false, make([]byte, 60), 0); err != nil {
		t.Error(err)
	}
	_ = s.c.SendMessage(false, make([]byte, 60), 0)
	go func() { ready <- s.c.Wait(t.Context()) }()
	s.c.Close(nil)
	if err := next(t, ready); err != engine.ErrClosed {
		t.Error(err)
	}
}

func TestConcurrentSendersKeepTheirOwnOrder(t *testing.T) {
	const senders, each = 8, 500
	f := newFixture(t, nil)
	r, s := f.connect()
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for j := range each {
				_ = s.c.SendMessage(false, fmt.Appendf(nil, "%d %d", i, j), engine.Mode(j%2)*engine.Later)
			}
		})
	}
	var last [senders]int
	for range senders * each {
		_, p := r.frame()
		var i, j int
		if _, err := fmt.Sscanf(p, "4%d %d", &i, &j); err != nil || j != last[i] {
			t.Fatalf("%q after %d: %v", p, last[i], err)
		}
		last[i]++
	}
	wg.Wait()
}

func TestCompressedFramesAreMadeOnceForThoseWhoTakeThem(t *testing.T) {
	f := newFixture(t, &engine.Options{Compression: &engine.Compression{Threshold: 100}})
	r := f.websocket("EIO=4&transport=websocket", "Sec-WebSocket-Extensions: permessage-deflate")
	r.frame()
	s := next(t, f.opened)
	plain, ps := f.connect()
	long := strings.Repeat("hello ", 100)
	p := engine.Prepare(text("short"), text(long), binary("\x01"))
	for _, c := range []*engine.Conn{s.c, ps.c} {
		_ = c.Send(p, 0)
		_ = c.Send(p, engine.NoCompress)
		_ = c.SendMessage(false, []byte(long), 0)
	}
	want := func(r *raw, op byte, deflated bool, payload string) {
		t.Helper()
		o, rsv1, got, err := r.tryFrame()
		if rsv1 {
			b, ferr := io.ReadAll(flate.NewReader(strings.NewReader(got + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
			got, err = string(b), errors.Join(err, ferr)
		}
		if o != op || rsv1 != deflated || got != payload || err != nil {
			t.Fatalf("%d %v %.50q %v, want %d %v %.50q", o, rsv1, got, err, op, deflated, payload)
		}
	}
	for _, c := range []struct {
		r        *raw
		deflated bool
	}{{r, true}, {plain, false}} {
		want(c.r, 1, false, "4short")
		want(c.r, 1, c.deflated, "4"+long)
		want(c.r, 2, false, "\x01")
		want(c.r, 1, false, "4short")
		want(c.r, 1, false, "4"+long)
		want(c.r, 2, false, "\x01")
		want(c.r, 1, c.deflated, "4"+long)
	}
}

func TestPollingResponsesAreCompressed(t *testing.T) {
	f := newFixture(t, nil)
	sid, s := f.open()
	long := strings.Repeat("hello ", 200)
	for _, c := range []struct {
		accept, encoding, data string
		mode                   engine.Mode
	}{
		{"gzip, deflate", "gzip", long, 0},
		{"deflate", "deflate", long, 0},
		{"gzip;q=0, deflate;q=0.5", "deflate", long, 0},
		{"br", "", long, 0},
		{"", "", long, 0},
		{"gzip", "", long, engine.NoCompress},
		{"gzip", "", "short", 0},
	} {
		_ = s.c.SendMessage(false, []byte(c.data), c.mode)
		a := f.request("GET", polling+"&sid="+sid, "", "Accept-Encoding", c.accept)
		wantHeader(t, a.header, "Content-Encoding", c.encoding)
		var r io.Reader = strings.NewReader(a.body)
		switch c.encoding {
		case "gzip":
			r, _ = gzip.NewReader(r)
		case "deflate":
			r, _ = zlib.NewReader(r)
		}
		b, err := io.ReadAll(r)
		if string(b) != "4"+c.data || err != nil {
			t.Errorf("%+v: %.50q %v", c, b, err)
		}
	}
}

func TestHooksSeeWhatHappens(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	note := func(s string) { mu.Lock(); seen = append(seen, s); mu.Unlock() }
	f := newFixture(t, &engine.Options{Hooks: engine.Hooks{
		InitialHeaders: func(h http.Header, _ *http.Request) { h.Set("X-First", "1"); note("first") },
		Headers:        func(h http.Header, _ *http.Request) { h.Set("X-Each", "1"); note("headers") },
		Packet:         func(_ *engine.Conn, out bool, typ byte, size int) { note(fmt.Sprintf("%v %c %d", out, typ, size)) },
		Drain:          func(*engine.Conn) { note("drain") },
		Upgrade:        func(c *engine.Conn) { note("upgrade " + c.Transport()) },
	}})
	f.srv.Use(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Middleware", "1")
			h.ServeHTTP(w, r)
		})
	})
	a := f.request("GET", polling, "")
	s := next(t, f.opened)
	for _, name := range []string{"X-First", "X-Each", "X-Middleware"} {
		wantHeader(t, a.header, name, "1")
	}
	_ = s.c.Send(engine.Prepare(text("abc"), binary("de")), 0)
	f.get(s.c.ID())
	f.post(s.c.ID(), "4x")
	r := f.dial()
	r.send(upgradeRequest("EIO=4&transport=websocket&sid=" + s.c.ID()))
	if head := r.head(); !strings.Contains(head, "X-Middleware: 1\r\n") || !strings.Contains(head, "X-Each: 1\r\n") || strings.Contains(head, "X-First") {
		t.Errorf("%q", head)
	}
	r.text("2probe")
	r.wantFrame(1, "3probe")
	r.text("5")
	r.text("4y")
	expect(t, s.got, "x", "y")
	mu.Lock()
	defer mu.Unlock()
	var packets []string
	for _, e := range seen {
		if !strings.HasPrefix(e, "true 0 ") {
			packets = append(packets, e)
		}
	}
	// Probe and upgrade are no packets of the session.
	want := "first headers true 4 3 true 4 2 headers drain false 4 1 headers headers upgrade websocket false 4 1"
	if got := strings.Join(packets, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRequestIsKeptWithoutItsBody(t *testing.T) {
	type key struct{}
	f := newFixture(t, nil)
	f.srv.Use(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "value")))
		})
	})
	f.request("GET", polling+"&x=1", "", "X-A", "b")
	req := next(t, f.opened).c.Request()
	if req.Header.Get("X-A") != "b" || req.URL.Query().Get("x") != "1" || req.RemoteAddr == "" || req.Context().Value(key{}) != "value" ||
		req.Context().Done() != nil || req.Body != http.NoBody {
		t.Errorf("%+v", req)
	}
}

func TestBadOptionsPanic(t *testing.T) {
	for _, o := range []*engine.Options{
		{PingInterval: -1},
		{MaxPayload: -1},
		{SendBuffer: -1},
		{Overflow: 9},
		{Transports: []string{}},
		{Transports: []string{"carrier pigeon"}},
		{CORS: &engine.CORS{Origins: []string{"example.com"}}},
		{CORS: &engine.CORS{Origins: []string{"https://*example.com"}}},
		{CORS: &engine.CORS{Origins: []string{"*"}, Credentials: true}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was taken", o)
				}
			}()
			engine.NewServer(&fixture{}, o)
		}()
	}
}

func TestSessionIDsOfTheUserAreChecked(t *testing.T) {
	var id string
	var idErr error
	f := newFixture(t, &engine.Options{NewID: func(*http.Request) (string, error) { return id, idErr }})
	try := func(i string, err error, status int) {
		t.Helper()
		id, idErr = i, err
		if a := f.request("GET", polling, ""); a.status != status {
			t.Errorf("%q: %d %q", i, a.status, a.body)
		} else if status != 200 {
			if e := next(t, f.refused); e.Context["name"] != "ID_GENERATION_ERROR" || e.Context["error"] == nil {
				t.Errorf("%v", e.Context)
			}
		}
	}
	try("own-ID_1", nil, 200)
	try("own-ID_1", nil, 400)
	try("", nil, 400)
	try("a\"b", nil, 400)
	try("", errors.New("no"), 400)
}

func TestTransportsCanBeLimited(t *testing.T) {
	f := newFixture(t, &engine.Options{Transports: []string{"websocket"}})
	wantAnswer(t, "polling", f.request("GET", polling, ""), 400, `{"code":0,"message":"Transport unknown"}`)
	f.connect()
	f = newFixture(t, &engine.Options{NoUpgrades: true})
	a := f.request("GET", polling, "")
	if !strings.Contains(a.body, `"upgrades":[]`) {
		t.Errorf("%q", a.body)
	}
	r := f.dial()
	r.send(upgradeRequest("EIO=4&transport=websocket&sid=" + next(t, f.opened).c.ID()))
	if head := r.head(); !strings.HasPrefix(head, "HTTP/1.1 400") {
		t.Errorf("%q", head)
	}
}
