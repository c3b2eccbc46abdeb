package goclient_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/sio"
)

// goTargets are servers of this process.
var goTargets = []target{{"go", startGo}}

// startGo starts our server with the events of server.cjs.
func startGo(t testing.TB, o serverOptions, port int) *server {
	f := &fixture{seen: map[string]int{}}
	opts := &sio.Options{Logger: slog.New(slog.DiscardHandler)}
	opts.Engine = engine.Options{
		PingInterval: time.Duration(o.PingInterval) * time.Millisecond,
		PingTimeout:  time.Duration(o.PingTimeout) * time.Millisecond,
		MaxPayload:   o.MaxBuffer,
	}
	if o.Deflate {
		opts.Engine.Compression = &engine.Compression{}
	}
	if o.Recovery != nil {
		opts.Recovery = &sio.Recovery{}
	}
	f.srv = sio.NewServer(opts)
	f.register(f.srv.Of("/"))
	admin := f.srv.Of("/admin")
	admin.Use(func(_ context.Context, s *sio.Socket) error {
		var auth struct{ Token string }
		if err := s.Auth(&auth); err != nil || auth.Token != "secret" {
			return &sio.Error{Message: "not authorized", Data: map[string]int{"code": 42}}
		}
		return nil
	})
	f.register(admin)
	early := f.srv.Of("/early")
	early.Use(func(ctx context.Context, s *sio.Socket) error {
		_ = s.Emit(ctx, "early", 1)
		return s.Emit(ctx, "early", 2)
	})
	early.OnConnect(func(ctx context.Context, s *sio.Socket) error { return s.Emit(ctx, "early", 3) })
	f.register(early)
	return startHTTP(t, f.srv, port, func() { _ = f.srv.Close() })
}

// A fixture is the state of our server.
type fixture struct {
	srv *sio.Server

	mu   sync.Mutex
	seen map[string]int
}

// cut ends the connection below a socket.
func (f *fixture) cut(s *sio.Socket) {
	s.Conn().Close(engine.ErrTransportClose)
}

type roomText struct {
	event.Args
	Room, Text string
}

type question struct {
	event.Args
	Name  string
	Value any
}

func (f *fixture) register(n *sio.Namespace) {
	n.Handle("echo", echo)
	sio.OnCall(n, "ask", func(ctx context.Context, s *sio.Socket, q question) (map[string]any, error) {
		var answer any
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if err := s.EmitAck(ctx, q.Name, &answer, q.Value); err != nil {
			if e, ok := err.(*event.Error); ok { // which Node.js does not know
				return map[string]any{"answer": map[string]any{"error": map[string]any{"message": e.Message}}}, nil
			}
			return map[string]any{"failed": err.Error()}, nil
		}
		return map[string]any{"answer": answer}, nil
	})
	sio.OnCall(n, "auth", func(_ context.Context, s *sio.Socket, _ struct{}) (v map[string]any, err error) { return v, s.Auth(&v) })
	sio.OnCall(n, "headers", func(_ context.Context, s *sio.Socket, _ struct{}) (map[string]string, error) {
		return map[string]string{"x-key": s.Handshake().Headers.Get("X-Key")}, nil
	})
	sio.OnCall(n, "query", func(_ context.Context, s *sio.Socket, _ struct{}) (map[string]string, error) {
		m := map[string]string{}
		for k, v := range s.Handshake().Query {
			m[k] = v[0]
		}
		return m, nil
	})
	sio.OnCall(n, "transport", func(_ context.Context, s *sio.Socket, _ struct{}) (string, error) { return s.Transport(), nil })
	sio.OnCall(n, "fail", func(context.Context, *sio.Socket, struct{}) (int, error) {
		return 0, &sio.Error{Message: "no luck", Data: map[string]int{"n": 7}}
	})
	sio.On(n, "join", func(ctx context.Context, s *sio.Socket, room string) error { return s.Join(ctx, room) })
	sio.On(n, "leave", func(ctx context.Context, s *sio.Socket, room string) error { return s.Leave(ctx, room) })
	sio.On(n, "say", func(ctx context.Context, _ *sio.Socket, m roomText) error {
		return n.To(m.Room).Emit(ctx, "said", m.Text)
	})
	sio.On(n, "news", func(ctx context.Context, _ *sio.Socket, m roomText) error {
		return n.To(m.Room).Emit(ctx, "news", m.Text)
	})
	sio.On(n, "burst", func(ctx context.Context, s *sio.Socket, count int) error {
		for i := range count {
			if err := s.Emit(ctx, "n", i); err != nil {
				return err
			}
		}
		return nil
	})
	n.OnAny(f.stubborn) // and "never" has no handler
	sio.On(n, "kick", func(_ context.Context, s *sio.Socket, _ struct{}) error { s.Disconnect(); return nil })
	sio.On(n, "kickall", func(_ context.Context, s *sio.Socket, _ struct{}) error { s.DisconnectConn(); return nil })
	sio.On(n, "cut", func(_ context.Context, s *sio.Socket, _ struct{}) error { f.cut(s); return nil })
	sio.On(n, "cut then news", func(_ context.Context, s *sio.Socket, m roomText) error {
		f.cut(s)
		time.AfterFunc(20*time.Millisecond, func() { _ = n.To(m.Room).Emit(context.Background(), "news", m.Text) })
		return nil
	})
}

func echo(ctx context.Context, r *sio.Request) (any, error) {
	values := make(sio.Args, r.Len())
	out := make([]any, len(values))
	for i := range values {
		out[i] = &values[i]
	}
	if err := r.Bind(out...); err != nil {
		return nil, err
	}
	if r.WantsAck() {
		return values, nil
	}
	return nil, r.Socket.Emit(ctx, "echo", values...)
}

// stubborn answers at the third sight of a key only. A handler would always
// answer.
func (f *fixture) stubborn(_ context.Context, r *sio.Request) {
	var key string
	if r.Event != "stubborn" || r.Bind(&key) != nil {
		return
	}
	f.mu.Lock()
	f.seen[key]++
	n := f.seen[key]
	f.mu.Unlock()
	if n >= 3 {
		_ = r.Ack(n)
	}
}
