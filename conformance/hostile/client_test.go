package hostile_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
)

// An evil server does what it likes with every connection, after one request.
type evil struct {
	ln    net.Listener
	conns atomic.Int64
	wg    sync.WaitGroup
}

func newEvil(t *testing.T, do func(c net.Conn, r *http.Request)) *evil {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	e := &evil{ln: ln}
	e.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			e.conns.Add(1)
			e.wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					do(c, r)
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); e.wg.Wait() })
	return e
}

func (e *evil) url() string { return "http://" + e.ln.Addr().String() }

// respond answers a poll and closes.
func respond(c net.Conn, body string) {
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// switches makes the connection a WebSocket.
func switches(c net.Conn, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
}

// unmasked is a frame of a server.
func unmasked(first byte, payload string) string {
	b := masked(first, payload)
	head := len(b) - len(payload) - 4
	return b[:1] + string(b[1]&^0x80) + b[2:head] + payload
}

const openPacket = `0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`

// accepts is a WebSocket server that lets the client join, and then sends attack.
func accepts(attack func(c net.Conn)) func(c net.Conn, r *http.Request) {
	return func(c net.Conn, r *http.Request) {
		switches(c, r)
		_, _ = io.WriteString(c, unmasked(0x81, openPacket))
		_, _ = c.Read(make([]byte, 100)) // its CONNECT
		_, _ = io.WriteString(c, unmasked(0x81, `40{"sid":"public"}`))
		attack(c)
		_, _ = io.Copy(io.Discard, c) // until it is cut
	}
}

var (
	overPolling   = engine.DialOptions{Transports: []string{"polling"}}
	overWebSocket = engine.DialOptions{Transports: []string{"websocket"}}
)

// dials makes a client that tries once.
func dials(t *testing.T, url string, o engine.DialOptions, change ...func(o *client.Options)) *client.Socket {
	t.Helper()
	opts := &client.Options{Engine: o, NoReconnection: true, ConnectTimeout: patience, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(opts)
	}
	c := client.New(url, opts)
	t.Cleanup(func() { _ = c.Close() })
	return c.Of("/")
}

// victims runs the cases about the Go client, and looks at what is left of each.
func victims(t *testing.T, cases []attack) {
	if *heavy {
		t.Skip("the large attacks run alone")
	}
	for _, a := range cases {
		t.Run(a.id+" "+a.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			var was, is runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&was)
			t.Run("attack", func(t *testing.T) { a.run(t, plain) })
			http.DefaultClient.CloseIdleConnections()
			waitFor(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before+2 })
			runtime.GC()
			runtime.ReadMemStats(&is)
			if grown := int64(is.HeapAlloc) - int64(was.HeapAlloc); grown > heapSlack {
				t.Errorf("the heap grew by %d KB", grown>>10)
			}
		})
	}
}

