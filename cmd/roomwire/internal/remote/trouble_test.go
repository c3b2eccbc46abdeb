package remote_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/remote"
	"github.com/roomwire/roomwire/sio"
)

// open tries to connect and returns what is said about that.
func open(t *testing.T, url string, change func(f *remote.Flags)) string {
	t.Helper()
	f := remote.Flags{Timeout: 200 * time.Millisecond, Transport: "auto"}
	if change != nil {
		change(&f)
	}
	target, err := f.Target(url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := target.Open(t.Context(), target.Options(), target.Names(nil), nil)
	if err == nil {
		_ = c.Close()
		return "connected"
	}
	return err.Error()
}

func serving(t *testing.T, h http.Handler) string {
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL
}

func expectAll(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%q is not said:\n%s", w, got)
		}
	}
}

func TestServerThatDoesNotAnswerJoiningIsNotTakenForOneThatIsAway(t *testing.T) {
	srv := sio.NewServer(nil)
	defer srv.Close()
	srv.Of("/").Use(func(ctx context.Context, _ *sio.Socket) error { <-ctx.Done(); return ctx.Err() })
	expectAll(t, open(t, serving(t, srv), nil), "did not answer joining namespace /", "though the connection stands")
}

func TestRedirectIsSaidToBeOne(t *testing.T) {
	got := open(t, serving(t, http.RedirectHandler("https://elsewhere.example/x", http.StatusFound)), nil)
	expectAll(t, got, "a redirect", "https://elsewhere.example")
}

func TestPathThatMayBeWrongIsNamed(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	expectAll(t, open(t, serving(t, http.HandlerFunc(silent)), func(f *remote.Flags) { f.Path = "/wrong" }), "none within", "without --path")
}

func TestOtherTransportIsAdvised(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"code":0,"message":"Transport unknown"}`))
	}
	url := serving(t, http.HandlerFunc(refuse))
	expectAll(t, open(t, url, nil), "--transport websocket: the server does not offer polling")
	expectAll(t, open(t, url, func(f *remote.Flags) { f.Transport = "websocket" }), "--transport polling: the server does not offer websocket")
}

func TestTLSIsAdvisedWhenTheConnectionIsDropped(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1000))
			_ = c.Close()
		}
	}()
	expectAll(t, open(t, "http://"+l.Addr().String(), nil), "https:// in place of http://")
	_ = l.Close()
	<-done
}

func TestWebSiteIsNoWebSocketServer(t *testing.T) {
	got := open(t, serving(t, http.NotFoundHandler()), func(f *remote.Flags) { f.Transport = "websocket" })
	expectAll(t, got, "404 Not Found")
	got = open(t, serving(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), func(f *remote.Flags) { f.Transport = "websocket" })
	if strings.Contains(got, "ws: dial") {
		t.Error(got)
	}
	expectAll(t, got, "200 OK, but no WebSocket")
}
