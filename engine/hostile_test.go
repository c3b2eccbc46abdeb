package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// gone checks that the session has ended for that reason and is unknown.
func (f *fixture) gone(what, sid string, s *session, why error) {
	f.t.Helper()
	wantAnswer(f.t, what+": poll after the end", f.get(sid), 400, `{"code":1,"message":"Session ID unknown"}`)
	if err := next(f.t, s.closed); !errors.Is(err, why) {
		f.t.Errorf("%s: closed with %v, want %v", what, err, why)
	}
}

func TestHostileBodiesEndOnlyTheirSession(t *testing.T) {
	many := func(packet string) string { return strings.TrimSuffix(strings.Repeat(packet+"\x1e", 10000), "\x1e") }
	f := newFixture(t, nil)
	honest, hs := f.open()
	for _, c := range []struct {
		name, body string
		why        error
	}{
		{"no such packet", "abc", engine.ErrParse},
		{"empty", "", engine.ErrParse},
		{"separators only", strings.Repeat("\x1e", 999_999), engine.ErrParse},
		{"a ping", "2", engine.ErrTransport},
		{"many pings", many("2"), engine.ErrTransport},
		{"bad base64", "b***", engine.ErrParse},
		{"base64 of a bad length", "bAAA", engine.ErrParse},
		{"base64 over two lines", "bAAAA\nAAAA", engine.ErrParse},
		{"base64 with bits left over", "bAAB=", engine.ErrParse},
		{"not UTF-8", "4\xc3\x28", engine.ErrParse},
		{"close", "1", engine.ErrTransportClose},
		{"close, then a message", "1\x1e4late", engine.ErrTransportClose},
	} {
		t.Run(c.name, func(t *testing.T) {
			sid, s := f.open()
			start := time.Now()
			wantAnswer(t, "post", f.post(sid, c.body), 200, "ok")
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("took %v", d)
			}
			f.gone(c.name, sid, s, c.why)
			if len(s.got) != 0 {
				t.Errorf("delivered %q", <-s.got)
			}
		})
	}
	wantAnswer(t, "honest post", f.post(honest, "4x"), 200, "ok")
	expect(t, hs.got, "x")
}

func TestManyPacketsInOneBodyAreServed(t *testing.T) {
	f := newFixture(t, nil, func(f *fixture) {
		f.message = func(s *session, _ bool, data []byte) error { return nil }
	})
	sid, _ := f.open()
	for _, body := range []string{strings.Repeat("4\x1e", 9999) + "4", strings.Repeat("6\x1e", 9999) + "6", strings.Repeat("3\x1e", 9999) + "3", "b" + strings.Repeat("AAAA", 175_000)} {
		wantAnswer(t, "post", f.post(sid, body), 200, "ok")
	}
	if st := f.srv.Stats(); st.PacketsIn != 30001 || st.BytesIn != 525_000 || st.Open != 1 {
		t.Errorf("%+v", st)
	}
}

func TestTwoPollsAtOnceEndTheSession(t *testing.T) {
	f := newFixture(t, nil)
	sid, s := f.open()
	first := f.dial()
	first.send("GET /engine.io/?" + polling + "&sid=" + sid + " HTTP/1.1\r\nHost: x\r\n\r\n")
	// The two race for being first; one waits and gets the close packet.
	second := f.get(sid)
	first.head()
	b := make([]byte, 1)
	if second.status == 400 {
		_, _ = io.ReadFull(first.r, b)
		wantAnswer(t, "second", second, 400, "")
	} else {
		b = []byte(second.body)
	}
	if string(b) != "1" {
		t.Errorf("the one that waited got %q", b)
	}
	f.gone("overlap", sid, s, engine.ErrTransport)
}

func TestTwoPostsAtOnceEndTheSession(t *testing.T) {
	f := newFixture(t, nil)
	sid, s := f.open()
	first := f.dial()
	first.send("POST /engine.io/?" + polling + "&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4a")
	for {
		// Until the first has arrived there is no overlap.
		if a := f.post(sid, "4x"); a.status == 400 {
			break
		}
	}
	if head := first.head(); !strings.HasPrefix(head, "HTTP/1.1 400") {
		t.Errorf("the first got %q", head)
	}
	f.gone("overlap", sid, s, engine.ErrTransport)
}

func TestAbortedPollEndsTheSession(t *testing.T) {
	f := newFixture(t, nil)
	sid, s := f.open()
	r := f.dial()
	r.send("GET /engine.io/?" + polling + "&sid=" + sid + " HTTP/1.1\r\nHost: x\r\n\r\n")
	r.Close()
	if err := next(t, s.closed); !errors.Is(err, engine.ErrTransport) {
		t.Error(err)
	}
	wantAnswer(t, "poll", f.get(sid), 400, `{"code":1,"message":"Session ID unknown"}`)
}

