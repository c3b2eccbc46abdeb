package engine_test

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// TestEveryRefusalOverHTTP goes through the statuses of the protocol for plain requests.
func TestEveryRefusalOverHTTP(t *testing.T) {
	const (
		unknownTransport = `{"code":0,"message":"Transport unknown"}`
		unknownSession   = `{"code":1,"message":"Session ID unknown"}`
		badMethod        = `{"code":2,"message":"Bad handshake method"}`
		badRequest       = `{"code":3,"message":"Bad request"}`
		unsupported      = `{"code":5,"message":"Unsupported protocol version"}`
	)
	f := newFixture(t, &engine.Options{AllowRequest: func(r *http.Request) error {
		switch r.Header.Get("X-Refuse") {
		case "shown":
			return &engine.Refusal{Message: "no way"}
		case "hidden":
			return errors.New("secret of the database")
		}
		return nil
	}, NewID: nil})
	sid, _ := f.open()
	for _, c := range []struct {
		name, method, query string
		header              []string
		status              int
		body                string
		context             map[string]any
	}{
		{"unknown transport", "GET", "EIO=4&transport=abc", nil, 400, unknownTransport, map[string]any{"transport": "abc"}},
		{"missing transport", "GET", "EIO=4", nil, 400, unknownTransport, map[string]any{}},
		{"property of an object as transport", "GET", "EIO=4&transport=constructor", nil, 400, unknownTransport, map[string]any{"transport": "constructor"}},
		{"webtransport", "GET", "EIO=4&transport=webtransport", nil, 400, unknownTransport, map[string]any{"transport": "webtransport"}},
		{"unknown sid", "GET", polling + "&sid=zzz", nil, 400, unknownSession, map[string]any{"sid": "zzz"}},
		{"sid __proto__", "GET", polling + "&sid=__proto__", nil, 400, unknownSession, map[string]any{"sid": "__proto__"}},
		{"sid constructor", "POST", polling + "&sid=constructor", nil, 400, unknownSession, map[string]any{"sid": "constructor"}},
		{"sid toString", "GET", polling + "&sid=toString", nil, 400, unknownSession, map[string]any{"sid": "toString"}},
		{"handshake with POST", "POST", polling, nil, 400, badMethod, map[string]any{"method": "POST"}},
		{"OPTIONS without CORS", "OPTIONS", polling, []string{"Origin", "http://evil"}, 400, badMethod, map[string]any{"method": "OPTIONS"}},
		{"websocket without upgrade", "GET", "EIO=4&transport=websocket", nil, 400, badRequest, map[string]any{"name": "TRANSPORT_HANDSHAKE_ERROR"}},
		{
			"other transport than the session's", "GET", "EIO=4&transport=websocket&sid=" + sid, nil, 400, badRequest,
			map[string]any{"name": "TRANSPORT_MISMATCH", "transport": "websocket", "previousTransport": "polling"},
		},
		{
			"other protocol than the session's", "GET", "EIO=3&transport=polling&sid=" + sid, nil, 400, badRequest,
			map[string]any{"name": "PROTOCOL_MISMATCH", "protocol": 3, "previousProtocol": 4},
		},
		{"EIO=3", "GET", "EIO=3&transport=polling", nil, 400, unsupported, map[string]any{"protocol": 3}},
		{"EIO=abc", "GET", "EIO=abc&transport=polling", nil, 400, unsupported, map[string]any{"protocol": 3}},
		{"EIO missing", "GET", "transport=polling", nil, 400, unsupported, map[string]any{"protocol": 3}},
		{"refused with a reason", "GET", polling, []string{"X-Refuse", "shown"}, 403, `{"code":4,"message":"no way"}`, map[string]any{"message": "no way"}},
		{"refused without", "GET", polling, []string{"X-Refuse", "hidden"}, 403, `{"code":4,"message":"Forbidden"}`, map[string]any{"message": "secret of the database"}},
		{"PUT", "PUT", polling + "&sid=" + sid, nil, 405, "", nil},
		{"DELETE", "DELETE", polling + "&sid=" + sid, nil, 405, "", nil},
		{"PATCH", "PATCH", polling + "&sid=" + sid, nil, 405, "", nil},
		{"TRACE", "TRACE", polling + "&sid=" + sid, nil, 405, "", nil},
		{"upgrade to something else", "GET", "EIO=4&transport=websocket", []string{"Connection", "Upgrade", "Upgrade", "h2c"}, 400, badRequest, map[string]any{"name": "TRANSPORT_HANDSHAKE_ERROR"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := f.request(c.method, c.query, "", c.header...)
			wantAnswer(t, c.name, a, c.status, c.body)
			if c.context == nil {
				return
			}
			if ct := a.header.Get("Content-Type"); ct != "application/json" {
				t.Error("content type", ct)
			}
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Error("header", name)
				}
			}
			if e := next(t, f.refused); !reflect.DeepEqual(e.Context, c.context) || e.Request == nil {
				t.Errorf("context %v, want %v", e.Context, c.context)
			}
		})
	}
	wantAnswer(t, "session is untouched", f.post(sid, "4x"), 200, "ok")
	if got, want := f.srv.Stats().Refused, [6]int64{4, 4, 2, 4, 2, 3}; got != want {
		t.Errorf("refused %v, want %v", got, want)
	}
}

