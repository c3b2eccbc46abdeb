package client_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/client"
)

func TestDelaysDoubleUpToTheMaximumWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, nil)
		var at []time.Duration
		start := time.Now()
		s.asked = func() { at = append(at, time.Since(start)) }
		s.down.Store(true)
		failed := make(chan bool, 1)
		var attempts, errs int
		c := s.client(func(o *client.Options) {
			o.ReconnectionAttempts = 40
			o.Hooks.ReconnectAttempt = func(n int) { attempts = n }
			o.Hooks.ReconnectError = func(error) { errs++ }
			o.Hooks.ReconnectFailed = func() { failed <- true }
		})
		if err := c.Of("/").Connect(t.Context()); err == nil {
			t.Fatal("connected")
		}
		next(t, failed)
		if len(at) != 41 || attempts != 40 || errs != 40 || c.Of("/").Active() {
			t.Fatalf("%d requests, %d attempts, %d errors", len(at), attempts, errs)
		}
		different := map[time.Duration]bool{}
		base := time.Second
		for i := 1; i < len(at); i++ {
			d := at[i] - at[i-1]
			if d < base/2 || d > min(base*3/2, 5*time.Second) {
				t.Errorf("delay %d is %v, base %v", i, d, base)
			}
			different[d] = true
			base = min(2*base, 5*time.Second)
		}
		if len(different) < 30 {
			t.Errorf("only %d different delays", len(different))
		}
	})
}

// hangUps is how often the server accepts and hangs up; 10,000 take some
// seconds, and a minute with the race detector.
const hangUps = 1000

func TestServerThatHangsUpAtOnceIsAskedEverMoreSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, func(c *fakeConn, p string) {
			c.send(`0{"sid":"S"}`)
			c.cut()
		})
		go func() {
			for range s.packets {
			}
		}()
		go func() {
			for range s.conns {
			}
		}()
		var n atomic.Int64
		all := make(chan bool)
		c := s.client(nil)
		c.Of("/").OnConnect(func(context.Context) {
			if n.Add(1) == hangUps {
				close(all)
			}
		})
		start := time.Now()
		before := runtime.NumGoroutine()
		_ = c.Of("/").Connect(t.Context())
		<-all
		if d := time.Since(start) / hangUps; d < 2*time.Second {
			t.Errorf("asked every %v", d)
		}
		if now := runtime.NumGoroutine(); now > before+20 {
			t.Errorf("%d goroutines, %d before", now, before)
		}
		_ = c.Close()
		close(s.packets)
		close(s.conns)
	})
}

func TestDelayBeginsAnewAfterAConnectionThatHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		back := make(chan bool, 10)
		so := s.connect(func(o *client.Options) { o.RandomizationFactor = -1 })
		so.OnConnect(func(context.Context) { back <- true })
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second, time.Second} {
			if i == 5 {
				time.Sleep(6 * time.Second)
			}
			start := time.Now()
			next(t, s.conns).cut()
			next(t, back)
			if d := time.Since(start); d != want {
				t.Errorf("%d: after %v, want %v", i, d, want)
			}
		}
	})
}

func TestWithoutReconnectionLossIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(func(o *client.Options) { o.NoReconnection = true })
		next(t, s.conns).cut()
		synctest.Wait()
		if so.Active() || !errors.Is(so.Emit(t.Context(), "x"), client.ErrNotConnected) {
			t.Error("still active")
		}
		if err := so.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.down.Store(true)
		next(t, s.conns).cut()
		synctest.Wait()
		if err := so.Connect(t.Context()); err == nil {
			t.Error("connected")
		}
	})
}

func TestEventsWaitForTheConnectionInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var id int
		s := newFake(t, accepting(func(c *fakeConn, p string) {
			if n, _ := fmt.Sscanf(p, `2%d["ack`, &id); n == 1 {
				c.send(fmt.Sprintf(`3%d["late"]`, id))
			}
		}))
		so := s.connect(func(o *client.Options) { o.SendBuffer = 1000 })
		s.down.Store(true)
		next(t, s.conns).cut()
		synctest.Wait()
		reply, abandoned := make(chan string, 1), make(chan error, 1)
		if err := so.Emit(t.Context(), "a", 1); err != nil {
			t.Fatal(err)
		}
		go func() {
			v, _ := client.Call[string](t.Context(), so, "ack")
			reply <- v
		}()
		synctest.Wait()
		go func() { abandoned <- so.Timeout(time.Millisecond).EmitAck(t.Context(), "abandoned", nil) }()
		if err := next(t, abandoned); !errors.Is(err, client.ErrAckTimeout) {
			t.Error(err)
		}
		if err := so.Volatile().Emit(t.Context(), "v"); !errors.Is(err, client.ErrDropped) {
			t.Error(err)
		}
		full := 0
		for i := range 100 {
			if err := so.Emit(t.Context(), "b", i); errors.Is(err, client.ErrBufferFull) {
				full++
			}
		}
		if full < 80 || full > 99 {
			t.Errorf("%d of 100 refused", full)
		}
		s.down.Store(false)
		if got := next(t, reply); got != "late" {
			t.Error(got)
		}
		expect(t, s.packets, `0`, `0`, `2["a",1]`, `20["ack"]`)
		for i := range 100 - full {
			expect(t, s.packets, fmt.Sprintf(`2["b",%d]`, i))
		}
		if err := so.Emit(t.Context(), "c"); err != nil {
			t.Error(err)
		}
		expect(t, s.packets, `2["c"]`)
	})
}

