package remote_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/remote"
)

func TestURLsAreReadAsPeopleTypeThem(t *testing.T) {
	for raw, want := range map[string][2]string{
		"localhost:3000":                     {"http://localhost:3000/socket.io/", "/"},
		":3000":                              {"http://localhost:3000/socket.io/", "/"},
		"wss://example.com":                  {"https://example.com/socket.io/", "/"},
		"ws://example.com/":                  {"http://example.com/socket.io/", "/"},
		"https://example.com/admin":          {"https://example.com/socket.io/", "/admin"},
		"https://example.com/socket.io/":     {"https://example.com/socket.io/", "/"},
		"https://example.com/app/socket.io":  {"https://example.com/app/socket.io/", "/"},
		"https://user:pw@example.com/tenant": {"https://example.com/socket.io/", "/tenant"},
		"http://[::1]:80/a/b/":               {"http://[::1]:80/socket.io/", "/a/b"},
	} {
		f := remote.Flags{Timeout: time.Second, Transport: "auto"}
		target, err := f.Target(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if target.URL() != want[0] || target.Namespace != want[1] {
			t.Errorf("%s is %s, namespace %s; want %s, namespace %s", raw, target.URL(), target.Namespace, want[0], want[1])
		}
		if user := target.Header.Get("Authorization"); strings.Contains(raw, "@") != (user == "Basic dXNlcjpwdw==") {
			t.Errorf("%s sends Authorization %q", raw, user)
		}
	}
}

func TestFlagsGoWhereTheyBelong(t *testing.T) {
	f := remote.Flags{
		Path: "app/rt", Bearer: "abc", Header: []string{"X-A: 1", "X-A:2"}, Query: []string{"a=1=2"},
		Auth: `{"token":"t"}`, Transport: "websocket", Timeout: time.Second,
	}
	target, err := f.Target("http://host/?b=3")
	if err != nil {
		t.Fatal(err)
	}
	o := target.Options()
	if target.URL() != "http://host/app/rt/" || o.Engine.Query.Encode() != "a=1%3D2&b=3" {
		t.Errorf("it goes to %s?%s", target.URL(), o.Engine.Query.Encode())
	}
	if h := o.Engine.Header; h.Get("Authorization") != "Bearer abc" || strings.Join(h["X-A"], " ") != "1 2" {
		t.Errorf("headers are %v", h)
	}
	if len(o.Engine.Transports) != 1 || o.Engine.Transports[0] != "websocket" || string(o.Auth.(json.RawMessage)) != f.Auth {
		t.Errorf("transports are %v, auth %v", o.Engine.Transports, o.Auth)
	}
}

func TestArgumentsAreJSONOrStrings(t *testing.T) {
	for word, want := range map[string]any{
		"1": json.RawMessage("1"), "1.0": json.RawMessage("1.0"), "true": json.RawMessage("true"),
		`{"a":1}`: json.RawMessage(`{"a":1}`), `"1"`: json.RawMessage(`"1"`),
		"hello": "hello", "": "", "{": "{", "two words": "two words", "NaN": "NaN",
	} {
		got := remote.Arg(word)
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if string(g) != string(w) {
			t.Errorf("%q is %s, want %s", word, g, w)
		}
	}
}