// TestEveryRefusalOfAWebSocket goes through the statuses for upgrade requests.
func TestEveryRefusalOfAWebSocket(t *testing.T) {
	f := newFixture(t, &engine.Options{AllowRequest: func(r *http.Request) error {
		if r.Header.Get("X-Refuse") != "" {
			return &engine.Refusal{Message: "no <way>"}
		}
		return nil
	}})
	plain := upgradeRequest("EIO=4&transport=websocket")
	for _, c := range []struct{ name, request, status, body string }{
		{"unknown transport", upgradeRequest("EIO=4&transport=abc"), "400", "Transport unknown"},
		{"unknown sid", upgradeRequest("EIO=4&transport=websocket&sid=zzz"), "400", "Session ID unknown"},
		{"sid __proto__", upgradeRequest("EIO=4&transport=websocket&sid=__proto__"), "400", "Session ID unknown"},
		{"EIO=3", upgradeRequest("EIO=3&transport=websocket"), "400", "Unsupported protocol version"},
		{"transport polling", upgradeRequest("EIO=4&transport=polling"), "400", "Bad request"},
		{"AllowRequest", upgradeRequest("EIO=4&transport=websocket", "X-Refuse: 1"), "400", "no &lt;way&gt;"},
		{"foreign origin", upgradeRequest("EIO=4&transport=websocket", "Origin: https://evil.example", "Cookie: io=1"), "403", "Forbidden"},
		{"two origins", upgradeRequest("EIO=4&transport=websocket", "Origin: http://x", "Origin: http://x"), "400", "Bad request"},
		{"key is missing", strings.Replace(plain, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 1), "400", "Bad request"},
		{"key of three bytes", strings.Replace(plain, "dGhlIHNhbXBsZSBub25jZQ==", "YWJj", 1), "400", "Bad request"},
		{"version 12", strings.Replace(plain, "Version: 13", "Version: 12", 1), "426", "Bad request"},
		{"POST", strings.Replace(plain, "GET", "POST", 1), "400", "Bad handshake method"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := f.dial()
			r.send(c.request)
			head := r.head()
			body, _ := io.ReadAll(r.r)
			if !strings.HasPrefix(head, "HTTP/1.1 "+c.status+" ") || string(body) != c.body {
				t.Fatalf("got %q %q", head, body)
			}
			for _, line := range []string{"Connection: close\r\n", "Content-Type: text/html\r\n"} {
				if !strings.Contains(head, line) {
					t.Errorf("no %q in %q", line, head)
				}
			}
			next(t, f.refused)
		})
	}
}