func TestRetriesSendOneEventAtATimeUntilAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := 0
		s := newFake(t, accepting(func(c *fakeConn, p string) {
			seen++
			var id int
			var name string
			_, _ = fmt.Sscanf(p, "2%d[%q]", &id, &name)
			switch {
			case name == "b" && seen == 2: // the first try of b is not answered
			case name == "c" && seen == 4: // that of c ends the connection
				c.cut()
			default:
				c.send(fmt.Sprintf("3%d[%d]", id, seen))
			}
		}))
		so := s.connect(func(o *client.Options) { o.Retries, o.AckTimeout = 3, time.Second })
		for _, name := range []string{"a", "b"} {
			if err := so.Emit(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		n, err := client.Call[int](t.Context(), so, "c")
		if n != 5 || err != nil {
			t.Error(n, err)
		}
		expect(t, s.packets, `0`, `20["a"]`, `21["b"]`, `22["b"]`, `23["c"]`, `0`, `24["c"]`)
	})
}

func TestRetriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(func(o *client.Options) { o.Retries, o.AckTimeout = 2, time.Second })
		start := time.Now()
		errs := make(chan error, 1)
		go func() { errs <- so.EmitAck(t.Context(), "x", nil) }()
		synctest.Wait()
		_ = so.Emit(t.Context(), "y")
		if err := next(t, errs); !errors.Is(err, client.ErrAckTimeout) || time.Since(start) != 3*time.Second {
			t.Error(err, time.Since(start))
		}
		expect(t, s.packets, `0`, `20["x"]`, `21["x"]`, `22["x"]`, `23["y"]`)
		time.Sleep(10 * time.Second)
		expect(t, s.packets, `24["y"]`, `25["y"]`)
		if len(s.packets) != 0 {
			t.Error("it was sent again")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := so.EmitAck(ctx, "z", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := so.Volatile().Emit(t.Context(), "v"); err != nil {
			t.Error(err)
		}
		expect(t, s.packets, `26["z"]`, `2["v"]`)
	})
}

func TestSessionIsRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := true
		s := newFake(t, nil)
		s.script = func(c *fakeConn, p string) {
			switch {
			case p[0] == '0' && found:
				if c.n > 1 {
					c.send(`2["missed","m","o3"]`)
				}
				c.send(`0{"sid":"S","pid":"P"}`)
			case p[0] == '0':
				c.send(`0{"sid":"T","pid":"Q"}`)
			}
		}
		so := s.client(func(o *client.Options) { o.Auth = map[string]string{"token": "x"} }).Of("/")
		got, back := make(chan string, 10), make(chan bool, 10)
		client.On(so, "news", func(_ context.Context, v string) error { got <- v; return nil })
		client.On(so, "missed", func(_ context.Context, v string) error { got <- v; return nil })
		if err := so.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		so.OnConnect(func(context.Context) { back <- so.Recovered() })
		conns := []*fakeConn{next(t, s.conns)}
		conns[0].send(`2["news","a","o1"]`)
		conns[0].send(`2["news","b","o2"]`)
		conns[0].send(`20["news","c","no offset, for it is acknowledged"]`)
		expect(t, got, "a", "b", "c")
		synctest.Wait()
		s.conns <- conns[0] // counts as one
		conns[0].cut()
		if !next(t, back) {
			t.Error("not recovered")
		}
		expect(t, got, "m")
		expect(t, s.packets, `0{"token":"x"}`, `30[]`, `0{"offset":"o2","pid":"P","token":"x"}`)
		next(t, s.conns)
		c := next(t, s.conns)
		found = false
		c.cut()
		if next(t, back) {
			t.Error("recovered")
		}
		expect(t, s.packets, `0{"offset":"o3","pid":"P","token":"x"}`)
		next(t, s.conns).cut()
		next(t, back)
		expect(t, s.packets, `0{"pid":"Q","token":"x"}`) // no offset of the session before
	})
}

// The offset says what need not be sent again, so it must not name an event that
// was still waiting for room when its connection ended.
func TestEventThatFoundNoRoomIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := newFake(t, func(c *fakeConn, p string) {
			if n++; n == 1 {
				c.send(`0{"sid":"S","pid":"P"}`)
			}
		})
		so := s.connect(func(o *client.Options) { o.ReceiveBuffer = 150 })
		expect(t, s.packets, "0")
		let, got := make(chan bool), make(chan int, 10)
		open := sync.OnceFunc(func() { close(let) })
		defer open()
		client.On(so, "e", func(_ context.Context, i int) error {
			<-let
			got <- i
			return nil
		})
		c := next(t, s.conns)
		c.send(`2["e",1,"first"]`)
		synctest.Wait() // it is being handled
		c.send(`2["e",2,"second"]`)
		c.send(`2["e",3,"third"]`) // finds no room, until the heartbeat is overdue
		expect(t, s.packets, `0{"offset":"second","pid":"P"}`)
		open()
		for want := 1; want <= 2; want++ {
			if i := next(t, got); i != want {
				t.Fatalf("got %d, want %d", i, want)
			}
		}
	})
}

func TestEarlyEventsThatFoundNoRoomAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := newFake(t, func(c *fakeConn, p string) {
			if n++; n == 2 { // replayed before CONNECT
				for i, offset := range []string{"second", "third", "fourth"} {
					c.send(fmt.Sprintf(`2["e",%d,%q]`, i+2, offset))
				}
			}
			if n <= 2 {
				c.send(`0{"sid":"S","pid":"P"}`)
			}
		})
		so := s.connect(func(o *client.Options) { o.ReceiveBuffer = 400 })
		let := make(chan bool)
		open := sync.OnceFunc(func() { close(let) })
		defer open()
		client.On(so, "e", func(context.Context, int) error { <-let; return nil })
		c := next(t, s.conns)
		c.send(`2["e",0,"zeroth"]`)
		synctest.Wait()
		c.send(`2["e",1,"first"]`)
		synctest.Wait()
		c.cut()
		expect(t, s.packets, "0", `0{"offset":"first","pid":"P"}`, `0{"offset":"third","pid":"P"}`)
	})
}

func TestEventsBeforeConnectAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, func(c *fakeConn, p string) {
			for range 100 {
				c.send(`2["x","0123456789"]`)
			}
		})
		reasons := make(chan client.Reason, 10)
		c := s.client(func(o *client.Options) {
			o.ReceiveBuffer = 1000
			o.Hooks.Close = func(why client.Reason, _ error) { reasons <- why }
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Of("/").Connect(ctx); err == nil {
			t.Error("connected")
		}
		if why := next(t, reasons); why != client.ParseError {
			t.Error(why)
		}
	})
}

func TestHostilePacketsCloseTheConnection(t *testing.T) {
	for _, p := range []string{
		`511-["x"]`, `50-["x"]`, `5999999999-["x"]`, `51-["x",{"_placeholder":true,"num":7}]`, `2[]`, `2{}`, `2["connect"]`,
		`3{}`, `4`, `0["x"]`, `8`, ``, `2["x"`, `2["x"]]`, "2[\"x\"]\x00",
	} {
		t.Run(p, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t, accepting(nil))
				so := s.connect(nil)
				gone := make(chan client.Reason, 10)
				so.OnDisconnect(func(_ context.Context, why client.Reason) { gone <- why })
				c := next(t, s.conns)
				c.send(p)
				c.binary("\x00")
				if why := next(t, gone); why != client.ParseError {
					t.Error(why)
				}
			})
		})
	}
}

func TestSlowHandlerMakesTheServerWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(func(o *client.Options) { o.ReceiveBuffer = 1000 })
		release := make(chan bool)
		handled := 0
		client.On(so, "x", func(context.Context, int) error { <-release; handled++; return nil })
		var sent atomic.Int64
		c := next(t, s.conns)
		done := make(chan bool)
		go func() {
			defer close(done)
			for i := range 200 {
				c.send(fmt.Sprintf(`2["x",%d]`, i))
				sent.Add(1)
			}
		}()
		synctest.Wait()
		if n := sent.Load(); n > 100 {
			t.Errorf("%d events taken", n)
		}
		close(release)
		<-done
		synctest.Wait()
		if handled != 200 {
			t.Error(handled)
		}
		// A stuck handler must not hold Close up longer than it takes.
		stuck := make(chan bool)
		client.On(so, "y", func(ctx context.Context, _ int) error { close(stuck); <-ctx.Done(); return nil })
		c.send(`2["y",1]`)
		<-stuck
		_ = so.Client().Close()
	})
}

func TestSleepingMachineNoticesTheMissedHeartbeatBeforeSending(t *testing.T) {
	// The test and the timer of the heartbeat wake up together, as on a machine
	// that slept, and the test often is the first.
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, accepting(nil))
		so := s.connect(nil)
		time.Sleep(45 * time.Second)
		if err := so.Emit(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, s.packets, `0`, `0`, `2["x"]`)
	})
}

func TestDisconnectDuringConnectIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan bool)
		s := newFake(t, func(c *fakeConn, p string) {
			if p == "0/slow," {
				<-hold
				c.send(`0/slow,{"sid":"S"}`)
			} else if p == "0" {
				c.send(`0{"sid":"S"}`)
			}
		})
		so := s.connect(nil)
		slow := so.Client().Of("/slow")
		errs := make(chan error, 1)
		go func() { errs <- slow.Connect(t.Context()) }()
		expect(t, s.packets, "0", "0/slow,")
		slow.Disconnect()
		if err := next(t, errs); !errors.Is(err, client.ErrNotConnected) {
			t.Error(err)
		}
		close(hold)
		expect(t, s.packets, "1/slow,")
		if slow.Connected() {
			t.Error("connected")
		}
	})
}
