// Server is the server of the contract in examples/contract/chat.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/examples/contract/chat"
	"github.com/roomwire/roomwire/sio"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:3000", "address to listen on")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", ln.Addr())
	srv := sio.NewServer(nil)
	(&rooms{all: map[string][]chat.Message{}}).attach(srv.Of("/"))
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	log.Fatal((&http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}).Serve(ln))
}

// rooms keeps what was said.
type rooms struct {
	mu  sync.Mutex
	all map[string][]chat.Message
}

// attach handles the events of the contract. A handler of the wrong type would
// not compile.
func (r *rooms) attach(ns *sio.Namespace) {
	sio.OnCall(ns, chat.Say, func(ctx context.Context, s *sio.Socket, d chat.Draft) (chat.Message, error) {
		if d.Text == "" && len(d.Data) == 0 {
			return chat.Message{}, &event.Error{Message: "nothing was said", Data: map[string]string{"room": d.Room}}
		}
		m := r.add(chat.Message{Draft: d, From: s.ID(), At: time.Now().UTC()})
		return m, chat.Posted.Emit(ctx, s.Broadcast(), m)
	})
	sio.On(ns, chat.Typing, func(ctx context.Context, s *sio.Socket, on bool) error {
		return chat.Typed.Emit(ctx, s.Broadcast().Volatile(), chat.Typist{Who: s.ID(), On: on})
	})
	sio.OnCall(ns, chat.History, func(_ context.Context, _ *sio.Socket, p chat.Page) ([]chat.Message, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		of := r.all[p.Room]
		if p.Limit > 0 {
			of = of[max(len(of)-p.Limit, 0):]
		}
		return append([]chat.Message{}, of...), nil
	})
}

func (r *rooms) add(m chat.Message) chat.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.ID = len(r.all[m.Room]) + 1
	r.all[m.Room] = append(r.all[m.Room], m)
	return m
}
