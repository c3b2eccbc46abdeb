package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/sio"
)

// A world is the server and what has to come of it.
type world struct {
	seed uint64
	srv  *sio.Server
	hs   *http.Server
	url  string
	done chan struct{} // the server has ended
	ledger
	tally

	mu       sync.Mutex
	failures []string
	failed   int
}

// tally counts for the display.
type tally struct {
	said, heard, acks, calls, binary, sessions, cuts, panics, slow, reconnects atomic.Int64
}

// rooms is how many there are, besides the flooded one.
const rooms = 8

func room(i int) string { return fmt.Sprintf("room-%d", i) }

// A say is what a client wants said in a room.
type say struct {
	From   string `json:"from"`
	Seq    int    `json:"seq"`
	Room   int    `json:"room"`
	Except int    `json:"except"` // a room; -1: none
	Others bool   `json:"others"` // not the sender
	Text   string `json:"text"`
	Bytes  []byte `json:"bytes"`
}

// The events between the clients and the server.
const (
	eventJoin event.Call[[]string, int]  = "join"
	eventSay  event.Call[say, int]       = "say"
	eventSaid event.Of[say]              = "said"
	eventSum  event.Call[[]int, int]     = "sum"
	eventEcho event.Call[[]byte, []byte] = "echo"
	eventAsk  event.Call[int, int]       = "ask"  // the server asks back
	eventTell event.Call[int, int]       = "tell" // what it asks
	eventPoll event.Call[int, []int]     = "poll" // the server asks everybody in a room
	eventOops event.Of[int]              = "oops" // its handler panics
	eventBulk event.Of[string]           = "bulk" // the flood
)

func newWorld(seed uint64) (*world, error) {
	w := &world{seed: seed, done: make(chan struct{})}
	w.ledger.init()
	w.srv = sio.NewServer(&sio.Options{
		Engine: engine.Options{
			PingInterval: 2 * time.Second, PingTimeout: 8 * time.Second,
			SendBuffer: 8 << 20, Compression: &engine.Compression{},
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	w.handle(w.srv.Of("/"))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.url = "http://" + ln.Addr().String()
	w.hs = &http.Server{Handler: w.srv, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(w.done)
		_ = sio.Serve(w.hs, ln)
	}()
	return w, nil
}

func (w *world) handle(ns *sio.Namespace) {
	sio.OnCall(ns, eventJoin, func(ctx context.Context, s *sio.Socket, names []string) (int, error) {
		return len(names), s.Join(ctx, names...)
	})
	sio.OnCall(ns, eventSay, func(ctx context.Context, s *sio.Socket, m say) (int, error) {
		to := ns.To(room(m.Room))
		if m.Others {
			to = s.To(room(m.Room))
		}
		if m.Except >= 0 {
			to = to.Except(room(m.Except))
		}
		return m.Seq, eventSaid.Emit(ctx, to, m)
	})
	sio.OnCall(ns, eventSum, func(_ context.Context, _ *sio.Socket, all []int) (n int, err error) {
		for _, v := range all {
			n += v
		}
		return n, nil
	})
	sio.OnCall(ns, eventEcho, func(_ context.Context, _ *sio.Socket, b []byte) ([]byte, error) { return b, nil })
	sio.OnCall(ns, eventAsk, func(ctx context.Context, s *sio.Socket, n int) (int, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return eventTell.Call(ctx, s, n)
	})
	sio.OnCall(ns, eventPoll, func(ctx context.Context, s *sio.Socket, n int) ([]int, error) {
		answers := []int{}
		for r, err := range ns.To(room(n%rooms), "steady").Except("guests").Timeout(patience).EmitCall(ctx, string(eventTell), n) {
			if err != nil {
				return nil, &sio.Error{Message: err.Error()}
			}
			var v int
			if err := r.Decode(&v); err != nil {
				return nil, err
			}
			answers = append(answers, v)
		}
		return answers, nil
	})
	sio.On(ns, eventOops, func(context.Context, *sio.Socket, int) error { panic("as asked") })
}

// patience is how long anything may take.
const patience = 20 * time.Second

// fail notes what went wrong.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed++
	if len(w.failures) < 20 {
		w.failures = append(w.failures, fmt.Sprintf(format, args...))
	}
}

// flood sends to those who never read.
func (w *world) flood(ctx context.Context) {
	bulk := string(make([]byte, 0, 64<<10))
	for range 1 << 10 {
		bulk += "a flood of words that nobody is going to read, again and again. "
	}
	for ctx.Err() == nil {
		_ = eventBulk.Emit(ctx, w.srv.To("flood").Compress(false), bulk)
		time.Sleep(2 * time.Millisecond)
	}
}

// empty checks that the server has forgotten everybody.
func (w *world) empty() {
	deadline := time.Now().Add(patience)
	for {
		st := w.srv.Stats()
		names, err := w.srv.Of("/").Rooms(context.Background())
		if err == nil && st.Sockets == 0 && st.Engine.Open == 0 && len(names) == 0 && st.Connects == st.Disconnects {
			break
		}
		if time.Now().After(deadline) {
			w.fail("left on the server: %d sockets, %d connections, rooms %v; %d connects, %d disconnects, %v",
				st.Sockets, st.Engine.Open, names, st.Connects, st.Disconnects, err)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	st := w.srv.Stats()
	if want := w.panics.Load(); st.Panics < want {
		w.fail("%d panics were counted of %d", st.Panics, want)
	}
	if st.BadPackets > 0 || st.ConnectTimeouts > 0 {
		w.fail("%d bad packets, %d connect timeouts", st.BadPackets, st.ConnectTimeouts)
	}
	if want := w.slow.Load(); st.Engine.Slow < want {
		w.fail("%d slow clients were counted of %d", st.Engine.Slow, want)
	}
}

// stop ends the server.
func (w *world) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.srv.Shutdown(ctx); err != nil {
		w.fail("Shutdown: %v", err)
	}
	if err := w.hs.Shutdown(ctx); err != nil {
		w.fail("http.Server.Shutdown: %v", err)
	}
	<-w.done
}
