package engine_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// A browser fails a WebSocket when it offered protocols and none was taken.
func TestFirstSubprotocolOfTheClientIsTaken(t *testing.T) {
	f := newFixture(t, nil)
	for _, c := range []struct{ offered, taken string }{
		{"Sec-WebSocket-Protocol: chat, v2", "Sec-WebSocket-Protocol: chat\r\n"},
		{"Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v2", "Sec-WebSocket-Protocol: v1\r\n"},
		{"Sec-WebSocket-Protocol: a b, v2", "Sec-WebSocket-Protocol: v2\r\n"},
		{"X-Other: 1", ""},
		{"Sec-WebSocket-Protocol: a(b)", ""},
	} {
		r := f.dial()
		r.send(upgradeRequest("EIO=4&transport=websocket", c.offered))
		head := r.head()
		if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Fatalf("%q: %q", c.offered, head)
		}
		if c.taken == "" && strings.Contains(head, "Sec-WebSocket-Protocol") || !strings.Contains(head, c.taken) {
			t.Errorf("%q: %q", c.offered, head)
		}
	}
	sid, _ := f.open()
	r := f.dial()
	r.send(upgradeRequest("EIO=4&transport=websocket&sid="+sid, "Sec-WebSocket-Protocol: chat"))
	if head := r.head(); !strings.Contains(head, "Sec-WebSocket-Protocol: chat\r\n") {
		t.Errorf("upgrade: %q", head)
	}
}

func TestInitialPacketComesWithTheHandshake(t *testing.T) {
	f := newFixture(t, &engine.Options{InitialPacket: []byte("hi €")})
	a := f.request("GET", polling, "")
	s := next(t, f.opened)
	if !strings.HasPrefix(a.body, `0{"sid":"`+s.c.ID()) || !strings.HasSuffix(a.body, "}\x1e4hi €") {
		t.Errorf("handshake %q", a.body)
	}
	_ = s.c.SendMessage(false, []byte("x"), 0)
	wantAnswer(t, "poll", f.get(s.c.ID()), 200, "4x")

	r, _ := f.connect()
	r.wantFrame(1, "4hi €")
}

func TestWhatIsShownOfARefusalIsPlainJSON(t *testing.T) {
	f := newFixture(t, &engine.Options{AllowRequest: func(*http.Request) error { return &engine.Refusal{Message: "<no> & \"never\" ü\u2028"} }})
	wantAnswer(t, "refusal", f.request("GET", polling, ""), 403, "{\"code\":4,\"message\":\"<no> & \\\"never\\\" ü\u2028\"}")
}

func TestAllowRequestIsAskedBeforeTheVersion(t *testing.T) {
	f := newFixture(t, &engine.Options{AllowRequest: func(r *http.Request) error {
		if r.Header.Get("X-Refuse") != "" {
			return &engine.Refusal{Message: "no"}
		}
		return nil
	}})
	wantAnswer(t, "refused", f.request("GET", "EIO=3&transport=polling", "", "X-Refuse", "1"), 403, `{"code":4,"message":"no"}`)
	wantAnswer(t, "allowed", f.request("GET", "EIO=3&transport=polling", ""), 400, `{"code":5,"message":"Unsupported protocol version"}`)
	if n := f.srv.Len(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestNamesOfParametersMayBeEscaped(t *testing.T) {
	f := newFixture(t, nil)
	if a := f.request("GET", "EI%4F=4&tr%61nsport=poll%69ng", ""); a.status != 200 {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestCORSHeadersDoNotNeedAnOrigin(t *testing.T) {
	for _, c := range []struct {
		cors               engine.CORS
		origin, credential string
	}{
		{engine.CORS{Origins: []string{"*"}}, "*", ""},
		{engine.CORS{Origins: []string{"https://a.example"}, Credentials: true}, "https://a.example", "true"},
		{engine.CORS{Origins: []string{"https://a.example", "https://b.example"}, Credentials: true}, "", "true"},
		{engine.CORS{Origins: []string{"https://*.a.example"}}, "", ""},
	} {
		f := newFixture(t, &engine.Options{CORS: &c.cors})
		for _, method := range []string{"GET", "OPTIONS"} {
			a := f.request(method, polling, "")
			wantHeader(t, a.header, "Access-Control-Allow-Origin", c.origin)
			wantHeader(t, a.header, "Access-Control-Allow-Credentials", c.credential)
		}
	}
}

func TestPreflightTellsTheExposedHeaders(t *testing.T) {
	f := newFixture(t, &engine.Options{CORS: &engine.CORS{Origins: []string{"*"}, ExposedHeaders: []string{"X-A", "X-B"}}})
	a := f.request("OPTIONS", polling, "", "Origin", "https://a.example", "Access-Control-Request-Method", "POST")
	wantHeader(t, a.header, "Access-Control-Expose-Headers", "X-A,X-B")
}

// A short upgrade timeout is noticed in time although heartbeats are slow.
func TestUpgradeTimeoutIsNoticedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, &engine.Options{UpgradeTimeout: 300 * time.Millisecond}, inMemory)
		sid, _ := f.open()
		r := f.websocket("EIO=4&transport=websocket&sid=" + sid)
		began := time.Now()
		if _, _, _, err := r.tryFrame(); err == nil {
			t.Error("there was a frame")
		}
		if d := time.Since(began); d < 300*time.Millisecond || d > 350*time.Millisecond {
			t.Errorf("ended after %v", d)
		}
		wantAnswer(t, "session is untouched", f.post(sid, "4x"), 200, "ok")
	})
}
