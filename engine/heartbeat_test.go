package engine_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// beats is a heartbeat that synctest bubbles can watch; tick is how exact the
// server is about it.
var beats = engine.Options{PingInterval: 1000 * time.Millisecond, PingTimeout: 600 * time.Millisecond, UpgradeTimeout: 700 * time.Millisecond}

const tick = 30 * time.Millisecond

// near allows for the ticks that a deadline may be noticed early or late.
func near(t *testing.T, what string, got, want time.Duration, ticks int) {
	t.Helper()
	wantBetween(t, what, got, want-time.Duration(ticks)*tick, want+time.Duration(ticks)*tick)
}

func wantBetween(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s after %v, want %v to %v", what, got, low, high)
	}
}

func bubble(t *testing.T, change func(*engine.Options), test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := beats
		if change != nil {
			change(&o)
		}
		test(t, newFixture(t, &o, inMemory))
	})
}

func TestPingFollowsThePongByAnInterval(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		r, _ := f.connect()
		for range 3 {
			start := time.Now()
			r.wantFrame(1, "2")
			near(t, "ping", time.Since(start), beats.PingInterval, 1)
			time.Sleep(400 * time.Millisecond)
			r.text("3")
		}
	})
}

func TestSilentClientTimesOut(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		start := time.Now()
		r, s := f.connect()
		_, ps := f.open()
		r.wantFrame(1, "2")
		for _, s := range []*session{s, ps} {
			if err := <-s.closed; !errors.Is(err, engine.ErrPingTimeout) {
				t.Error(err)
			}
		}
		near(t, "timeout", time.Since(start), beats.PingInterval+beats.PingTimeout, 2)
		if op, p := r.frame(); op != 0 {
			t.Errorf("after the timeout: %d %q", op, p)
		}
		if n := f.srv.Stats().PingTimeouts; n != 2 {
			t.Errorf("%d were counted", n)
		}
	})
}

// It is over TCP, as it is for connections that can be written to at once.
func TestClientThatIsLateGetsACloseFrame(t *testing.T) {
	f := newFixture(t, &engine.Options{PingInterval: 20 * time.Millisecond, PingTimeout: 20 * time.Millisecond})
	r, s := f.connect()
	r.wantFrame(1, "2")
	r.wantFrame(8, "")
	if err := <-s.closed; !errors.Is(err, engine.ErrPingTimeout) {
		t.Error(err)
	}
}

func TestOtherPacketExtendsTheWaitForAPongOnce(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		r, s := f.connect()
		r.wantFrame(1, "2")
		start := time.Now()
		for range 6 {
			time.Sleep(100 * time.Millisecond)
			select {
			case <-s.closed:
				t.Fatal("closed early")
			default:
			}
			r.text("4x")
			synctest.Wait()
		}
		// The first came 100 ms after the ping.
		<-s.closed
		near(t, "timeout", time.Since(start), 100*time.Millisecond+beats.PingTimeout, 1)
	})
}

func TestPongOutOfTurnChangesNothing(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		start := time.Now()
		r, _ := f.connect()
		time.Sleep(500 * time.Millisecond)
		r.text("3")
		r.wantFrame(1, "2")
		near(t, "ping", time.Since(start), beats.PingInterval, 1)
	})
}

func TestHeartbeatWorksOverPolling(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		sid, s := f.open()
		for range 3 {
			wantAnswer(t, "poll", f.get(sid), 200, "2")
			wantAnswer(t, "pong", f.post(sid, "3"), 200, "ok")
		}
		wantAnswer(t, "poll", f.get(sid), 200, "2")
		pending := f.goGet(sid)
		if err := <-s.closed; !errors.Is(err, engine.ErrPingTimeout) {
			t.Error(err)
		}
		wantAnswer(t, "pending poll", <-pending, 200, "1")
	})
}

func TestUpgradeHasToEndInTime(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		sid, _ := f.open()
		start := time.Now()
		r := f.websocket("EIO=4&transport=websocket&sid=" + sid)
		r.text("2probe")
		r.wantFrame(1, "3probe")
		if op, p := r.frame(); op != 0 {
			t.Errorf("%d %q", op, p)
		}
		wantBetween(t, "end of the probe", time.Since(start), 700*time.Millisecond, 700*time.Millisecond+tick)
		wantAnswer(t, "post", f.post(sid, "4x"), 200, "ok")
	})
}

func TestUpgradeWaitsForThePostInProgress(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		sid, s := f.open()
		post := f.dial()
		post.send("POST /engine.io/?" + polling + "&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n4fir")
		synctest.Wait()
		r := f.websocket("EIO=4&transport=websocket&sid=" + sid)
		r.text("2probe")
		r.wantFrame(1, "3probe")
		go io.WriteString(r.Conn, maskedFrame(0x81, "5")+maskedFrame(0x81, "4second")) // waits, on a pipe
		synctest.Wait()
		if len(s.got) != 0 {
			t.Fatalf("%q overtook", <-s.got)
		}
		post.send("st")
		expect(t, s.got, "first", "second")
	})
}

