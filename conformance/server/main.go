// Server is the fixture that the conformance suites, the end-to-end tests and
// the benchmarks talk to: an Engine.IO echo on /engine.io/ and a Socket.IO
// server with a handler for each behaviour on /socket.io/.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // on the debug listener
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
)

// flags are the command line.
type flags struct {
	addr, debug                                            string
	pingInterval, pingTimeout, connectTimeout, upgradeTime time.Duration
	headerTimeout                                          time.Duration
	maxPayload, readers                                    int
	noIOUring, deflate, recovery, suite, verbose           bool
	cors                                                   string
	durable                                                durableFlags
}

func parseFlags() flags {
	var f flags
	flag.StringVar(&f.addr, "addr", "127.0.0.1:3000", "address to listen on")
	flag.StringVar(&f.debug, "debug", "127.0.0.1:6060", "address of pprof, /__gc and /__stats; empty: none")
	flag.DurationVar(&f.pingInterval, "ping-interval", 25*time.Second, "time between heartbeats")
	flag.DurationVar(&f.pingTimeout, "ping-timeout", 20*time.Second, "time to answer a heartbeat")
	flag.DurationVar(&f.connectTimeout, "connect-timeout", 45*time.Second, "time to join a namespace")
	flag.DurationVar(&f.upgradeTime, "upgrade-timeout", 10*time.Second, "time to finish an upgrade")
	flag.DurationVar(&f.headerTimeout, "header-timeout", 10*time.Second, "time to send the header of a request")
	flag.IntVar(&f.maxPayload, "max-payload", 1e6, "bytes of one message")
	flag.IntVar(&f.readers, "readers", 0, "WebSockets with a goroutine each; negative: none")
	flag.BoolVar(&f.noIOUring, "no-io-uring", false, "write broadcasts to one connection after the other")
	flag.BoolVar(&f.deflate, "deflate", false, "compress WebSocket messages")
	flag.BoolVar(&f.recovery, "recovery", false, "connection state recovery")
	flag.BoolVar(&f.durable.on, "durable", false, "recovery and queues in a store, in memory: namespace /durable")
	flag.IntVar(&f.durable.sessions, "sessions", 0, "sessions of lost connections that -durable keeps; default those of sio")
	flag.IntVar(&f.durable.sessionBytes, "session-bytes", 0, "their bytes")
	flag.DurationVar(&f.durable.sessionLifetime, "session-age", 0, "how long each is kept")
	flag.StringVar(&f.cors, "cors", "", "allowed origin; empty: none, *: any")
	flag.BoolVar(&f.suite, "suite", false, "settings of the official protocol suites")
	flag.BoolVar(&f.verbose, "v", false, "log at debug level")
	flag.Parse()
	if f.suite {
		f.pingInterval, f.pingTimeout, f.connectTimeout = 300*time.Millisecond, 200*time.Millisecond, time.Second
		f.cors, f.recovery = "*", false
	}
	return f
}

func main() {
	f := parseFlags()
	if f.verbose {
		slog.SetLogLoggerLevel(slog.LevelDebug)
	}
	if err := run(f); err != nil {
		log.Fatal(err)
	}
}

func run(f flags) error {
	opts := engine.Options{
		PingInterval: f.pingInterval, PingTimeout: f.pingTimeout, UpgradeTimeout: f.upgradeTime,
		MaxPayload: f.maxPayload, Readers: f.readers, NoIOUring: f.noIOUring,
	}
	if f.deflate {
		opts.Compression = &engine.Compression{}
	}
	if f.cors != "" {
		opts.CORS = &engine.CORS{Origins: []string{f.cors}, Credentials: f.cors != "*"}
	}
	eio := engine.NewServer(echo{}, &opts)
	var depot *depot
	if f.durable.on {
		var err error
		if depot, err = newDepot(f.durable); err != nil {
			return err
		}
		defer depot.store.Close()
	}
	srv := sio.NewServer(&sio.Options{Engine: opts, ConnectTimeout: f.connectTimeout, Recovery: recovery(f, depot)})
	if f.durable.on {
		if err := depot.serve(srv.Of("/durable")); err != nil {
			return err
		}
	}
	handle(srv.Of("/"), f)
	handle(srv.Of("/custom"), f)
	// A guard that never answers; the end of the connection ends it.
	srv.Of("/stuck").Use(func(ctx context.Context, _ *sio.Socket) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if !f.suite {
		handle(srv.OfRegexp(regexp.MustCompile(`^/dynamic-\d+$`)), f)
	}

	mux := http.NewServeMux()
	mux.Handle("/engine.io/", eio)
	mux.Handle("/socket.io/", srv)
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: f.headerTimeout, MaxHeaderBytes: 16 << 10, IdleTimeout: 2 * time.Minute}
	// Before the line that says "ready", as whoever reads it may end us at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ln, err := net.Listen("tcp", f.addr)
	if err != nil {
		return err
	}
	debugURL, err := serveDebug(f.debug, srv, eio, depot)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s pid %d debug %s\n", ln.Addr(), os.Getpid(), debugURL)

	failed := make(chan error, 1)
	go func() { failed <- engine.Serve(hs, ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err = errors.Join(srv.Shutdown(grace), eio.Shutdown(grace), hs.Shutdown(grace))
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // clients that had not said goodbye were cut
	}
	return err
}

func recovery(f flags, d *depot) *sio.Recovery {
	switch {
	case f.durable.on:
		return d.recovery()
	case f.recovery:
		return &sio.Recovery{}
	}
	return nil
}

// serveDebug serves profiles, the counters and a way to collect garbage. It
// returns the URL, "-" for none.
func serveDebug(addr string, srv *sio.Server, eio *engine.Server, d *depot) (string, error) {
	if addr == "" {
		return "-", nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	http.HandleFunc("/__gc", func(w http.ResponseWriter, _ *http.Request) { debug.FreeOSMemory() })
	http.HandleFunc("/__stats", func(w http.ResponseWriter, _ *http.Request) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"socketio": srv.Stats(), "engineio": eio.Stats(), "sessions": d.stats(),
			"goroutines": runtime.NumGoroutine(), "heapAlloc": m.HeapAlloc, "heapObjects": m.HeapObjects, "sys": m.Sys,
		})
	})
	go func() { _ = http.Serve(ln, nil) }() // until the process ends
	return "http://" + ln.Addr().String(), nil
}

// echo sends every Engine.IO message back.
type echo struct{}

func (echo) Open(c *engine.Conn) engine.Session { return echoSession{c} }

type echoSession struct{ c *engine.Conn }

func (s echoSession) Message(binary bool, data []byte) error {
	_ = s.c.SendMessage(binary, data, 0)
	return nil
}

func (echoSession) Closed(error) {}
