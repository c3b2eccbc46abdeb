package queueapi_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/queueapi"
	"github.com/roomwire/roomwire/queue"
)

func open(t *testing.T) (*queue.Store, *queueapi.Server) {
	t.Helper()
	store, err := queue.Open(queue.Memory(), &queue.Options{Janitor: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store, queueapi.NewServer(&queueapi.Ops{Store: store})
}

// A forgery changes a request that would be answered.
type forgery struct {
	name   string
	change func(r *http.Request)
	status int
}

func TestServerAnswersOnlyProgramsOfThisMachineThatKnowTheToken(t *testing.T) {
	_, s := open(t)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, f := range []forgery{
		{"as it should be", func(*http.Request) {}, 200},
		{"by address", func(r *http.Request) { r.Host = "127.0.0.1:3000" }, 200},
		{"by IPv6 address", func(r *http.Request) { r.Host, r.RemoteAddr = "[::1]:3000", "[::1]:999" }, 200},
		{"a name that was made to point here", func(r *http.Request) { r.Host = "evil.example:3000" }, 403},
		{"a name that only begins well", func(r *http.Request) { r.Host = "localhost.evil.example" }, 403},
		{"no host", func(r *http.Request) { r.Host = "" }, 403},
		{"a page of another origin", header("Origin", "https://evil.example"), 403},
		{"a page of this origin", header("Origin", "http://localhost:3000"), 403},
		{"a page without an origin", header("Origin", "null"), 403},
		{"a form of another site", header("Sec-Fetch-Site", "cross-site"), 403},
		{"from another machine", func(r *http.Request) { r.RemoteAddr = "192.0.2.7:999" }, 403},
		{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"wrong token", header("Authorization", "Bearer nonsense"), 401},
		{"empty token", header("Authorization", "Bearer "), 401},
		{"token of another scheme", header("Authorization", "Basic "+s.Token()), 401},
		{"GET", func(r *http.Request) { r.Method = "GET" }, 405},
		{"text", header("Content-Type", "text/plain"), 415},
		{"a form", header("Content-Type", "application/x-www-form-urlencoded"), 415},
	} {
		if got := ask(s, "ls", `{}`, f.change); got.Code != f.status {
			t.Errorf("%s: status %d, want %d: %s", f.name, got.Code, f.status, got.Body)
		}
	}
}

// ask sends a request as a program on this machine does, changed by change.
func ask(s *queueapi.Server, operation, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", queueapi.Path+operation, strings.NewReader(body))
	r.Host, r.RemoteAddr = "localhost:3000", "127.0.0.1:999"
	r.Header.Set("Authorization", "Bearer "+s.Token())
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestServerRefusesWhatIsTooMuchOrMakesNoSense(t *testing.T) {
	_, s := open(t)
	for _, c := range []struct {
		operation, body string
		status          int
	}{
		{"publish", `{"name":"work:a","data":"` + strings.Repeat("x", 5<<20) + `"}`, 413},
		{"publish", `{"name":"work:a","data":"` + strings.Repeat("QUFB", 400_000) + `"}`, 413}, // over a job's limit
		{"publish", strings.Repeat("[", 100_000), 400},
		{"publish", `{"name":"work:` + strings.Repeat("n", 1000) + `"}`, 413},
		{"publish", `{"name":"work:a","priority":99}`, 400},
		{"publish", `{"name":"log:/","data":"QQ=="}`, 400},
		{"publish", `{"name":"mailbox:a"}`, 400},
		{"publish", `{"name":"mailbox:"}`, 400},
		{"take", `{"name":"work:nothing","max":1,"lease":1}`, 404},
		{"take", `{"name":"work:nothing","max":1000000}`, 400},
		{"peek", `{"name":"log:/nothing"}`, 404},
		{"purge", `{"name":"work:a"}`, 400},
		{"ls", `{"unknown":1}`, 400},
		{"ls", ``, 400},
		{"ls", `null`, 200},
		{"nonsense", `{}`, 404},
		{"../ls", `{}`, 404},
		{"", `{}`, 404},
	} {
		got := ask(s, c.operation, c.body, nil)
		var answer struct{ Error string }
		if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil {
			t.Errorf("%s %.40s: no JSON: %v", c.operation, c.body, err)
		}
		if got.Code != c.status || (c.status != 200) != (answer.Error != "") {
			t.Errorf("%s %.40s: status %d, want %d: %.200s", c.operation, c.body, got.Code, c.status, got.Body)
		}
	}
}

func TestWhatWasRefusedIsNotMade(t *testing.T) {
	store, s := open(t)
	ask(s, "peek", `{"name":"log:/nothing"}`, nil)
	ask(s, "take", `{"name":"work:nothing","max":1,"lease":1}`, nil)
	ask(s, "pending", `{"name":"work:nothing"}`, nil)
	for _, kind := range []queue.Kind{queue.KindLog, queue.KindMailboxes, queue.KindWork} {
		for name, err := range store.List(t.Context(), kind) {
			t.Errorf("%v %q was made (%v)", kind, name, err)
		}
	}
}

func TestRemoteAndLocalAnswerTheSame(t *testing.T) {
	store, s := open(t)
	hs := httptest.NewServer(s)
	defer hs.Close()
	remote := queueapi.Remote{URL: hs.URL, Token: s.Token()}
	local := queueapi.Local{Ops: &queueapi.Ops{Store: store}, Closer: store}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var p queueapi.Published
	for _, data := range []string{`{"a":[1,2]}`, "text", "\xff\x00"} {
		if err := remote.Do(ctx, "publish", queueapi.Publish{Ref: queueapi.Ref{Name: "mailbox:bob", Set: "/"}, Data: []byte(data)}, &p); err != nil {
			t.Fatal(err)
		}
	}
	var a, b queueapi.Messages
	for _, do := range []struct {
		b   queueapi.Backend
		out *queueapi.Messages
	}{{remote, &a}, {local, &b}} {
		if err := do.b.Do(ctx, "peek", queueapi.Peek{Ref: queueapi.Ref{Name: "bob"}}, do.out); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.Messages) != 3 || len(b.Messages) != 3 {
		t.Fatalf("%d and %d messages, want 3", len(a.Messages), len(b.Messages))
	}
	for i, want := range []string{`{"a":[1,2]}`, `"text"`, `{"base64":"/wA="}`} {
		if got := string(a.Messages[i].Data); got != want || got != string(b.Messages[i].Data) {
			t.Errorf("got %s and %s, want %s", got, b.Messages[i].Data, want)
		}
	}
	err1 := remote.Do(ctx, "peek", queueapi.Peek{Ref: queueapi.Ref{Name: "nobody"}}, &a)
	err2 := local.Do(ctx, "peek", queueapi.Peek{Ref: queueapi.Ref{Name: "nobody"}}, &b)
	if err1 == nil || err2 == nil || err1.Error() != err2.Error() {
		t.Errorf("got %v and %v", err1, err2)
	}
	remote.Token = "wrong"
	if err := remote.Do(ctx, "ls", queueapi.None{}, &a); err != queueapi.ErrUnauthorized {
		t.Errorf("got %v", err)
	}
}

func TestAnnouncementIsForItsUserAlone(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "roomwire-server.json")
	if err := os.WriteFile(name, []byte("old"), 0o666); err != nil { // left by a crash
		t.Fatal(err)
	}
	withdraw, err := queueapi.Announce(dir, "http://127.0.0.1:3000", "secret")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if r, err := queueapi.Announced(dir); err != nil || r.Token != "secret" || r.URL != "http://127.0.0.1:3000" {
		t.Errorf("got %+v, %v", r, err)
	}
	withdraw()
	if _, err := queueapi.Announced(dir); err == nil {
		t.Error("still announced")
	}
}