func TestClient(t *testing.T) {
	victims(t, []attack{
		{id: "A96", name: "handshakes without an end", run: endlessHandshakes},
		{id: "A97", name: "handshakes of nonsense", run: nonsense},
		{id: "A98", name: "packets and frames that hurt parsers", run: func(t *testing.T, _ *server) {
			fragment := unmasked(0x00, strings.Repeat("x", 1000))
			for name, attack := range map[string]string{
				"endless fragments": unmasked(0x01, "4") + strings.Repeat(fragment, 20_000), "crumbs": unmasked(0x01, "4") + strings.Repeat(unmasked(0x00, ""), 200_000),
				"a gigabyte declared": "\x82\x7f\x00\x00\x00\x00\x40\x00\x00\x00", "the most declared": "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
				"masked": masked(0x81, "42[]"), "too many attachments": unmasked(0x81, `4511-["x"]`), "absurdly many": unmasked(0x81, `45999999999-["x"]`),
				"none of them": unmasked(0x81, `450-["x"]`) + unmasked(0x82, "x"), "no placeholder": unmasked(0x81, `451-["x",{"_placeholder":true,"num":7}]`),
				"deep": unmasked(0x81, `42["x",`+strings.Repeat("[", 450_000)), "not UTF-8": unmasked(0x81, "42[\"\xff\"]"), "no packet": unmasked(0x81, "9"), "reserved bit": unmasked(0xc1, "42"),
			} {
				e := newEvil(t, accepts(func(c net.Conn) { _, _ = io.WriteString(c, attack) }))
				s := dials(t, e.url(), overWebSocket)
				gone := make(chan client.Reason, 1)
				s.OnDisconnect(func(_ context.Context, why client.Reason) { gone <- why })
				if s.Connect(t.Context()) != nil {
					continue // the attack was as fast as the answer
				}
				select {
				case <-gone:
				case <-time.After(patience):
					t.Errorf("%s: still connected", name)
				}
				_ = s.Client().Close()
			}
		}},
		{id: "A99", name: "redirects to another host", run: func(t *testing.T, _ *server) {
			other := newEvil(t, func(c net.Conn, _ *http.Request) { respond(c, openPacket) })
			for _, status := range []int{301, 302, 303, 307, 308} {
				e := newEvil(t, func(c net.Conn, r *http.Request) {
					fmt.Fprintf(c, "HTTP/1.1 %d Moved\r\nLocation: %s%s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status, other.url(), r.RequestURI)
				})
				for _, o := range []engine.DialOptions{overPolling, overWebSocket} {
					o.Header = http.Header{"Authorization": {"secret"}, "Cookie": {"session=secret"}}
					if err := dials(t, e.url(), o).Connect(t.Context()); err == nil {
						t.Errorf("%d was followed", status)
					}
				}
			}
			if n := other.conns.Load(); n > 0 {
				t.Errorf("the other host was asked %d times", n)
			}
		}},
		{id: "A100", name: "server that hangs up at once", run: hangsUp},
		{id: "A101", name: "certificate that is wrong", run: func(t *testing.T, s *server) {
			secure := httptest.NewUnstartedServer(http.NotFoundHandler())
			secure.Config.ErrorLog = log.New(io.Discard, "", 0)
			secure.StartTLS()
			defer secure.Close()
			for _, o := range []engine.DialOptions{overPolling, overWebSocket} {
				var unverified *tls.CertificateVerificationError
				if err := dials(t, secure.URL, o).Connect(t.Context()); !errors.As(err, &unverified) {
					t.Errorf("%s: %v", o.Transports[0], err)
				}
				// Only whoever says so gets further, here to a server of something else.
				o.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
				if err := dials(t, secure.URL, o).Connect(t.Context()); err == nil || errors.As(err, &unverified) {
					t.Errorf("%s, told not to verify: %v", o.Transports[0], err)
				}
				o.HTTPClient.CloseIdleConnections()
			}
		}},
		{id: "A102", name: "server that never acknowledges", run: neverAcknowledged},
	})
}

func endlessHandshakes(t *testing.T, _ *server) {
	const hundredMB = 100 << 20
	flood := func(c net.Conn, chunk string) {
		for n := 0; n < hundredMB; {
			k, err := io.WriteString(c, chunk)
			if n += k; err != nil {
				return
			}
		}
		t.Error("all of it was read")
	}
	huge := strings.Repeat("x", 1<<16)
	for name, do := range map[string]func(c net.Conn, r *http.Request){
		"JSON of 100 MB": func(c net.Conn, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				switches(c, r)
				_, _ = io.WriteString(c, "\x81\x7f\x00\x00\x00\x00\x06\x40\x00\x00"+`0{"sid":"`)
			} else {
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"+`0{"sid":"`, hundredMB)
			}
			flood(c, huge)
		},
		"header without an end": func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			flood(c, strings.Repeat("X-Header: "+huge[:1000]+"\r\n", 60))
		},
		"status line without an end": func(c net.Conn, _ *http.Request) { flood(c, "HTTP/1.1 200 "+huge) },
		"wrong accept key": func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"+unmasked(0x81, openPacket))
		},
	} {
		e := newEvil(t, do)
		for _, o := range []engine.DialOptions{overPolling, overWebSocket} {
			var was, is runtime.MemStats
			runtime.ReadMemStats(&was)
			if err := dials(t, e.url(), o).Connect(t.Context()); err == nil {
				t.Errorf("%s over %s: no error", name, o.Transports[0])
			}
			runtime.ReadMemStats(&is)
			if n := is.TotalAlloc - was.TotalAlloc; n > 32<<20 {
				t.Errorf("%s over %s: %d MB were allocated", name, o.Transports[0], n>>20)
			}
		}
	}
}

// nonsense is refused or made sense of, and never asks in a tight loop.
func nonsense(t *testing.T, _ *server) {
	for _, open := range []string{
		`0{"sid":"S","upgrades":[],"pingInterval":0,"pingTimeout":0,"maxPayload":1000000}`, `0{"sid":"S","upgrades":[],"pingInterval":-1,"pingTimeout":-1,"maxPayload":1000000}`,
		`0{"sid":"S","upgrades":[],"pingInterval":1000000000000000000,"pingTimeout":1000000000000000000,"maxPayload":1000000}`,
		`0{"sid":"S","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":1000000}`, `0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":0}`,
		`0{"sid":"S","upgrades":["carrier-pigeon","__proto__",""],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`,
		`0{"sid":"S\r\nX-Evil: 1\r\n\r\n","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`, `0{}`, `0null`, `0`, `1`, ``,
	} {
		for _, o := range []engine.DialOptions{overPolling, overWebSocket, {}} {
			e := newEvil(t, func(c net.Conn, r *http.Request) {
				switch {
				case r.Header.Get("X-Evil") != "" || strings.ContainsAny(r.RequestURI, "\r\n"):
					t.Errorf("%q made the request %q %v", open, r.RequestURI, r.Header)
				case r.Header.Get("Upgrade") != "":
					switches(c, r)
					_, _ = io.WriteString(c, unmasked(0x81, open)+unmasked(0x81, `40{"sid":"public"}`))
					_, _ = io.Copy(io.Discard, c)
				case r.URL.Query().Get("sid") == "":
					respond(c, open)
				case r.Method == "GET":
					respond(c, "6")
				default:
					respond(c, "ok")
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			s := dials(t, e.url(), o)
			_ = s.Connect(ctx) // either way
			<-ctx.Done()
			cancel()
			_ = s.Client().Close()
			if n := e.conns.Load(); n > 100 {
				t.Errorf("%q: %d connections in 150 ms", open, n)
			}
		}
	}
}

// hangsUp is asked again and again, but by one goroutine, and with pauses.
func hangsUp(t *testing.T, _ *server) {
	const times = 2000
	e := newEvil(t, func(c net.Conn, r *http.Request) { // and closes
		if r.URL.Query().Get("transport") == "websocket" {
			switches(c, r)
		}
	})
	s := dials(t, e.url(), engine.DialOptions{}, func(o *client.Options) {
		o.NoReconnection, o.ReconnectionDelay, o.ReconnectionDelayMax = false, time.Millisecond, 2*time.Millisecond
	})
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Connect(ctx) }()
	began := time.Now()
	most := 0
	for e.conns.Load() < times {
		if time.Since(began) > 4*patience {
			t.Fatalf("asked %d times only", e.conns.Load())
		}
		most = max(most, runtime.NumGoroutine())
		time.Sleep(10 * time.Millisecond)
	}
	if took := time.Since(began); took < times/2*time.Millisecond/2 { // two connections an attempt
		t.Errorf("%d connections in %v", times, took)
	}
	if most > before+30 {
		t.Errorf("%d goroutines, %d before", most, before)
	}
	cancel()
	<-ended
}

func neverAcknowledged(t *testing.T, _ *server) {
	e := newEvil(t, accepts(func(net.Conn) {}))
	s := dials(t, e.url(), overWebSocket, func(o *client.Options) { o.AckTimeout, o.SendBuffer = 50*time.Millisecond, 10_000 })
	must(t, s.Connect(t.Context()))
	var timeouts atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if err := s.EmitAck(t.Context(), "x", nil); errors.Is(err, client.ErrAckTimeout) {
				timeouts.Add(1)
			}
		})
	}
	wg.Wait()
	if n := timeouts.Load(); n != 100 {
		t.Errorf("%d of 100 timed out", n)
	}
	// What waits for a connection has a bound.
	s.Disconnect()
	off := dials(t, "http://127.0.0.1:1", overWebSocket, func(o *client.Options) { o.SendBuffer, o.NoReconnection = 10_000, false })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- off.Connect(ctx) }()
	waitFor(t, "the wish to connect", off.Active)
	full := error(nil)
	for i := 0; i < 1000 && full == nil; i++ {
		full = off.Emit(t.Context(), "x", strings.Repeat("x", 100))
	}
	if !errors.Is(full, client.ErrBufferFull) {
		t.Errorf("the buffer took it all: %v", full)
	}
	cancel()
	<-ended
}