func TestResponsesLookAsTheProtocolSays(t *testing.T) {
	f := newFixture(t, &engine.Options{MaxPayload: 1000, Cookie: &http.Cookie{HttpOnly: true, SameSite: http.SameSiteLaxMode}})
	a := f.request("GET", polling, "")
	s := next(t, f.opened)
	sid := s.c.ID()
	if len(sid) != 20 {
		t.Errorf("session ID %q", sid)
	}
	want := `0{"sid":"` + sid + `","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}`
	wantAnswer(t, "handshake", a, 200, want)
	wantHeader(t, a.header, "Content-Type", "text/plain; charset=UTF-8")
	wantHeader(t, a.header, "Cache-Control", "no-store")
	wantHeader(t, a.header, "Set-Cookie", "io="+sid+"; Path=/; HttpOnly; SameSite=Lax")

	a = f.post(sid, "4hello")
	wantAnswer(t, "post", a, 200, "ok")
	wantHeader(t, a.header, "Content-Type", "text/html")
	wantHeader(t, a.header, "Cache-Control", "no-store")
	wantHeader(t, a.header, "Set-Cookie", "")

	_ = s.c.SendMessage(false, []byte("hello"), 0)
	a = f.get(sid)
	wantAnswer(t, "get", a, 200, "4hello")
	wantHeader(t, a.header, "Content-Type", "text/plain; charset=UTF-8")
	wantHeader(t, a.header, "Set-Cookie", "")

	r := f.dial()
	r.send(upgradeRequest("EIO=4&transport=websocket"))
	head := r.head()
	s = next(t, f.opened)
	if !strings.Contains(head, "Set-Cookie: io="+s.c.ID()+"; Path=/; HttpOnly; SameSite=Lax\r\n") {
		t.Errorf("no cookie in %q", head)
	}
	r.wantFrame(1, `0{"sid":"`+s.c.ID()+`","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}`)
}