func TestNoTimerRunsWithoutConnections(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		sid, s := f.open()
		f.post(sid, "1")
		<-s.closed
		// Shutdown waits for the timer too; a tick that goes on would hold it.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := f.srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		a, err := f.try("GET", polling, "")
		if err != nil || a.status != http.StatusServiceUnavailable {
			t.Errorf("handshake after Shutdown: %v %v", a, err)
		}
	})
}

func TestServerCloseOverPollingWaitsForAPoll(t *testing.T) {
	why := errors.New("enough")
	bubble(t, nil, func(t *testing.T, f *fixture) {
		sid, s := f.open()
		_ = s.c.SendMessage(false, []byte("last words"), 0)
		s.c.Close(why)
		if err := <-s.closed; err != why {
			t.Error(err)
		}
		if err := s.c.SendMessage(false, nil, 0); err != engine.ErrClosed {
			t.Error(err)
		}
		time.Sleep(300 * time.Millisecond)
		wantAnswer(t, "post while closing", f.post(sid, "4x"), 200, "ok")
		wantAnswer(t, "poll", f.get(sid), 200, "4last words")
		wantAnswer(t, "the end, by itself", f.get(sid), 200, "1")
		wantAnswer(t, "next", f.get(sid), 400, `{"code":1,"message":"Session ID unknown"}`)

		_, s = f.open()
		s.c.Close(nil)
		if err := <-s.closed; err != engine.ErrClosed {
			t.Error(err)
		}
		time.Sleep(beats.PingTimeout + tick)
		synctest.Wait()
		if n := f.srv.Len(); n != 0 {
			t.Errorf("%d connections wait for ever", n)
		}

		sid, s = f.open()
		pending := f.goGet(sid)
		synctest.Wait()
		s.c.Close(nil)
		wantAnswer(t, "pending poll", <-pending, 200, "1")
		synctest.Wait()
		if st := f.srv.Stats(); len(s.got) != 0 || st.Open != 0 || st.Opened != 3 || st.Closed != 3 {
			t.Errorf("%+v", st)
		}
	})
}

func TestServerCloseOverWebSocketFlushesAndSaysGoodbye(t *testing.T) {
	why := errors.New("enough")
	bubble(t, nil, func(t *testing.T, f *fixture) {
		r, s := f.connect()
		_ = s.c.SendMessage(false, []byte("last words"), engine.Later)
		s.c.Close(why)
		s.c.Close(nil)
		r.wantFrame(1, "4last words")
		r.wantFrame(8, "")
		r.send(maskedFrame(0x88, ""))
		if err := <-s.closed; err != why {
			t.Error(err)
		}
		// One that never answers is not waited for.
		start := time.Now()
		r, s = f.connect()
		s.c.Close(nil)
		r.wantFrame(8, "")
		<-s.closed
		wantBetween(t, "end", time.Since(start), time.Second, 2*time.Second+tick)
	})
}

func TestPeerCloseIsAnswered(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		r, s := f.connect()
		r.send(maskedFrame(0x88, "\x03\xe8bye"))
		r.wantFrame(8, "\x03\xe8")
		if err := <-s.closed; !errors.Is(err, engine.ErrTransportClose) {
			t.Error(err)
		}
	})
}

func TestSessionErrorClosesTheConnection(t *testing.T) {
	why := errors.New("cannot parse")
	refuse := func(f *fixture) {
		f.message = func(s *session, _ bool, _ []byte) error {
			_ = s.c.SendMessage(false, []byte("reason"), 0)
			return why
		}
	}
	f := newFixture(t, nil, refuse)
	r, s := f.connect()
	r.send(maskedFrame(0x81, "4x") + maskedFrame(0x81, "4y"))
	r.wantFrame(1, "4reason")
	r.wantFrame(8, "")
	r.Close()
	if err := next(t, s.closed); err != why {
		t.Error(err)
	}
	sid, s := f.open()
	wantAnswer(t, "post", f.post(sid, "4x\x1e4y"), 200, "ok")
	if err := next(t, s.closed); err != why {
		t.Error(err)
	}
	wantAnswer(t, "poll", f.get(sid), 200, "4reason")
	wantAnswer(t, "the end, by itself", f.get(sid), 200, "1")
}

func TestShutdownClosesEverySessionAndWaits(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		r, s := f.connect()
		sid, ps := f.open()
		pending := f.goGet(sid)
		_, idle := f.open() // it never polls
		synctest.Wait()
		ended := make(chan error)
		go func() { ended <- f.srv.Shutdown(t.Context()) }()
		r.wantFrame(8, "")
		r.send(maskedFrame(0x88, ""))
		wantAnswer(t, "pending poll", <-pending, 200, "1")
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, s := range []*session{s, ps, idle} {
			if err := <-s.closed; err != engine.ErrServerClosed {
				t.Error(err)
			}
		}
	})
	bubble(t, nil, func(t *testing.T, f *fixture) {
		_, s := f.connect()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := f.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		wantBetween(t, "cut", time.Since(start), 100*time.Millisecond, 110*time.Millisecond)
		if err := <-s.closed; err != engine.ErrServerClosed {
			t.Error(err)
		}
	})
}
