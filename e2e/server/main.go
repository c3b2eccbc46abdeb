// Server offers what conformance/server does not, for the end-to-end tests:
// guards, disconnects by the server, broadcasts with acknowledgements, headers
// and cookies. The events are listed in ../node-server.mjs, which offers the
// same with the official server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
)

// flags are the command line, with the names of conformance/server.
type flags struct {
	addr, cors                                             string
	pingInterval, pingTimeout, connectTimeout, upgradeTime time.Duration
	maxPayload                                             int
	deflate, recovery, cookie                              bool
}

func parseFlags() flags {
	var f flags
	flag.StringVar(&f.addr, "addr", "127.0.0.1:3000", "address to listen on")
	flag.StringVar(&f.cors, "cors", "", "allowed origin; empty: none, *: any")
	flag.DurationVar(&f.pingInterval, "ping-interval", 25*time.Second, "time between heartbeats")
	flag.DurationVar(&f.pingTimeout, "ping-timeout", 20*time.Second, "time to answer a heartbeat")
	flag.DurationVar(&f.connectTimeout, "connect-timeout", 45*time.Second, "time to join a namespace")
	flag.DurationVar(&f.upgradeTime, "upgrade-timeout", 10*time.Second, "time to finish an upgrade")
	flag.IntVar(&f.maxPayload, "max-payload", 1e6, "bytes of one message")
	flag.BoolVar(&f.deflate, "deflate", false, "compress WebSocket messages")
	flag.BoolVar(&f.recovery, "recovery", false, "connection state recovery")
	flag.BoolVar(&f.cookie, "cookie", false, "send the session ID as a cookie")
	flag.Parse()
	return f
}

func main() {
	if err := run(parseFlags()); err != nil {
		log.Fatal(err)
	}
}

func run(f flags) error {
	srv := sio.NewServer(&sio.Options{
		Engine:         f.engine(),
		ConnectTimeout: f.connectTimeout,
		Recovery:       f.sessions(),
	})
	fx := &fixture{srv: srv}
	fx.attach(srv.Of("/"))
	fx.attach(guarded(srv))
	fx.attach(tenants(srv))

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	// Before the line that says "ready", as whoever reads it may end us at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ln, err := net.Listen("tcp", f.addr)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s pid %d\n", ln.Addr(), os.Getpid())

	failed := make(chan error, 1)
	go func() { failed <- sio.Serve(hs, ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(srv.Shutdown(grace), hs.Shutdown(grace))
}

func (f flags) engine() engine.Options {
	o := engine.Options{
		PingInterval: f.pingInterval, PingTimeout: f.pingTimeout, UpgradeTimeout: f.upgradeTime,
		MaxPayload: f.maxPayload,
		AllowRequest: func(r *http.Request) error {
			if r.URL.Query().Has("refuse") {
				return &engine.Refusal{Message: "refused by hook"}
			}
			return nil
		},
		Hooks: engine.Hooks{
			InitialHeaders: func(h http.Header, _ *http.Request) { h.Set("X-First", "yes") },
			Headers:        func(h http.Header, _ *http.Request) { h.Set("X-Every", "yes") },
		},
	}
	if f.deflate {
		o.Compression = &engine.Compression{}
	}
	if f.cors != "" {
		o.CORS = &engine.CORS{Origins: []string{f.cors}}
	}
	if f.cookie {
		o.Cookie = &http.Cookie{HttpOnly: true, SameSite: http.SameSiteLaxMode}
	}
	return o
}

func (f flags) sessions() *sio.Recovery {
	if !f.recovery {
		return nil
	}
	return &sio.Recovery{SkipMiddleware: true} // as in Node.js
}

// guarded is the namespace that asks for a token.
func guarded(srv *sio.Server) *sio.Namespace {
	ns := srv.Of("/guarded")
	ns.Use(func(ctx context.Context, s *sio.Socket) error {
		var auth struct{ Token string }
		if err := s.Auth(&auth); err != nil {
			return err
		}
		switch auth.Token {
		case "secret":
		case "boom":
			return errors.New("the database is down")
		default:
			return &sio.Error{Message: "not authorized", Data: map[string]any{"code": 401, "need": "token"}}
		}
		if err := s.Join(ctx, "guests"); err != nil {
			return err
		}
		return s.Emit(ctx, "early", "before connect")
	})
	return ns
}

// tenants are the namespaces that exist for those who know their key.
func tenants(srv *sio.Server) *sio.Namespace {
	return srv.OfFunc(func(_ context.Context, s *sio.Socket, name string) bool {
		var auth struct{ Key string }
		key, ok := strings.CutPrefix(name, "/tenant-")
		return s.Auth(&auth) == nil && ok && auth.Key == key
	})
}