func TestAbortedPostEndsTheSession(t *testing.T) {
	f := newFixture(t, nil)
	sid, s := f.open()
	r := f.dial()
	r.send("POST /engine.io/?" + polling + "&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4a")
	r.Close()
	if err := next(t, s.closed); !errors.Is(err, engine.ErrTransport) {
		t.Error(err)
	}
}

func TestSlowBodyIsCutAfterPingTimeout(t *testing.T) {
	f := newFixture(t, &engine.Options{PingTimeout: 50 * time.Millisecond})
	sid, s := f.open()
	r := f.dial()
	r.send("POST /engine.io/?" + polling + "&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4a")
	if head := r.head(); !strings.HasPrefix(head, "HTTP/1.1 400") {
		t.Errorf("%q", head)
	}
	f.gone("slow body", sid, s, engine.ErrTransport)
}

func TestBinaryPostIsRefusedAndEnded(t *testing.T) {
	f := newFixture(t, nil)
	for range 50 {
		sid, s := f.open()
		a := f.request("POST", polling+"&sid="+sid, "ab", "Content-Type", "application/octet-stream")
		wantAnswer(t, "post", a, 400, "")
		f.gone("octet-stream", sid, s, engine.ErrTransport)
	}
}

func TestTooLargeBodyIsRefusedAndTheSessionStays(t *testing.T) {
	f := newFixture(t, &engine.Options{MaxPayload: 1000})
	sid, s := f.open()
	r := f.dial() // it never sends the body
	r.send("POST /engine.io/?" + polling + "&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
	if head := r.head(); !strings.HasPrefix(head, "HTTP/1.1 413") {
		t.Errorf("announced: %q", head)
	}
	r = f.dial()
	r.send("POST /engine.io/?" + polling + "&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
		"4" + strings.Repeat("x", 1000) + "\r\n")
	if head := r.head(); !strings.HasPrefix(head, "HTTP/1.1 413") {
		t.Errorf("in chunks: %q", head)
	}
	wantAnswer(t, "as large as allowed", f.post(sid, "4"+strings.Repeat("x", 999)), 200, "ok")
	expect(t, s.got, strings.Repeat("x", 999))
	if n := f.srv.Stats().TooLarge; n != 2 {
		t.Errorf("%d were counted", n)
	}
}

func TestConflictingLengthsEndTheHTTPConnection(t *testing.T) {
	f := newFixture(t, nil)
	sid, _ := f.open()
	r := f.dial()
	r.send("POST /engine.io/?" + polling + "&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n4a\r\n0\r\n\r\n" +
		"GET /engine.io/ HTTP/1.1\r\nHost: x\r\n\r\n")
	head := r.head()
	rest, _ := io.ReadAll(r.r)
	if strings.Contains(string(rest), "HTTP/1.1 ") {
		t.Errorf("what may have been smuggled was served: %q %q", head, rest)
	}
}

func TestLargeHeadersAreServedOrRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, header := range []string{"X: " + strings.Repeat("x", 20_000) + "\r\n", strings.Repeat("X: y\r\n", 2001)} {
		r := f.dial()
		r.send("GET /engine.io/?" + polling + " HTTP/1.1\r\nHost: x\r\n" + header + "\r\n")
		if head := r.head(); !strings.HasPrefix(head, "HTTP/1.1 200") && !strings.HasPrefix(head, "HTTP/1.1 4") {
			t.Errorf("%q", head)
		}
	}
}

func TestResetDuringRefusalsLeavesNothing(t *testing.T) {
	f := newFixture(t, nil)
	for range 200 {
		r := f.dial()
		r.send(upgradeRequest("EIO=4&transport=websocket&sid=zzz"))
		_ = r.Conn.(*net.TCPConn).SetLinger(0)
		r.Close()
	}
	f.open()
	if n := f.srv.Len(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestBadProbeEndsAloneAndTheSessionStays(t *testing.T) {
	for _, c := range []struct {
		name   string
		frames []string
	}{
		{"ping instead of probe", []string{maskedFrame(0x81, "2")}},
		{"upgrade without probe", []string{maskedFrame(0x81, "5")}},
		{"second probe", []string{maskedFrame(0x81, "2probe"), maskedFrame(0x81, "2probe")}},
		{"message", []string{maskedFrame(0x81, "2probe"), maskedFrame(0x81, "4x")}},
		{"binary", []string{maskedFrame(0x82, "2probe")}},
		{"no mask", []string{"\x81\x01\x32"}},
		{"silence", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, &engine.Options{UpgradeTimeout: 50 * time.Millisecond, PingInterval: time.Minute})
			sid, s := f.open()
			r := f.websocket("EIO=4&transport=websocket&sid=" + sid)
			for _, frame := range c.frames {
				r.send(frame)
			}
			for {
				if op, p := r.frame(); op == 0 || op == 8 {
					break
				} else if op != 1 || p != "3probe" {
					t.Fatalf("%d %q", op, p)
				}
			}
			_ = s.c.SendMessage(false, []byte("still here"), 0)
			wantAnswer(t, "poll", f.get(sid), 200, "4still here")
			wantAnswer(t, "post", f.post(sid, "4x"), 200, "ok")
			expect(t, s.got, "x")
			// And it may try again.
			r = f.websocket("EIO=4&transport=websocket&sid=" + sid)
			r.text("2probe")
			r.wantFrame(1, "3probe")
			r.text("5")
			r.text("4on websocket")
			expect(t, s.got, "on websocket")
		})
	}
}

func TestOnlyOneUpgradeAtATime(t *testing.T) {
	f := newFixture(t, nil)
	sid, s := f.open()
	r := f.websocket("EIO=4&transport=websocket&sid=" + sid)
	r.text("2probe")
	r.wantFrame(1, "3probe")
	second := f.websocket("EIO=4&transport=websocket&sid=" + sid)
	second.send(maskedFrame(0x81, "2probe"))
	second.wantFrame(8, "")
	second.Close()
	r.text("5")
	r.text("4x")
	expect(t, s.got, "x")

	third := f.websocket("EIO=4&transport=websocket&sid=" + sid)
	third.wantFrame(8, "")
	third.Close()
	for _, method := range []string{"GET", "POST"} {
		wantAnswer(t, method, f.request(method, polling+"&sid="+sid, ""), 400, `{"code":3,"message":"Bad request"}`)
		if e := next(t, f.refused); e.Context["name"] != "TRANSPORT_MISMATCH" || e.Context["previousTransport"] != "websocket" {
			t.Errorf("%v", e.Context)
		}
	}
	r.text("4y")
	expect(t, s.got, "y")
}

func TestPollsDuringAProbeAreAnsweredButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil, inMemory)
		sid, s := f.open()
		pending := f.goGet(sid)
		synctest.Wait()
		r := f.websocket("EIO=4&transport=websocket&sid=" + sid)
		r.text("2probe")
		r.wantFrame(1, "3probe")
		wantAnswer(t, "pending poll", next(t, pending), 200, "6")
		for range 7 {
			wantAnswer(t, "poll", f.get(sid), 200, "6")
		}
		pending = f.goGet(sid)
		synctest.Wait()
		if len(pending) != 0 {
			t.Fatalf("a ninth noop: %v", <-pending)
		}
		_ = s.c.SendMessage(false, []byte("x"), 0)
		wantAnswer(t, "poll that waits", next(t, pending), 200, "4x")
	})
}

func TestViolationsOnWebSocketEndTheSession(t *testing.T) {
	for _, c := range []struct {
		name, bytes, last string
		why               error
	}{
		{"no such packet", maskedFrame(0x81, "7"), "", engine.ErrParse},
		{"empty frame", maskedFrame(0x81, ""), "", engine.ErrParse},
		{"a ping", maskedFrame(0x81, "2"), "", engine.ErrTransport},
		{"too large", maskedFrame(0x82, strings.Repeat("x", 1001)), "\x03\xf1", engine.ErrTransport},
		{"a gigabyte announced", "\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00", "\x03\xf1", engine.ErrTransport},
		{"no mask", "\x81\x02\x34\x30", "\x03\xea", engine.ErrTransport},
		{"not UTF-8", maskedFrame(0x81, "4\xc3\x28"), "\x03\xef", engine.ErrTransport},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, &engine.Options{MaxPayload: 1000})
			r, s := f.connect()
			r.send(c.bytes)
			op, p := r.frame()
			if op != 8 || !strings.HasPrefix(p, c.last) || c.last == "" && p != "" {
				t.Errorf("got %d %q, want a close frame with %q", op, p, c.last)
			}
			r.Close()
			if err := next(t, s.closed); !errors.Is(err, c.why) {
				t.Errorf("closed with %v, want %v", err, c.why)
			}
			if n := f.srv.Stats().Bad; n != 1 {
				t.Errorf("%d were counted", n)
			}
		})
	}
}

func TestPongFloodsCostNothing(t *testing.T) {
	f := newFixture(t, nil)
	r, s := f.connect()
	r.send(strings.Repeat(maskedFrame(0x81, "3"), 100_000))
	r.text("4after")
	expect(t, s.got, "after")
}

func TestPingsOfAWebSocketAreAnsweredOncePerRead(t *testing.T) {
	f := newFixture(t, nil)
	r, s := f.connect()
	const n = 10_000
	var flood strings.Builder
	for i := range n {
		flood.WriteString(maskedFrame(0x89, fmt.Sprint(i)))
	}
	r.send(flood.String())
	r.text("4after")
	expect(t, s.got, "after")
	pongs := 0
	for {
		op, p := r.frame()
		if op != 10 {
			t.Fatalf("%d %q", op, p)
		}
		pongs++
		if p == fmt.Sprint(n-1) {
			break
		}
	}
	if pongs > n/10 {
		t.Errorf("%d pongs for %d pings", pongs, n)
	}
	r.send(maskedFrame(0x89, "single"))
	r.wantFrame(10, "single")
}
