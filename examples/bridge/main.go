// Bridge carries events of one server to another, each of which sees it as one
// more client.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/roomwire/roomwire/client"
)

func main() {
	a := flag.String("a", "http://127.0.0.1:3000", "one server")
	b := flag.String("b", "http://127.0.0.1:3001", "the other server")
	there := flag.String("there", "news", "events to carry from a to b, with commas between")
	back := flag.String("back", "", "events to carry from b to a")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := bridge(ctx, *a, *b, names(*there), names(*back)); err != nil {
		log.Fatal(err)
	}
}

func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// bridge works until ctx is done. With retries, what is emitted waits for the
// acknowledgement of the other server and survives a lost connection.
func bridge(ctx context.Context, a, b string, there, back []string) error {
	if slices.ContainsFunc(there, func(name string) bool { return slices.Contains(back, name) }) {
		return errors.New("an event that goes both ways would go round in circles")
	}
	o := &client.Options{Retries: 5}
	ca, cb := client.New(a, o), client.New(b, o)
	defer ca.Close()
	defer cb.Close()
	sa, sb := ca.Of("/"), cb.Of("/")
	for _, name := range there {
		carry(sa, sb, name)
	}
	for _, name := range back {
		carry(sb, sa, name)
	}
	if err := errors.Join(sa.Connect(ctx), sb.Connect(ctx)); err != nil {
		return err
	}
	log.Print("connected to both")
	<-ctx.Done()
	return nil
}

// carry sends on what one socket receives.
func carry(from, to *client.Socket, name string) {
	from.Handle(name, func(ctx context.Context, r *client.Request) (any, error) {
		args, err := r.Values()
		if err != nil {
			return nil, err
		}
		return nil, to.Emit(ctx, name, args...)
	})
}
