package sio_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
	"github.com/roomwire/roomwire/siotest"
)

func TestShutdownLetsHandlersFinish(t *testing.T) {
	srv := sio.NewServer(&sio.Options{Logger: slog.New(slog.DiscardHandler)})
	log := make(chan string, 10)
	started, release := make(chan bool), make(chan bool)
	sio.On(srv.Of("/"), "slow", func(context.Context, *sio.Socket, struct{}) error {
		close(started)
		<-release
		log <- "handled"
		return nil
	})
	srv.Of("/").OnDisconnect(func(_ context.Context, _ *sio.Socket, why sio.Reason) { log <- string(why) })
	s := siotest.Connect(t, srv, "/")
	if err := s.Emit(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	receive(t, started)

	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := srv.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown did not wait for the handler: %v", err)
	}
	close(release)
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"handled", "server shutting down"} {
		if got := receive(t, log); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestConnectionThatJoinsNothingIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := sio.NewServer(nil)
		defer srv.Close()
		ln := siotest.Listen()
		hs := &http.Server{Handler: srv}
		go func() { _ = hs.Serve(ln) }()
		defer hs.Close()
		closed := make(chan error, 1)
		tr := &http.Transport{DialContext: ln.Dial}
		c, err := engine.Dial(t.Context(), "http://x/socket.io/", func(*engine.ClientConn) engine.Session { return dialled{closed} }, &engine.DialOptions{HTTPClient: &http.Client{Transport: tr}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-closed
		if took := time.Since(start); took < 44*time.Second || took > 47*time.Second {
			t.Errorf("closed after %v, want 45 s", took)
		}
		if n := srv.Stats().ConnectTimeouts; n != 1 {
			t.Errorf("%d timeouts counted", n)
		}
		c.Close(nil)
		tr.CloseIdleConnections()
	})
}

func TestCatchAllHooksSeeWhatIsSent(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	seen := make(chan string, 20)
	ns.OnAnyOutgoing(func(s *sio.Socket, event string, args sio.Payload) { seen <- event + string(args.Data) })
	sio.On(ns, "go", func(ctx context.Context, s *sio.Socket, _ struct{}) error {
		off := s.OnAnyOutgoing(func(event string, args sio.Payload) { seen <- "socket " + event })
		defer off()
		return s.Emit(ctx, "one", 1)
	})
	p := w.connect()
	p.send(`421["go"]`)
	p.expect(`42["one",1]`, `431[]`)
	if err := ns.Emit(t.Context(), "all", 2, "x"); err != nil {
		t.Fatal(err)
	}
	p.expect(`42["all",2,"x"]`)
	for _, want := range []string{"socket one", "one[1]", `all[2,"x"]`} {
		if got := receive(t, seen); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestHandshakeTellsHowASocketCame(t *testing.T) {
	w := serve(t, nil)
	got := make(chan sio.Handshake, 1)
	w.srv.Of("/").OnConnect(func(_ context.Context, s *sio.Socket) error { got <- s.Handshake(); return nil })
	w.url += "&token=a&x=1&x=2"
	w.connect()
	h := receive(t, got)
	if h.Query.Get("token") != "a" || h.XDomain || h.Secure || h.Address != "127.0.0.1" || h.Headers.Get("Upgrade") == "" {
		t.Errorf("got %+v", h)
	}
	b, err := h.MarshalJSON()
	for _, part := range []string{
		`"query":{"EIO":"4","token":"a","transport":"websocket","x":["1","2"]}`, `"address":"127.0.0.1"`,
		`"host":"127.0.0.1:`, `"url":"/socket.io/?EIO=4`,
	} {
		if err != nil || !strings.Contains(string(b), part) {
			t.Errorf("no %s in %s, %v", part, b, err)
		}
	}
}

func TestBundleRouteSaysWhatToDoWithoutBundles(t *testing.T) {
	w := serve(t, nil)
	url := "http" + strings.TrimPrefix(w.url[:strings.Index(w.url, "?")], "ws")
	resp, err := http.Get(url + "socket.io.js")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if sio.ClientVersion() == "" {
		if resp.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "make client-dist") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		return
	}
	etag := `"` + sio.ClientVersion() + `"`
	if resp.StatusCode != 200 || resp.Header.Get("ETag") != etag || len(body) < 10_000 ||
		resp.Header.Get("Content-Type") != "application/javascript; charset=utf-8" {
		t.Errorf("%d %v, %d bytes", resp.StatusCode, resp.Header, len(body))
	}
	req, _ := http.NewRequest("GET", url+"socket.io.min.js.map", nil)
	req.Header.Set("If-None-Match", "W/"+etag)
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotModified {
		t.Errorf("status %d, want 304", resp.StatusCode)
	}
}

// dialled is the handler of a connection that only waits for its end.
type dialled struct{ closed chan error }

func (d dialled) Message(bool, []byte) error { return nil }
func (d dialled) Closed(why error)           { d.closed <- why }
