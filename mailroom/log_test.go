package mailroom_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
	"github.com/roomwire/roomwire/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A plant is a store and the server on it, which can be killed and started
// again: what is not in the store is gone.
type plant struct {
	t     *testing.T
	store *queue.Store
	srv   *sio.Server
	wrap  func(sio.Log) sio.Log // of the logs; nil: none
}

func newPlant(t *testing.T) *plant {
	store, err := queue.Open(queue.Memory(), &queue.Options{Janitor: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{t: t, store: store}
	p.start()
	t.Cleanup(func() {
		_ = p.srv.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *plant) start() {
	srv := sio.NewServer(&sio.Options{
		Logger: slog.New(slog.DiscardHandler),
		Recovery: &sio.Recovery{
			Log: func(namespace string) (sio.Log, error) {
				l, err := mailroom.Log(p.store, nil)(namespace)
				if err == nil && p.wrap != nil {
					l = p.wrap(l)
				}
				return l, err
			},
			Durable: func(room string) bool { return strings.HasPrefix(room, "durable") },
		},
	})
	sio.OnCall(srv.Of("/"), "join", func(ctx context.Context, s *sio.Socket, rooms []string) (bool, error) {
		s.Set("rooms", rooms)
		return s.Recovered(), s.Join(ctx, rooms...)
	})
	p.srv = srv
}

// A reader is a client that notes what it gets.
type reader struct {
	s    *client.Socket
	seen chan string
}

func (p *plant) connect(rooms ...string) *reader {
	p.t.Helper()
	c := siotest.Dial(p.t, p.srv, &client.Options{ReconnectionDelay: time.Millisecond, ReconnectionDelayMax: 5 * time.Millisecond})
	r := &reader{s: c.Of("/"), seen: make(chan string, 10_000)}
	r.s.OnAny(func(_ context.Context, q *client.Request) {
		vs, err := q.Values()
		if err != nil {
			p.t.Error(err)
		}
		r.seen <- fmt.Sprint(vs[0])
	})
	if err := r.s.Connect(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	if len(rooms) > 0 {
		if _, err := client.Call[bool](p.t.Context(), r.s, "join", rooms); err != nil {
			p.t.Fatal(err)
		}
	}
	return r
}

func (r *reader) next(t *testing.T) string {
	t.Helper()
	select {
	case s := <-r.seen:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		return ""
	}
}

func (p *plant) emit(rooms []string, v any) {
	p.t.Helper()
	if err := p.srv.To(rooms...).Emit(p.t.Context(), "e", v); err != nil {
		p.t.Fatal(err)
	}
}

func TestDurableEventsAreStoredBeforeTheyAreSent(t *testing.T) {
	p := newPlant(t)
	r := p.connect("durable1", "plain")
	for i := range 10 {
		p.emit([]string{"durable1"}, i)
		p.emit([]string{"plain"}, "plain"+fmt.Sprint(i))
	}
	var got []string
	for range 20 {
		got = append(got, r.next(t))
	}
	if got[0] != "0" || got[1] != "plain0" || got[19] != "plain9" {
		t.Errorf("got %v", got)
	}
	log, err := p.store.Log(t.Context(), "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if b := log.Bounds(); b.Last != 10 {
		t.Errorf("%d events are stored, want 10", b.Last)
	}
	if n := p.srv.Stats().Stored; n != 10 {
		t.Errorf("%d counted", n)
	}
}

func TestEmittersThatShareASyncKeepTheOrderOfTheLog(t *testing.T) {
	p := newPlant(t)
	a, b := p.connect("durable1", "durable2"), p.connect("durable1", "durable2")
	const emitters, each = 8, 100
	var wg sync.WaitGroup
	for e := range emitters {
		wg.Go(func() {
			for i := range each {
				room := fmt.Sprint("durable", 1+(e+i)%2)
				if err := p.srv.To(room).Emit(context.Background(), "e", fmt.Sprint(e, "-", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var as, bs []string
	for range emitters * each {
		as, bs = append(as, a.next(t)), append(bs, b.next(t))
	}
	if !slices.Equal(as, bs) {
		t.Error("two sockets saw different orders")
	}
}
