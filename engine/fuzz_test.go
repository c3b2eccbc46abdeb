package engine_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/engine"
)

// A witness keeps what one session is told.
type witness struct {
	conn   *engine.Conn
	heard  []string
	closed chan error
}

func (w *witness) Open(c *engine.Conn) engine.Session {
	w.conn = c
	return w
}

func (w *witness) Message(binary bool, data []byte) error {
	kind := "text "
	if binary {
		kind = "binary "
	}
	w.heard = append(w.heard, kind+string(data))
	return nil
}

func (w *witness) Closed(why error) { w.closed <- why }

// posts sends bodies, one after the other, to a new session and returns what it was told.
func posts(t *testing.T, bodies []string) (heard []string, ended bool) {
	t.Helper()
	w := &witness{closed: make(chan error, 1)}
	srv := engine.NewServer(w, &engine.Options{MaxPayload: 1 << 16})
	defer srv.Close()
	if got := from(srv, "192.0.2.1:1"); got != 200 {
		t.Fatalf("handshake: %d", got)
	}
	target := "/engine.io/?" + polling + "&sid=" + w.conn.ID()
	for _, b := range bodies {
		r := httptest.NewRequest("POST", target, strings.NewReader(b))
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, r)
		switch rec.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("%.100q was answered with %d", b, rec.Code)
		}
	}
	select {
	case <-w.closed:
		return w.heard, true
	default: // the request that ends a session tells it
		return w.heard, false
	}
}

// A payload means the same whether its packets come in one body or in many.
func FuzzPayload(f *testing.F) {
	for _, s := range []string{
		"4hello", "4a\x1e4b\x1ebAQID\x1e4c", "", "\x1e", "4\x1e\x1e4", "b", "b***", "bAAA", "bQQ==\x1ebQR==", "1", "4x\x1e1\x1e4y", "2", "2probe", "3", "5", "6\x1e6", "0", "7", "4\xff", "abc", "b\nAAAA",
		strings.Repeat("4\x1e", 500), "4größer\x1e4\U0001f600",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		whole, ended := posts(t, []string{body})
		bytes := 0
		for _, h := range whole {
			bytes += len(h)
		}
		if bytes > 8*len(body)+8 {
			t.Errorf("%d bytes were told of %d", bytes, len(body))
		}
		if strings.ContainsRune(body, '�') || len(body) > 1<<15 || !valid(body) {
			return // what is not UTF-8 is refused as a whole
		}
		each, endedEach := posts(t, strings.Split(body, "\x1e"))
		if !slices.Equal(whole, each) {
			t.Errorf("in one body %q, in many %q", whole, each)
		}
		if ended && !endedEach {
			t.Errorf("%q ends the session in one body only", body)
		}
	})
}

func valid(s string) bool { return strings.ToValidUTF8(s, "") == s }

// Whatever a query says, the first values count, as in net/url.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"EIO=4&transport=polling", "transport=websocket&EIO=4&sid=abc", "EIO=4&EIO=3", "sid=%41%zz", "a;b&EIO=4", "EIO", "=&=&sid=", "sid=a+b&t=x", "transport=%70olling", "&&EIO=4", "EIO=%", "sid=&sid=x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		protocol, transport, sid := engine.ParseQuery(raw)
		for name, got := range map[string]string{"EIO": protocol, "transport": transport, "sid": sid} {
			if strings.ContainsAny(raw, ";%+") {
				continue // net/url drops what is malformed; here it is taken as it is
			}
			values, err := url.ParseQuery(raw)
			if err != nil {
				continue
			}
			want := ""
			for _, v := range values[name] {
				if want = v; v != "" {
					break
				}
			}
			if got != want {
				t.Errorf("%s of %q is %q, want %q", name, raw, got, want)
			}
		}
	})
}

// A handshake is served or refused in the words of the protocol, and never
// served to a foreign origin.
func FuzzHandshake(f *testing.F) {
	for _, s := range [][5]string{
		{"GET", "EIO=4&transport=polling", "", "", ""},
		{"GET", "EIO=4&transport=websocket", "websocket", "dGhlIHNhbXBsZSBub25jZQ==", ""},
		{"POST", "EIO=4&transport=polling&sid=x", "", "", "http://example.com"},
		{"OPTIONS", "", "", "", "https://evil.example"},
		{"GET", "EIO=4&transport=polling", "", "", "http://example.com:80"},
		{"GET", "EIO=4&transport=polling", "h2c", "", "null"},
		{"GET", "EIO=4&transport=polling", "", "", "http://example.com@evil"},
		{"PUT", "EIO=3&transport=polling", "", "", "HTTP://EXAMPLE.com"},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	f.Fuzz(func(t *testing.T, method, query, upgrade, key, origin string) {
		for _, c := range method {
			if c < 'A' || c > 'Z' {
				return // net/http lets no other through
			}
		}
		if method == "" || method == "CONNECT" {
			return
		}
		srv := engine.NewServer(deaf{}, nil)
		defer srv.Close()
		r := httptest.NewRequest(method, "/engine.io/", http.NoBody)
		r.Body = io.NopCloser(strings.NewReader("4x"))
		r.URL.RawQuery = query
		if upgrade != "" {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", upgrade)
			r.Header.Set("Sec-WebSocket-Version", "13")
			r.Header.Set("Sec-WebSocket-Key", key)
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		switch w.Code {
		case 200:
			u, err := url.Parse(origin)
			if origin != "" && (err != nil || !strings.EqualFold(u.Hostname(), "example.com")) {
				t.Errorf("origin %q was served", origin)
			}
			if !strings.HasPrefix(w.Body.String(), `0{"sid":"`) {
				t.Errorf("200 %q", w.Body)
			}
		case 400, 403, 405, 426, 500:
			if w.Code == 500 && upgrade == "" { // a recorder cannot be hijacked
				t.Errorf("500 %q", w.Body)
			}
			if srv.Len() != 0 {
				t.Errorf("%d and a session", w.Code)
			}
		default:
			t.Errorf("status %d %q", w.Code, w.Body)
		}
	})
}
