// Parcels is the delivery service of many a course on message queues: a vendor
// orders a pickup, a driver picks it up and delivers it, and whoever was away
// gets what happened meanwhile, also when the server was killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/sio"
	"github.com/roomwire/roomwire/stores/pebble"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:3000", "address to listen on")
	data := flag.String("data", "parcels-data", "directory of the messages")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *data); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, addr, data string) error {
	store, err := pebble.Open(data, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	boxes, err := store.Mailboxes(ctx, "caps", nil)
	if err != nil {
		return err
	}
	office := mailroom.New(boxes, nil)
	defer office.Close()

	srv := sio.NewServer(nil)
	caps := srv.Of("/caps")
	mailroom.Serve(caps, office, nil) // subscribe, getAll, received
	for _, event := range []string{"pickup", "in-transit", "delivered"} {
		caps.Handle(event, func(ctx context.Context, r *sio.Request) (any, error) {
			var parcel struct {
				ClientID string `json:"clientId"`
			}
			if err := r.Bind(&parcel); err != nil || parcel.ClientID == "" {
				return nil, &sio.Error{Message: "clientId is missing"}
			}
			receipt, err := office.Publish(context.WithoutCancel(ctx), parcel.ClientID, event, r.Args())
			return receipt, mailroom.Public(err)
		})
	}

	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- sio.Serve(hs, ln) }()
	fmt.Printf("parcels: http://%s/caps, %d messages wait\n", ln.Addr(), office.Stats().Waiting)
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	slog.Info("parcels: stopping", "messages", office.Stats())
	return errors.Join(err, srv.Shutdown(closing), hs.Shutdown(closing))
}
