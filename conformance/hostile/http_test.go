package hostile_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	unsupported = `{"code":5,"message":"Unsupported protocol version"}`
	unknownT    = `{"code":0,"message":"Transport unknown"}`
	unknownSID  = `{"code":1,"message":"Session ID unknown"}`
	badMethod   = `{"code":2,"message":"Bad handshake method"}`
	badRequest  = `{"code":3,"message":"Bad request"}`
)

// refused sends a request that has to be answered with one of some statuses
// and, unless it is empty, a body.
func refused(t *testing.T, s *server, text, body string, statuses ...int) answer {
	t.Helper()
	a, err := s.do(text)
	must(t, err)
	for _, status := range statuses {
		if a.status == status {
			if body != "" && a.body != body {
				t.Errorf("%.60q: body %.200q, want %q", text, a.body, body)
			}
			return a
		}
	}
	t.Errorf("%.100q: status %d %.200q, want %v", text, a.status, a.body, statuses)
	return a
}

// gone fails unless the session of p has ended.
func gone(t *testing.T, p *pollSession) {
	t.Helper()
	for range 3 { // the first may bring a heartbeat that was due, and the last packet
		body, status, err := p.request("GET", "")
		must(t, err)
		if status == http.StatusBadRequest {
			return
		}
		if status != http.StatusOK || body != "2" && !strings.HasSuffix(body, "1") {
			t.Errorf("a poll of a session that should have ended: %d %.100q", status, body)
		}
	}
	t.Error("the session lives on")
}

