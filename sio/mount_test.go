package sio_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
)

// A server is an http.Handler like any other: wherever it is mounted, clients
// of every transport reach it.
func TestServerWorksWhereverItIsMounted(t *testing.T) {
	plain := func(h http.Handler) *httptest.Server { return httptest.NewServer(h) }
	for _, c := range []struct {
		name, path string
		start      func(h http.Handler) *httptest.Server
		proto      string   // of polling
		only       []string // transports; nil: all
	}{
		{"alone", "/socket.io/", plain, "HTTP/1.1", nil},
		{"on a mux, deeper", "/api/v1/live/", func(h http.Handler) *httptest.Server {
			mux := http.NewServeMux()
			mux.Handle("/api/v1/live/", h)
			return plain(mux)
		}, "HTTP/1.1", nil},
		{"below a wildcard", "/of/anybody/live/", func(h http.Handler) *httptest.Server {
			mux := http.NewServeMux()
			mux.Handle("/of/{who}/live/", h)
			return plain(mux)
		}, "HTTP/1.1", nil},
		{"with its prefix cut off", "/app/socket.io/", func(h http.Handler) *httptest.Server {
			return plain(http.StripPrefix("/app/socket.io", h))
		}, "HTTP/1.1", nil},
		{"with everything cut off", "/app/", func(h http.Handler) *httptest.Server {
			return plain(http.StripPrefix("/app/", h))
		}, "HTTP/1.1", nil},
		{"behind a wrapped ResponseWriter", "/socket.io/", func(h http.Handler) *httptest.Server {
			return plain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrapped{w}, r) }))
		}, "HTTP/1.1", nil},
		{"behind a reverse proxy", "/socket.io/", func(h http.Handler) *httptest.Server {
			behind := plain(h)
			t.Cleanup(behind.Close)
			u, _ := url.Parse(behind.URL)
			return plain(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u); r.SetXForwarded() }})
		}, "HTTP/1.1", nil},
		{"with TLS", "/socket.io/", httptest.NewTLSServer, "HTTP/1.1", nil},
		{"with TLS and HTTP/2", "/socket.io/", func(h http.Handler) *httptest.Server {
			s := httptest.NewUnstartedServer(h)
			s.EnableHTTP2 = true
			s.StartTLS()
			return s
		}, "HTTP/2.0", []string{"polling"}},
		{"with HTTP/2 without TLS", "/socket.io/", func(h http.Handler) *httptest.Server {
			s := httptest.NewUnstartedServer(h)
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetHTTP1(true)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
			tr := s.Client().Transport.(*http.Transport)
			tr.Protocols = new(http.Protocols)
			tr.Protocols.SetUnencryptedHTTP2(true)
			return s
		}, "HTTP/2.0", []string{"polling"}},
	} {
		for _, transport := range []string{"polling", "websocket", ""} {
			if c.only != nil && c.only[0] != transport {
				continue
			}
			t.Run(c.name+"/"+transport, func(t *testing.T) {
				srv := sio.NewServer(&sio.Options{Logger: slog.New(slog.DiscardHandler)})
				opened := make(chan *http.Request, 1)
				srv.Of("/").OnConnect(func(_ context.Context, s *sio.Socket) error {
					opened <- s.Request()
					return nil
				})
				sio.OnCall(srv.Of("/"), "echo", func(_ context.Context, _ *sio.Socket, b []byte) ([]byte, error) { return b, nil })
				web := c.start(srv)
				defer web.Close()
				defer srv.Close()
				o := engine.DialOptions{HTTPClient: web.Client()}
				if transport != "" {
					o.Transports = []string{transport}
				}
				cl := client.New(web.URL+c.path, &client.Options{Engine: o})
				defer cl.Close()
				s := cl.Of("/")
				if err := s.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				want := strings.Repeat("binary ", 10_000)
				got, err := client.Call[[]byte](t.Context(), s, "echo", []byte(want))
				if string(got) != want || err != nil {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				r := receive(t, opened)
				if transport == "polling" && r.Proto != c.proto || !strings.HasPrefix(r.RequestURI, c.path+"?") {
					t.Errorf("opened by %s %s", r.Proto, r.RequestURI)
				}
				resp, err := web.Client().Get(web.URL + c.path + "socket.io.js")
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if sio.ClientVersion() != "" && resp.StatusCode != http.StatusOK {
					t.Errorf("browser client: status %d", resp.StatusCode)
				}
			})
		}
	}
}

// wrapped is what routers and middleware make of a ResponseWriter.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }
