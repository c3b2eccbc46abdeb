// Service answers requests: typed calls with deadlines, and errors that the
// caller may see. Try it with
//
//	roomwire emit 127.0.0.1:3000 divide '{"a":7,"b":2}' --ack
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/sio"
)

// Divide is the one request there is.
const Divide event.Call[Operands, float64] = "divide"

// Operands are what it takes.
type Operands struct{ A, B float64 }

func main() {
	addr := flag.String("addr", "127.0.0.1:3000", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", ln.Addr())
	if err := serve(ctx, ln); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, ln net.Listener) error {
	srv := sio.NewServer(nil)
	ns := srv.Of("/")
	ns.UseEvents(deadline)
	sio.OnCall(ns, Divide, func(_ context.Context, _ *sio.Socket, in Operands) (float64, error) {
		if in.B == 0 {
			return 0, &event.Error{Message: "division by zero"}
		}
		return in.A / in.B, nil
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() {
		wait, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = errors.Join(srv.Shutdown(wait), hs.Shutdown(wait))
	})
	if err := sio.Serve(hs, ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// deadline bounds every handler of the namespace.
func deadline(next sio.Handler) sio.Handler {
	return func(ctx context.Context, r *sio.Request) (any, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		return next(ctx, r)
	}
}