func wantHeader(t *testing.T, h http.Header, name, want string) {
	t.Helper()
	if got := h.Get(name); got != want {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}

func TestOriginIsCheckedOnEveryTransport(t *testing.T) {
	cors := &engine.CORS{Origins: []string{"https://good.example", "https://*.wild.example:8443", "HTTP://Plain.Example:80"}}
	own := newFixture(t, nil)
	other := newFixture(t, &engine.Options{CORS: cors})
	sidOwn, _ := own.open()
	sidOther, _ := other.open()
	for _, c := range []struct {
		f            *fixture
		origin, host string
		allowed      bool
	}{
		{own, "http://example.com", "example.com", true},
		{own, "https://example.com", "example.com", true},
		{own, "https://example.com", "example.com:443", true},
		{own, "http://example.com:80", "example.com", true},
		{own, "http://EXAMPLE.com:8080", "example.COM:8080", true},
		{own, "http://[::1]:3000", "[::1]:3000", true},
		{own, "http://[::1]", "[::1]", true},
		{own, "http://example.com:8080", "example.com", false},
		{own, "https://example.com:80", "example.com:80", true},
		{own, "http://example.com:443", "example.com", false},
		{own, "https://evil.example", "example.com", false},
		{own, "null", "example.com", false},
		{own, "null", "", false},
		{own, "example.com", "example.com", false},
		{own, "http://example.com/path", "example.com", false},
		{other, "https://good.example", "x", true},
		{other, "https://GOOD.example:443", "x", true},
		{other, "http://plain.example", "x", true},
		{other, "https://good.example.evil.com", "x", false},
		{other, "https://goodXexample", "x", false},
		{other, "https://good.example:444", "x", false},
		{other, "http://good.example", "x", false},
		{other, "https://a.b.wild.example:8443", "x", true},
		{other, "https://wild.example:8443", "x", false},
		{other, "https://.wild.example:8443", "x", false},
		{other, "https://awild.example:8443", "x", false},
		{other, "http://x", "x", true},
	} {
		sid := sidOwn
		if c.f == other {
			sid = sidOther
		}
		status, wsStatus, code := 403, "403", `{"code":4,"message":"Forbidden"}`
		if c.allowed {
			status, wsStatus, code = 200, "101", "ok"
		}
		before := c.f.srv.Stats().Refused[engine.CodeForbidden]
		r := c.f.dial()
		r.send(strings.Replace(upgradeRequest("EIO=4&transport=websocket", "Origin: "+c.origin), "Host: x", "Host: "+c.host, 1))
		if head := r.head(); !strings.HasPrefix(head, "HTTP/1.1 "+wsStatus) {
			t.Errorf("websocket of %q at %q: %q", c.origin, c.host, head)
		}
		if c.host == "" {
			continue // the http package would put one in
		}
		if a := c.f.request("GET", polling, "", "Origin", c.origin, "Host", c.host); a.status != status {
			t.Errorf("handshake of %q at %q: %d", c.origin, c.host, a.status)
		}
		if a := c.f.request("POST", polling+"&sid="+sid, "4x", "Origin", c.origin, "Host", c.host); a.status != status || a.body != code {
			t.Errorf("post of %q at %q: %d %q", c.origin, c.host, a.status, a.body)
		}
		if n := c.f.srv.Stats().Refused[engine.CodeForbidden] - before; n != 0 && c.allowed || n != 3 && !c.allowed {
			t.Errorf("%q at %q: %d were counted", c.origin, c.host, n)
		}
	}
}

func TestBadByteInOriginIsRefused(t *testing.T) {
	f := newFixture(t, nil)
	r := f.dial()
	r.send("GET /engine.io/?" + polling + " HTTP/1.1\r\nHost: x\r\nOrigin: http://a\x01\r\n\r\n")
	if head := r.head(); !strings.HasPrefix(head, "HTTP/1.1 400") {
		t.Errorf("%q", head)
	}
	// Where the HTTP server lets it through:
	req, w := newRequest("GET", polling), newRecorderWriter()
	req.Header["Origin"] = []string{"http://a\x01"}
	f.srv.ServeHTTP(w, req)
	if w.Code != 400 || w.Body.String() != `{"code":3,"message":"Bad request"}` {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if e := next(t, f.refused); e.Context["name"] != "INVALID_ORIGIN" {
		t.Errorf("%v", e.Context)
	}
}

func TestCORSAnswersPreflights(t *testing.T) {
	f := newFixture(t, &engine.Options{CORS: &engine.CORS{
		Origins: []string{"http://a.com"}, Credentials: true, MaxAge: time.Minute, ExposedHeaders: []string{"X-A"},
	}})
	a := f.request("OPTIONS", polling, "", "Origin", "http://a.com", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-foo")
	wantAnswer(t, "preflight", a, 204, "")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "http://a.com", "Vary": "Origin, Access-Control-Request-Headers",
		"Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
		"Access-Control-Allow-Headers": "x-foo", "Access-Control-Max-Age": "60",
	} {
		wantHeader(t, a.header, name, want)
	}
	a = f.request("GET", polling, "", "Origin", "http://a.com")
	wantHeader(t, a.header, "Access-Control-Allow-Origin", "http://a.com")
	wantHeader(t, a.header, "Access-Control-Allow-Credentials", "true")
	wantHeader(t, a.header, "Access-Control-Expose-Headers", "X-A")
	wantHeader(t, a.header, "Vary", "Origin")
	a = f.request("OPTIONS", polling, "", "Origin", "http://b.com", "Access-Control-Request-Method", "POST")
	if a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("foreign preflight: %d %v", a.status, a.header)
	}

	any := newFixture(t, &engine.Options{CORS: &engine.CORS{Origins: []string{"*"}}})
	a = any.request("GET", polling, "", "Origin", "http://b.com")
	wantHeader(t, a.header, "Access-Control-Allow-Origin", "*")

	byFunc := newFixture(t, &engine.Options{CORS: &engine.CORS{AllowOrigin: func(_ *http.Request, o string) bool { return o == "null" }}})
	if a = byFunc.request("GET", polling, "", "Origin", "null"); a.status != 200 {
		t.Errorf("AllowOrigin: %d", a.status)
	}
	wantHeader(t, a.header, "Access-Control-Allow-Origin", "null")
}
