package sio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/sio"
)

// Draft is what the clients of the examples send.
type Draft struct {
	Room string `json:"room"`
	Text string `json:"text"`
}

// The contract of the examples: what they send, and what answers.
const (
	Say  event.Call[Draft, int] = "say"
	Said event.Of[Draft]        = "said"
)

// A server, and a client that talks to it.
func Example() {
	srv := sio.NewServer(nil)
	chat := srv.Of("/")
	chat.OnConnect(func(ctx context.Context, s *sio.Socket) error { return s.Join(ctx, "lobby") })
	sio.OnCall(chat, Say, func(ctx context.Context, _ *sio.Socket, d Draft) (int, error) {
		return len(d.Text), Said.Emit(ctx, chat.To(d.Room), d)
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	defer srv.Close()

	c := client.New(web.URL, nil)
	defer c.Close()
	s := c.Of("/")
	heard := make(chan Draft, 1)
	client.On(s, Said, func(_ context.Context, d Draft) error { heard <- d; return nil })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Connect(ctx); err != nil {
		log.Fatal(err)
	}
	n, err := Say.Call(ctx, s, Draft{"lobby", "hello"})
	fmt.Println(n, err)
	fmt.Println(<-heard)
	// Output:
	// 5 <nil>
	// {lobby hello}
}

// A guard lets in who has a token, and keeps what it has learned.
func ExampleNamespace_Use() {
	admin := sio.NewServer(nil).Of("/admin")
	admin.Use(func(_ context.Context, s *sio.Socket) error {
		var auth struct {
			Token string `json:"token"`
		}
		if err := s.Auth(&auth); err != nil {
			return err // the client reads "internal error"
		}
		if auth.Token != "secret" {
			return &sio.Error{Message: "not authorized", Data: map[string]int{"code": 401}}
		}
		s.Set("user", "ada")
		return nil
	})
	sio.OnCall(admin, "whoami", func(_ context.Context, s *sio.Socket, _ struct{}) (string, error) {
		user, _ := sio.Value[string](s, "user")
		return user, nil
	})
}

// Several arguments are the fields of a struct; binary is a []byte.
func ExampleOn() {
	chat := sio.NewServer(nil).Of("/")
	sio.On(chat, "upload", func(ctx context.Context, s *sio.Socket, in struct {
		event.Args
		Name string
		File []byte
	},
	) error { // socket.emit("upload", "cat.png", buffer)
		return s.Broadcast().Emit(ctx, "uploaded", in.Name, len(in.File))
	})
}

// What is returned is the acknowledgement; an error has a form of its own.
func ExampleOnCall() {
	srv := sio.NewServer(nil)
	type page struct{ Before, Limit int }
	sio.OnCall(srv.Of("/"), "history", func(_ context.Context, _ *sio.Socket, p page) ([]string, error) {
		if p.Limit > 100 {
			return nil, &sio.Error{Message: "at most 100", Data: p.Limit}
		}
		return []string{"hello"}, nil
	})
}

// A client can be asked, too; give the question a deadline.
func ExampleCall() {
	chat := sio.NewServer(nil).Of("/")
	sio.On(chat, "order", func(ctx context.Context, s *sio.Socket, item string) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		sure, err := sio.Call[bool](ctx, s, "are you sure?", item)
		if err != nil || !sure {
			return err
		}
		return s.Emit(ctx, "ordered", item)
	})
}

// Everybody in a room is asked, and the answers are read as they come.
func ExampleTarget_EmitCall() {
	srv := sio.NewServer(nil)
	defer srv.Close()
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	for _, vote := range []string{"yes", "yes", "no"} {
		c := client.New(web.URL, nil)
		defer c.Close()
		s := c.Of("/")
		client.OnCall(s, "vote", func(context.Context, struct{}) (string, error) { return vote, nil })
		if err := s.Connect(ctx); err != nil {
			log.Fatal(err)
		}
	}
	votes := map[string]int{}
	for reply, err := range srv.Of("/").Timeout(10*time.Second).EmitCall(ctx, "vote") {
		if errors.Is(err, sio.ErrTimeout) {
			break // some did not answer; the votes of the others are in
		}
		var vote string
		if err == nil && reply.Decode(&vote) == nil {
			votes[vote]++
		}
	}
	fmt.Println(votes)
	// Output: map[no:1 yes:2]
}

// Each tenant has a namespace of its own, made when its first client comes.
func ExampleServer_Of() {
	tenants := sio.NewServer(nil).Of("/tenant-{id}")
	tenants.OnConnect(func(ctx context.Context, s *sio.Socket) error {
		return s.Namespace().Emit(ctx, "joined", s.PathValue("id"), s.ID())
	})
}

// Middleware sees each event before its handler, and what that answers.
func ExampleNamespace_UseEvents() {
	chat := sio.NewServer(nil).Of("/")
	chat.UseEvents(func(next sio.Handler) sio.Handler {
		return func(ctx context.Context, r *sio.Request) (any, error) {
			began := time.Now()
			reply, err := next(ctx, r)
			log.Println(r.Event, time.Since(began), err)
			return reply, err
		}
	})
}

// The server is an http.Handler: any router takes it, on any path. Clients
// are told the path when it is not /socket.io/.
func ExampleServer() {
	srv := sio.NewServer(&sio.Options{Engine: engine.Options{
		CORS: &engine.CORS{Origins: []string{"https://example.com"}, Credentials: true},
	}})
	srv.Engine().Use(func(next http.Handler) http.Handler { // every request, of WebSocket too
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
			next.ServeHTTP(w, r)
		})
	})
	mux := http.NewServeMux()
	mux.Handle("/api/live/", srv) // io("https://example.com", { path: "/api/live" })
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	web.RegisterOnShutdown(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx) // http.Server does not wait for WebSockets
	})
}
