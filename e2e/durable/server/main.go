// Server has durable rooms, for tests that kill it: those whose names begin
// with "d:". Clients of the main namespace, and of any tenant's, join rooms; those
// of /control emit to rooms, and learn when an event is stored.
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

	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
	"github.com/roomwire/roomwire/stores/pebble"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	data := flag.String("data", "", "directory of the store")
	maxAge := flag.Duration("max-age", 2*time.Minute, "how long sessions are kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *data, *maxAge); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, data string, maxAge time.Duration) error {
	store, err := pebble.Open(data, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	srv := sio.NewServer(&sio.Options{Recovery: &sio.Recovery{
		MaxAge:  maxAge,
		Log:     mailroom.Log(store.Store, nil),
		Durable: func(room string) bool { return strings.HasPrefix(room, "d:") },
	}})
	serveRooms(srv.Of("/"))
	serveRooms(srv.Of("/tenant-{id}"))
	serveControl(srv, store.Store)

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>durable</title>")
	})
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- sio.Serve(hs, ln) }()
	fmt.Printf("http://%s pid %d\n", ln.Addr(), os.Getpid())
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, srv.Shutdown(closing), hs.Shutdown(closing))
}

// serveRooms lets clients join and leave rooms, keep a value, and ask for both.
func serveRooms(ns *sio.Namespace) {
	ns.OnConnect(func(ctx context.Context, s *sio.Socket) error {
		return s.Transient().Emit(ctx, "hello", s.Recovered())
	})
	sio.OnCall(ns, "join", func(ctx context.Context, s *sio.Socket, room string) (bool, error) {
		return true, s.Join(ctx, room)
	})
	sio.OnCall(ns, "leave", func(ctx context.Context, s *sio.Socket, room string) (bool, error) {
		return true, s.Leave(ctx, room)
	})
	sio.OnCall(ns, "set", func(_ context.Context, s *sio.Socket, v string) (bool, error) {
		s.Set("value", v)
		return true, nil
	})
	sio.OnCall(ns, "state", func(_ context.Context, s *sio.Socket, _ struct{}) (map[string]any, error) {
		return map[string]any{"rooms": s.Rooms()[1:], "value": s.Get("value")}, nil
	})
}

// A toRoom is an event for a room.
type toRoom struct {
	event.Args
	Room  string
	Value any
}

// A toTenant is an event for a room of another namespace.
type toTenant struct {
	event.Args
	Namespace string
	Room      string
	Value     any
}

// serveControl lets clients do what a program would.
func serveControl(srv *sio.Server, store *queue.Store) {
	control, ns := srv.Of("/control"), srv.Of("/")
	sio.OnCall(control, "emit", func(_ context.Context, _ *sio.Socket, in toRoom) (bool, error) {
		return true, ns.To(in.Room).Emit(context.Background(), "e", in.Value)
	})
	sio.OnCall(control, "emit-to", func(_ context.Context, _ *sio.Socket, in toTenant) (bool, error) {
		return true, srv.Of(in.Namespace).To(in.Room).Emit(context.Background(), "e", in.Value)
	})
	sio.OnCall(control, "trim", func(ctx context.Context, _ *sio.Socket, _ struct{}) (bool, error) {
		l, err := store.Log(ctx, ns.Name(), nil)
		if err != nil {
			return false, err
		}
		return true, l.Trim(ctx, l.Bounds().End())
	})
}
