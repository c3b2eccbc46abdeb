package load_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is the least of a server that the clients can be held to: echo and
// fan-out over polling, WebSocket and the upgrade between them.
type fake struct {
	mu       sync.Mutex
	sessions map[string]*fakeSession
	// refuse has the namespace refuse everyone.
	refuse bool
	// open has every namespace, and counts how often one is left.
	open bool
	left atomic.Int64
	// drop cuts a WebSocket at its first event.
	drop bool
	// cut is the session that is closed: by the CONNECT of the next one if late is
	// false, by the tenth broadcast if it is true. 0 is none, 1 the first.
	cut       int
	late      bool
	broadcast int
}

type fakeSession struct {
	out chan string // for polls
	mu  sync.Mutex
	ws  net.Conn // not nil once the transport is WebSocket
	// probed is closed by the probe: from then on no poll waits.
	probed chan struct{}
}

func startFake(t *testing.T, f *fake) string {
	t.Helper()
	f.sessions = map[string]*fakeSession{}
	s := httptest.NewServer(f)
	t.Cleanup(func() {
		f.mu.Lock()
		for _, x := range f.sessions {
			x.mu.Lock()
			if x.ws != nil {
				x.ws.Close()
			}
			x.mu.Unlock()
		}
		f.mu.Unlock()
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.mu.Lock()
	s, known := f.sessions[q.Get("sid")]
	if !known {
		s = &fakeSession{out: make(chan string, 64), probed: make(chan struct{})}
		f.sessions[fmt.Sprint("s", len(f.sessions))] = s
	}
	sid := fmt.Sprint("s", len(f.sessions)-1)
	f.mu.Unlock()
	open := `0{"sid":"` + sid + `","upgrades":["websocket"],"pingInterval":25000}`
	switch {
	case q.Get("transport") == "websocket":
		f.webSocket(w, s, known, open)
	case !known:
		fmt.Fprint(w, open)
	case r.Method == http.MethodGet:
		fmt.Fprint(w, s.poll(r))
	default:
		body, _ := io.ReadAll(r.Body)
		for p := range strings.SplitSeq(string(body), "\x1e") {
			f.packet(s, p)
		}
		fmt.Fprint(w, "ok")
	}
}

func (f *fake) webSocket(w http.ResponseWriter, s *fakeSession, probe bool, open string) {
	nc, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer nc.Close()
	io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	if !probe {
		s.use(nc)
		s.emit(open)
	}
	for {
		text, err := readMasked(rw.Reader)
		switch {
		case err != nil:
			return
		case text == "2probe":
			s.write(nc, "3probe")
			close(s.probed)
		case text == "5":
			s.use(nc)
		case f.drop && strings.HasPrefix(text, "42"):
			return
		default:
			f.packet(s, text)
		}
	}
}

func (f *fake) packet(s *fakeSession, p string) {
	head, rest, _ := strings.Cut(p, "[")
	_, arg, _ := strings.Cut(rest, ",")
	switch {
	case p == "40" && f.refuse:
		s.emit(`44{"message":"no"}`)
	case p == "40":
		s.emit(`40{"sid":"x"}`)
		if !f.late {
			f.mu.Lock()
			defer f.mu.Unlock()
			if len(f.sessions) > f.cut {
				f.cutOne()
			}
		}
	case strings.HasPrefix(p, "40/") && f.open:
		s.emit(p + `{"sid":"y"}`)
	case strings.HasPrefix(p, "40/"):
		s.emit("44" + p[2:] + `{"message":"Invalid namespace"}`)
	case strings.HasPrefix(p, "41/") && f.open:
		f.left.Add(1)
	case strings.HasPrefix(rest, `"echo"`):
		s.emit("43" + head[2:] + "[" + arg)
	case strings.HasPrefix(rest, `"fanout"`):
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, to := range f.sessions {
			to.emit(`42["msg",` + arg)
		}
		if f.broadcast++; f.broadcast == 10 && f.late {
			f.cutOne()
		}
	}
}

// cutOne closes the session that f.cut names. f.mu is held.
func (f *fake) cutOne() {
	s := f.sessions[fmt.Sprint("s", f.cut-1)]
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ws.Close()
	delete(f.sessions, fmt.Sprint("s", f.cut-1))
	f.cut = 0
}

func (s *fakeSession) poll(r *http.Request) string {
	select {
	case p := <-s.out:
		return p
	default:
	}
	select {
	case p := <-s.out:
		return p
	case <-s.probed:
		return "6"
	case <-r.Context().Done():
		return ""
	}
}

// use makes nc the transport and sends on it what no poll has fetched.
func (s *fakeSession) use(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ws = nc
	for {
		select {
		case p := <-s.out:
			s.write(nc, p)
		default:
			return
		}
	}
}

func (s *fakeSession) emit(p string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ws == nil {
		s.out <- p
		return
	}
	s.write(s.ws, p)
}

func (s *fakeSession) write(nc net.Conn, p string) {
	nc.Write(append([]byte{0x81, byte(len(p))}, p...))
}

func readMasked(r *bufio.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	n := int(head[1] & 0x7f)
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(r, long[:]); err != nil {
			return "", err
		}
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	b := make([]byte, 4+n)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", err
	}
	for i := range b[4:] {
		b[4+i] ^= b[i&3]
	}
	return string(b[4:]), nil
}
