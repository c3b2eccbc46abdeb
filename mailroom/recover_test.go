package mailroom_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
)

// A slowLog lets something happen while a socket is let in.
type slowLog struct {
	sio.Log
	before func()
	inside func(last sio.Place)
}

func (l *slowLog) InOrder(ctx context.Context, fn func(last sio.Place)) error {
	l.before()
	return l.Log.InOrder(ctx, func(last sio.Place) {
		l.inside(last)
		fn(last)
	})
}

// What is stored but not sent yet when a socket comes back is sent to it live:
// it is not replayed, too.
func TestEventOnItsWayIsNotReplayed(t *testing.T) {
	p := newPlant(t)
	_ = p.srv.Close()
	armed := false
	emitted := make(chan error, 1)
	log, err := p.store.Log(t.Context(), "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.wrap = func(l sio.Log) sio.Log {
		return &slowLog{l, func() {
			if armed {
				p.emit([]string{"durable1"}, "read at last")
			}
		}, func(last sio.Place) {
			if !armed {
				return
			}
			armed = false
			go func() { emitted <- p.srv.To("durable1").Emit(context.Background(), "e", "on its way") }()
			for log.Bounds().Last == last.Seq {
				runtime.Gosched()
			}
		}}
	}
	p.start()
	r := p.connect("durable1")
	p.emit([]string{"durable1"}, "first")
	r.next(t)
	armed = true
	for s := range p.srv.Of("/").Sockets() {
		s.Conn().Close(engine.ErrTransportClose)
	}
	for _, want := range []string{"read at last", "on its way"} {
		if got := r.next(t); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	if err := <-emitted; err != nil {
		t.Error(err)
	}
	p.emit([]string{"durable1"}, "last")
	if got := r.next(t); got != "last" {
		t.Errorf("got %s", got)
	}
}

// A socket that comes back while others emit gets what is stored and on its
// way to the others once, from the log or live.
func TestComingBackWhileOthersEmitLosesAndDoublesNothing(t *testing.T) {
	p := newPlant(t)
	r := p.connect("durable1")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var counts [4]int
	for e := range counts {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := p.srv.To("durable1").Emit(context.Background(), "e", fmt.Sprint(e, "-", counts[e])); err != nil {
					t.Error(err)
				}
				counts[e]++
				time.Sleep(200 * time.Microsecond) // the one that comes back has to catch up
			}
		})
	}
	seen := make(chan string, 1_000_000)
	go func() {
		defer close(seen)
		for {
			select {
			case s := <-r.seen:
				seen <- s
			case <-t.Context().Done():
				return
			}
		}
	}()
	back := make(chan bool, 10)
	r.s.OnConnect(func(context.Context) { back <- r.s.Recovered() })
	for range 50 {
		for s := range p.srv.Of("/").Sockets() {
			s.Conn().Close(engine.ErrTransportClose)
		}
		select {
		case recovered := <-back:
			if !recovered {
				t.Fatal("not recovered")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it does not come back")
		}
	}
	close(stop)
	wg.Wait()
	var next [4]int
	for range counts[0] + counts[1] + counts[2] + counts[3] {
		var e, n int
		var got string
		select {
		case got = <-seen:
		case <-time.After(5 * time.Second):
			t.Fatalf("got %v of %v", next, counts)
		}
		if _, err := fmt.Sscanf(got, "%d-%d", &e, &n); err != nil || n != next[e] {
			t.Fatalf("got %s, want %d of %d", got, next[e], e)
		}
		next[e]++
	}
}