func TestHTTP(t *testing.T) {
	play(t, []attack{
		{id: "A01", name: "other protocol versions", run: func(t *testing.T, s *server) {
			for _, q := range []string{"transport=polling", "EIO=3&transport=polling", "EIO=abc&transport=polling"} {
				refused(t, s, request("GET", "/socket.io/?"+q, ""), unsupported, 400)
				refused(t, s, upgrade("/socket.io/?"+strings.ReplaceAll(q, "polling", "websocket")), "", 400)
			}
		}},
		{id: "A02", name: "unknown transports", run: func(t *testing.T, s *server) {
			for _, q := range []string{"EIO=4", "EIO=4&transport=abc", "EIO=4&transport=constructor", "EIO=4&transport=webtransport"} {
				refused(t, s, request("GET", "/socket.io/?"+q, ""), unknownT, 400)
				refused(t, s, upgrade("/socket.io/?"+q), "", 400)
			}
		}},
		{id: "A03", name: "WebSocket without an upgrade", run: func(t *testing.T, s *server) {
			refused(t, s, request("GET", wsp, ""), badRequest, 400)
		}},
		{id: "A04", name: "POST without a session", run: func(t *testing.T, s *server) {
			refused(t, s, request("POST", poll, "40"), badMethod, 400)
		}},
		{id: "A05", name: "preflight that nobody allowed", run: func(t *testing.T, s *server) {
			a := refused(t, s, request("OPTIONS", poll, "", "Origin: http://evil"), "", 400, 204)
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control") {
					t.Errorf("header %s", name)
				}
			}
		}},
		{id: "A06", name: "other methods on a session", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			for _, method := range []string{"DELETE", "PUT", "PATCH", "TRACE"} {
				refused(t, s, request(method, p.target(), ""), "", 400, 405, 501)
			}
			must(t, p.echo("still here"))
		}},
		{id: "A07", name: "unknown session", run: func(t *testing.T, s *server) {
			refused(t, s, request("GET", poll+"&sid=abcdefgh", ""), unknownSID, 400)
		}},
		{id: "A08", name: "session IDs that are names of a language", run: func(t *testing.T, s *server) {
			for _, sid := range []string{"__proto__", "constructor", "toString"} {
				refused(t, s, request("GET", poll+"&sid="+sid, ""), unknownSID, 400)
				refused(t, s, request("POST", poll+"&sid="+sid, "40"), unknownSID, 400)
				refused(t, s, upgrade(wsp+"&sid="+sid), "", 400)
			}
		}},
		{id: "A09", name: "two polls at once", run: twoPolls},
		{id: "A10", name: "two posts at once", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			first, err := s.dial()
			must(t, err)
			defer first.Close()
			_, err = io.WriteString(first, "POST "+p.target()+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n42")
			must(t, err)
			waitFor(t, "the second post", func() bool {
				a, err := s.do(request("POST", p.target(), `42["echo"]`))
				must(t, err)
				return a.status == 400
			})
			if a, err := first.answer("POST"); err == nil && a.status < 400 {
				t.Errorf("the first post was answered with %d", a.status)
			}
			gone(t, p)
		}},
		{id: "A11", name: "binary posts, a thousand", run: func(t *testing.T, s *server) {
			crowd(t, 1000, 16, func(int) error {
				p, err := s.polls()
				if err != nil {
					return err
				}
				p.hc.CloseIdleConnections()
				a, err := s.do(request("POST", p.target(), "40", "Content-Type: application/octet-stream"))
				if err == nil && a.status != 400 {
					err = fmt.Errorf("status %d", a.status)
				}
				return err
			})
		}},
		{id: "A12", name: "a body that is too long", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			// Only the header: it has to be enough.
			r, err := s.dial()
			must(t, err)
			defer r.Close()
			_, err = io.WriteString(r, "POST "+p.target()+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n")
			must(t, err)
			if a, err := r.answer("POST"); err != nil || a.status != 413 {
				t.Errorf("status %d, %v", a.status, err)
			}
			refused(t, s, "POST "+p.target()+" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nf4241\r\n"+strings.Repeat("x", 1000001)+"\r\n0\r\n\r\n", "", 413)
		}},
		{id: "A13", name: "no such packet", run: bodies("abc")},
		{id: "A14", name: "empty bodies", run: bodies("", strings.Repeat("\x1e", 999_999))},
		{id: "A15", name: "thousands of packets", run: func(t *testing.T, s *server) {
			for _, packet := range []string{"4", "6", "2"} {
				p := polling(t, s)
				body := strings.TrimSuffix(strings.Repeat(packet+"\x1e", 10_000), "\x1e")
				refused(t, s, request("POST", p.target(), body), "", 200, 400)
				if packet != "6" {
					gone(t, p)
				}
			}
		}},
		{id: "A16", name: "bad base64", run: bodies("b***", "bAAA", "b"+strings.Repeat("QUFB", 700_000/4))},
		{id: "A17", name: "requests after the end", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			must(t, p.send("1"))
			refused(t, s, request("GET", p.target(), ""), unknownSID, 400)
			refused(t, s, request("POST", p.target(), "40"), unknownSID, 400)
		}},
		{id: "A18", name: "control byte in Origin", run: func(t *testing.T, s *server) {
			refused(t, s, request("GET", poll, "", "Origin: http://a\x01"), "", 400)
			refused(t, s, upgrade(wsp, "Origin: http://a\x01"), "", 400)
		}},
		{id: "A19", name: "upgrade to polling", run: func(t *testing.T, s *server) {
			a := refused(t, s, upgrade(poll), "", 400)
			if !a.closed {
				t.Error("the connection stays open")
			}
		}},
		{id: "A20", name: "upgrade to h2c", run: func(t *testing.T, s *server) {
			a := refused(t, s, request("GET", poll, "", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), "", 200, 400)
			end(t, s, a.body)
		}},
		{id: "A21", name: "broken WebSocket handshakes", run: func(t *testing.T, s *server) {
			head := []string{"Connection: Upgrade", "Upgrade: websocket"}
			refused(t, s, request("GET", wsp, "", append(head, "Sec-WebSocket-Version: 13")...), "", 400)
			refused(t, s, request("GET", wsp, "", append(head, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: YWJj")...), "", 400)
			refused(t, s, request("GET", wsp, "", append(head, "Sec-WebSocket-Version: 12", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")...), "", 400, 426)
		}},
		{id: "A22", name: "resets during refusals, a thousand", run: func(t *testing.T, s *server) {
			crowd(t, 1000, 16, func(int) error {
				r, err := s.dial()
				if err != nil {
					return err
				}
				_, err = io.WriteString(r, upgrade(wsp+"&sid=nobody"))
				_ = r.Conn.(*net.TCPConn).SetLinger(0)
				r.Close()
				return err
			})
		}},
		{id: "A23", name: "large headers", run: func(t *testing.T, s *server) {
			for _, lines := range [][]string{{"X-Large: " + strings.Repeat("x", 20_000)}, strings.Split(strings.Repeat("a: b\n", 2000)+"a: b", "\n")} {
				a := refused(t, s, request("GET", poll, "", lines...), "", 200, 400, 431)
				end(t, s, a.body)
			}
		}},
		{id: "A24", name: "two lengths of one body", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			r, err := s.dial()
			must(t, err)
			defer r.Close()
			smuggled := request("GET", "/smuggled", "")
			_, err = io.WriteString(r, "POST "+p.target()+" HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n3\r\n0\r\n\r\n"+smuggled)
			must(t, err)
			a, err := r.answer("POST")
			must(t, err)
			if a.status != 400 && a.status != 200 {
				t.Errorf("status %d", a.status)
			}
			// Whichever length was taken, nothing may be read behind it.
			if b, err := r.answer("GET"); err == nil {
				t.Errorf("a second answer: %d %q", b.status, b.body)
			}
		}},
		{id: "A25", name: "slow headers, 500", run: slowHeaders},
		{id: "A26", name: "unused handshakes", run: func(t *testing.T, s *server) {
			crowd(t, 500, 16, func(int) error {
				a, err := s.do(request("GET", poll, ""))
				if err == nil && a.status != 200 {
					err = fmt.Errorf("status %d", a.status)
				}
				return err
			}) // that they end is what every case looks at
		}},
		{id: "A27", name: "WebSockets that join nothing, a thousand", run: func(t *testing.T, s *server) {
			var mu sync.Mutex
			var all []*wsSession
			crowd(t, 1000, 16, func(int) error {
				w, err := s.webSocket()
				if err == nil {
					mu.Lock()
					all = append(all, w)
					mu.Unlock()
				}
				return err
			})
			for _, w := range all {
				if _, err := w.next(); err == nil {
					t.Fatal("a connection that joined nothing lives on")
				}
				w.Close()
			}
		}},
		{id: "A28", name: "WebSocket of a foreign page, nothing configured", run: foreign},
		{id: "A28", name: "WebSocket of a foreign page, one origin configured", run: foreign, on: &listed},
		{id: "A29", name: "origins that look like the allowed one", run: lookalikes, on: &listed},
		{id: "A30", name: "session IDs are secret", run: secretIDs},
		{id: "A31", name: "second upgrade of a session", run: secondUpgrade},
		{id: "A32", name: "short answers are not compressed", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			must(t, p.send(`421["echo","`+strings.Repeat("secret", 100)+`"]`))
			a := refused(t, s, request("GET", p.target(), "", "Accept-Encoding: gzip"), "", 200)
			if e := a.header.Get("Content-Encoding"); e != "" || !strings.HasPrefix(a.body, `431["secret`) {
				t.Errorf("encoding %q, %.30q", e, a.body)
			}
		}},
	})
}

// end ends a session that an attack has opened on the way.
func end(t *testing.T, s *server, openPacket string) {
	t.Helper()
	if sid, err := sidOf(openPacket); err == nil {
		refused(t, s, request("POST", poll+"&sid="+sid, "1"), "", 200)
	}
}

// bodies end the session that they are posted to.
func bodies(all ...string) func(t *testing.T, s *server) {
	return func(t *testing.T, s *server) {
		for _, body := range all {
			p := polling(t, s)
			began := time.Now()
			refused(t, s, request("POST", p.target(), body), "", 200, 400)
			if took := time.Since(began); took > generous {
				t.Errorf("%.10q took %v", body, took)
			}
			gone(t, p)
		}
	}
}

// crowd runs fn n times, some at once.
func crowd(t *testing.T, n, at int, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	work := make(chan int)
	failed := make(chan error, at)
	for range at {
		wg.Go(func() {
			var first error
			for i := range work {
				if err := fn(i); err != nil && first == nil {
					first = err
				}
			}
			failed <- first
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}
