package main

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
	"github.com/roomwire/roomwire/siotest"
	"github.com/roomwire/roomwire/stores/pebble"
)

var quiet = slog.New(slog.DiscardHandler)

func newServer(log func(string) (sio.Log, error)) *sio.Server {
	srv := sio.NewServer(&sio.Options{Logger: quiet, Recovery: &sio.Recovery{
		MaxAge:  time.Hour,
		Log:     log,
		Durable: func(room string) bool { return strings.HasPrefix(room, "d:") },
	}})
	serveRooms(srv.Of("/"))
	return srv
}

// A client that was away for ten minutes, in which the server was killed and
// started again, gets what it missed.
func TestTenMinutesAwayIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := queue.Open(queue.Memory(), &queue.Options{Logger: quiet, Janitor: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		var srv http.Handler
		old := newServer(mailroom.Log(store, nil))
		defer old.Close()
		srv = old
		ln := siotest.Listen()
		defer ln.Close()
		hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { srv.ServeHTTP(w, r) })}
		go func() { _ = hs.Serve(ln) }()
		defer hs.Close()
		tr := &http.Transport{DialContext: ln.Dial}
		defer tr.CloseIdleConnections()
		o := &client.Options{Logger: quiet, ReconnectionDelay: 10 * time.Minute, ReconnectionDelayMax: 10 * time.Minute}
		o.Engine.HTTPClient = &http.Client{Transport: tr}
		c := client.New("http://siotest", o)
		defer c.Close()
		s := c.Of("/")
		var got []int
		client.On(s, "e", func(_ context.Context, n int) error { got = append(got, n); return nil })
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Call[bool](t.Context(), s, "join", "d:1"); err != nil {
			t.Fatal(err)
		}
		emit := func(srv *sio.Server, n int) {
			if err := srv.To("d:1").Emit(t.Context(), "e", n); err != nil {
				t.Error(err)
			}
		}
		emit(old, 0)
		synctest.Wait()
		fresh := newServer(mailroom.Log(store, nil))
		defer fresh.Close()
		srv = fresh
		for sk := range old.Of("/").Sockets() {
			sk.Conn().Close(nil)
		}
		began := time.Now()
		for i := 1; i <= 9; i++ {
			emit(fresh, i)
			time.Sleep(time.Minute)
		}
		for !s.Connected() {
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if away := time.Since(began); away < 5*time.Minute || away > 20*time.Minute {
			t.Errorf("away for %v", away)
		}
		if !s.Recovered() || !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("recovered: %v, got %v", s.Recovered(), got)
		}
	})
}

// timedLog adds up what the server does for each socket that comes back.
type timedLog struct {
	sio.Log
	mu    sync.Mutex
	reads []time.Duration
}

func (l *timedLog) After(ctx context.Context, at sio.Place, rooms []string) iter.Seq2[sio.LogEvent, error] {
	return func(yield func(sio.LogEvent, error) bool) {
		began := time.Now()
		defer func() {
			l.mu.Lock()
			l.reads = append(l.reads, time.Since(began))
			l.mu.Unlock()
		}()
		l.Log.After(ctx, at, rooms)(yield)
	}
}

// A thousand clients in five rooms each come back at once to a server that was
// restarted on Pebble. What is told is the time in the log for each, and how
// long it took them all.
func BenchmarkThousandReconnectsAtOnce(b *testing.B) {
	for b.Loop() {
		storm(b, 1000)
	}
}

func storm(b *testing.B, clients int) {
	b.StopTimer()
	dir := b.TempDir()
	store, err := pebble.Open(dir, &pebble.Options{Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	var srv atomic.Pointer[sio.Server]
	srv.Store(newServer(mailroom.Log(store.Store, nil)))
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { srv.Load().ServeHTTP(w, r) }))
	defer hs.Close()
	back := make(chan bool, clients)
	var got sync.WaitGroup
	for i := range clients {
		c := client.New(hs.URL, &client.Options{Logger: quiet, ReconnectionDelay: 10 * time.Millisecond, ReconnectionDelayMax: 20 * time.Millisecond})
		defer c.Close()
		s := c.Of("/")
		client.On(s, "e", func(context.Context, int) error { got.Done(); return nil })
		if err := s.Connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		for k := range 5 {
			if _, err := client.Call[bool](b.Context(), s, "join", fmt.Sprintf("d:%d", (i+k*7)%200)); err != nil {
				b.Fatal(err)
			}
		}
		s.OnConnect(func(context.Context) { back <- s.Recovered() })
	}
	if err := srv.Load().Close(); err != nil {
		b.Fatal(err)
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	if store, err = pebble.Open(dir, &pebble.Options{Logger: quiet}); err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	var timed *timedLog
	fresh := newServer(func(ns string) (sio.Log, error) {
		l, err := mailroom.Log(store.Store, nil)(ns)
		timed = &timedLog{Log: l}
		return timed, err
	})
	defer fresh.Close()
	const each = 4 // events of a room
	got.Add(clients * 5 * each)
	for room := range 200 {
		for range each {
			if err := fresh.To(fmt.Sprintf("d:%d", room)).Emit(b.Context(), "e", room); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StartTimer()
	began := time.Now()
	srv.Store(fresh)
	for range clients {
		if !<-back {
			b.Fatal("not recovered")
		}
	}
	got.Wait()
	took := time.Since(began)
	timed.mu.Lock()
	defer timed.mu.Unlock()
	slices.Sort(timed.reads)
	n := len(timed.reads)
	b.ReportMetric(float64(timed.reads[n/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(timed.reads[n*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(took.Milliseconds()), "all-ms")
	b.ReportMetric(float64(n), "reads")
}

// One event to a room of a thousand: plain, durable, and the append alone.
func BenchmarkEmitToThousand(b *testing.B) {
	store, err := pebble.Open(b.TempDir(), &pebble.Options{Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	srv := newServer(mailroom.Log(store.Store, nil))
	defer srv.Close()
	hs := httptest.NewServer(srv)
	defer hs.Close()
	for range 1000 {
		c := client.New(hs.URL, &client.Options{Logger: quiet})
		defer c.Close()
		s := c.Of("/")
		if err := s.Connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		for _, room := range []string{"d:all", "all"} {
			if _, err := client.Call[bool](b.Context(), s, "join", room); err != nil {
				b.Fatal(err)
			}
		}
	}
	log, err := store.Log(b.Context(), "beside", nil)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("x", 100)
	emit := func(room string) func(b *testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				if err := srv.To(room).Emit(b.Context(), "e", text); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("plain", emit("all"))
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			if _, err := log.Append(b.Context(), queue.Record{Rooms: []string{"d:all"}, Data: []byte(text)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("durable", emit("d:all"))
}
