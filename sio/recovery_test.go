package sio_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
)

// recoverable is a world whose sockets can come back.
func recoverable(t *testing.T, r *sio.Recovery) (w *world, recovered chan bool, gone chan bool) {
	w = serve(t, &sio.Options{Recovery: r})
	recovered, gone = make(chan bool, 1000), make(chan bool, 1000)
	ns := w.srv.Of("/")
	ns.OnConnect(func(ctx context.Context, s *sio.Socket) error {
		if !s.Recovered() {
			s.Set("name", "n")
		} else if s.Get("name") != "n" {
			t.Error("values are lost")
		}
		recovered <- s.Recovered()
		return nil
	})
	ns.OnDisconnect(func(context.Context, *sio.Socket, sio.Reason) { gone <- true })
	sio.On(ns, "join", func(ctx context.Context, s *sio.Socket, room string) error { return s.Join(ctx, room) })
	alive(ns)
	return w, recovered, gone
}

func emit(t *testing.T, target sio.Target, args ...any) {
	t.Helper()
	if err := target.Emit(t.Context(), "e", args...); err != nil {
		t.Fatal(err)
	}
}

// back connects with a private ID and the last offset seen.
func (w *world) back(pid, offset string) *peer {
	p := w.dial()
	if offset == "" {
		p.send(fmt.Sprintf(`40{"pid":%q}`, pid))
	} else {
		p.send(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, pid, offset))
	}
	return p
}

func TestRecoveredSocketGetsWhatItMissed(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{})
	ns := w.srv.Of("/")
	p := w.dial()
	p.send(`40`)
	ids := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	sid, pid := ids[0], ids[1]
	receive(t, recovered)
	p.send(`421["join","r"]`)
	p.expect(`431[]`)
	emit(t, ns.Target, 1)
	offset := p.expect(`42["e",1,"{offset}"]`)[0]
	p.cut()
	receive(t, gone)
	emit(t, ns.To("r"), 2)
	emit(t, ns.To("other"), "not for it")
	emit(t, ns.Except("r"), "not for it")
	emit(t, ns.Target.Volatile(), "lost")
	emit(t, ns.To(sid), []byte("b"))
	emit(t, ns.Target, 3)

	for range 2 { // again from the same offset, and again
		p = w.back(pid, offset)
		p.expect(`42["e",2,"{a}"]`, `451-["e",{"_placeholder":true,"num":0},"{b}"]`, `<b>`, `42["e",3,"{c}"]`)
		if got := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`); got[0] != sid || got[1] != pid {
			t.Errorf("got %v, want the IDs before", got)
		}
		if !receive(t, recovered) {
			t.Error("not recovered")
		}
		p.quiet()
		p.cut()
		receive(t, gone)
	}
	p = w.back(pid, offset)
	last := p.expect(`42["e",2,"{a}"]`, `451-["e",{"_placeholder":true,"num":0},"{b}"]`, `<b>`, `42["e",3,"{c}"]`)[2]
	p.cut()
	p = w.back(pid, last)
	p.expect(`40{"sid":"` + sid + `","pid":"` + pid + `"}`)
	emit(t, ns.To("r"), 4)
	p.expect(`42["e",4,"{d}"]`)
	p.quiet()
}

func TestRecoveryWithoutAnOffset(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{})
	ns := w.srv.Of("/")
	emit(t, ns.Target, "before it came")
	p := w.dial()
	p.send(`40`)
	ids := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	receive(t, recovered)
	p.cut()
	receive(t, gone)
	emit(t, ns.Target, 1)
	p = w.back(ids[1], "")
	p.expect(`42["e",1,"{a}"]`, `40{"sid":"`+ids[0]+`","pid":"`+ids[1]+`"}`)
	if !receive(t, recovered) {
		t.Error("not recovered")
	}
}

func TestRecoveryOfAConnectionThatLooksAlive(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{})
	old := w.dial()
	old.send(`40`)
	ids := old.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	receive(t, recovered)
	emit(t, w.srv.Target, 1) // the client has not read it
	p := w.back(ids[1], "")
	p.expect(`42["e",1,"{a}"]`, `40{"sid":"`+ids[0]+`","pid":"`+ids[1]+`"}`)
	old.expect(`42["e",1,"{a}"]`)
	old.closed()
	receive(t, gone)
	emit(t, w.srv.Target, 2)
	p.expect(`42["e",2,"{b}"]`)
	p.quiet()
}

func TestWhatCannotBeRecoveredIsANewSession(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{MaxEvents: 2})
	ns := w.srv.Of("/")
	p := w.dial()
	p.send(`40`)
	pid := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)[1]
	receive(t, recovered)
	emit(t, ns.Target, 1)
	offset := p.expect(`42["e",1,"{offset}"]`)[0]
	p.cut()
	receive(t, gone)
	for _, c := range []struct{ pid, offset string }{
		{"unknown", offset}, {pid, "garbage"}, {pid, offset + "zz"}, {pid, "x" + offset},
	} {
		p := w.back(c.pid, c.offset)
		if got := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)[1]; got == pid {
			t.Errorf("%v got the session", c)
		}
		if receive(t, recovered) {
			t.Errorf("%v is recovered", c)
		}
		p.send("41")
		receive(t, gone)
	}
	for i := range 3 { // one more than the log keeps
		emit(t, ns.Target, i)
	}
	p = w.back(pid, offset)
	p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	if receive(t, recovered) {
		t.Error("recovered with a gap")
	}
}

func TestSocketThatLeftIsNotRecovered(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{})
	p := w.dial()
	p.send(`40`)
	pid := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)[1]
	receive(t, recovered)
	p.send(`41`)
	receive(t, gone)
	p = w.back(pid, "")
	p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	if receive(t, recovered) {
		t.Error("recovered a session that its client had ended")
	}
}

func TestEventsThatAreNotLoggedDoNotSpoilTheOffset(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{})
	ns := w.srv.Of("/")
	p := w.dial()
	p.send(`40`)
	pid := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)[1]
	receive(t, recovered)
	emit(t, ns.Target, 1)
	offset := p.expect(`42["e",1,"{offset}"]`)[0]
	emit(t, ns.Target.Volatile(), "bob")
	if got := p.expect(`42["e","bob","{offset}"]`)[0]; got != offset {
		t.Errorf("volatile event carries %s, want %s", got, offset)
	}
	emit(t, ns.Target.Volatile(), 7)
	p.expect(`42["e",7]`)
	p.cut()
	receive(t, gone)
	emit(t, ns.Target, 2)
	p = w.back(pid, offset)
	p.expect(`42["e",2,"{a}"]`, `40{"sid":"{sid}","pid":"`+pid+`"}`)
}

func TestGuardsSeeRecoveredSocketsUnlessSkipped(t *testing.T) {
	for _, skip := range []bool{false, true} {
		w, recovered, gone := recoverable(t, &sio.Recovery{SkipMiddleware: skip})
		var refuse atomic.Bool
		w.srv.Of("/").Use(func(context.Context, *sio.Socket) error {
			if refuse.Load() {
				return &sio.Error{Message: "no more"}
			}
			return nil
		})
		p := w.dial()
		p.send(`40`)
		pid := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)[1]
		receive(t, recovered)
		p.cut()
		receive(t, gone)
		refuse.Store(true)
		p = w.back(pid, "")
		if skip {
			p.expect(`40{"sid":"{sid}","pid":"` + pid + `"}`)
			continue
		}
		p.expect(`44{"message":"no more"}`)
		refuse.Store(false)
		p = w.back(pid, "") // what a guard refused is not lost
		p.expect(`40{"sid":"{sid}","pid":"` + pid + `"}`)
	}
}

func TestNothingIsLostOrDoubledWhileManyEmit(t *testing.T) {
	w, recovered, _ := recoverable(t, &sio.Recovery{})
	ns := w.srv.Of("/")
	p := w.dial()
	p.send(`40`)
	pid := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)[1]
	receive(t, recovered)
	const emitters, each = 4, 300
	done := make(chan bool, emitters)
	for e := range emitters {
		go func() {
			for i := range each {
				if err := ns.Emit(context.Background(), "e", e*each+i); err != nil {
					t.Error(err)
				}
			}
			done <- true
		}()
	}
	var got []int
	offset := ""
	for len(got) < emitters*each {
		m, ok := p.next()
		var n int
		var o string
		if ok && len(m) > 2 && m[:2] == "42" {
			if _, err := fmt.Sscanf(m, `42["e",%d,%q]`, &n, &o); err != nil {
				t.Fatalf("%s: %v", m, err)
			}
			got, offset = append(got, n), o
			if len(got)%200 == 100 { // the connection breaks; what is in flight is lost
				p.cut()
				p = w.back(pid, offset)
			}
		}
	}
	for range emitters {
		receive(t, done)
	}
	var last [emitters]int
	for i := range last {
		last[i] = -1
	}
	for _, n := range got {
		if e := n / each; n%each != last[e]+1 {
			t.Fatalf("emitter %d: %d after %d", e, n%each, last[e])
		} else {
			last[e] = n % each
		}
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != emitters*each {
		t.Error("events came twice")
	}
}

func TestTransientEventIsNotSentAgain(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{})
	ns := w.srv.Of("/")
	p := w.dial()
	p.send(`40`)
	ids := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	receive(t, recovered)
	emit(t, ns.Transient(), 1)
	emit(t, ns.Socket(ids[0]).Transient(), 2)
	emit(t, ns.Transient(), "an offset?")
	p.expect(`42["e",1]`, `42["e",2]`, `42["e","an offset?","{offset}"]`)
	p.cut()
	receive(t, gone)
	emit(t, ns.Transient(), 3)
	p = w.back(ids[1], "")
	p.expect(`40{"sid":"` + ids[0] + `","pid":"` + ids[1] + `"}`)
	if !receive(t, recovered) {
		t.Error("not recovered")
	}
}

func TestNothingIsLostWhenTheServerCutsWhileItSends(t *testing.T) {
	w, recovered, _ := recoverable(t, &sio.Recovery{})
	ns := w.srv.Of("/")
	p := w.dial()
	p.send(`40`)
	pid := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)[1]
	receive(t, recovered)
	stop, stopped := make(chan bool), make(chan int)
	ahead := make(chan bool, 1000) // of the reader, so that the log keeps all
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- n
				return
			case ahead <- true:
				if err := ns.Emit(context.Background(), "e", n); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	next, offset := 0, ""
	read := func() bool {
		m, ok := p.next()
		var n int
		var o string
		if !ok || len(m) < 2 || m[:2] != "42" {
			return ok
		}
		if _, err := fmt.Sscanf(m, `42["e",%d,%q]`, &n, &o); err != nil {
			t.Fatalf("%s: %v", m, err)
		}
		if n != next {
			t.Fatalf("got %d, want %d", n, next)
		}
		next, offset = n+1, o
		<-ahead
		return true
	}
	for range 100 {
		for range 20 {
			read()
		}
		for s := range ns.Sockets() {
			s.Conn().Close(engine.ErrTransportClose)
		}
		for read() {
		}
		p.cut()
		p = w.back(pid, offset)
	}
	close(stop)
	for last := receive(t, stopped); next < last; {
		read()
	}
}

// away opens n sessions that are in a room each, and cuts them.
func away(t *testing.T, w *world, n int, recovered, gone chan bool) (pids []string) {
	t.Helper()
	for i := range n {
		p := w.dial()
		p.send("40")
		pids = append(pids, p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)[1])
		receive(t, recovered)
		p.send(fmt.Sprintf(`421["join","%d%s"]`, i, strings.Repeat("r", 1000)))
		p.expect(`431[]`)
		p.cut()
		receive(t, gone)
	}
	return pids
}

func TestOldestSessionsGiveWay(t *testing.T) {
	for name, r := range map[string]*sio.Recovery{"count": {MaxSessions: 3}, "bytes": {MaxSessionBytes: 3*2*1050 + 1000}} {
		t.Run(name, func(t *testing.T) {
			w, recovered, gone := recoverable(t, r)
			pids := away(t, w, 5, recovered, gone)
			if st := w.srv.Stats(); st.RecoveryKept != 3 || st.RecoveryEvicted != 2 {
				t.Errorf("%d sessions are kept, %d were evicted", st.RecoveryKept, st.RecoveryEvicted)
			}
			for i, pid := range pids {
				p := w.back(pid, "")
				p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
				if got := receive(t, recovered); got != (i >= 2) {
					t.Errorf("session %d: recovered %v", i, got)
				}
			}
			if st := w.srv.Stats(); st.RecoveryKept != 0 {
				t.Errorf("%d sessions are kept", st.RecoveryKept)
			}
		})
	}
}

func TestSessionsAreForgottenWithoutFurtherTraffic(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{MaxAge: 50 * time.Millisecond})
	away(t, w, 3, recovered, gone)
	for deadline := time.Now().Add(10 * time.Second); w.srv.Stats().RecoveryKept > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("sessions are kept for ever")
		}
	}
	if n := w.srv.Stats().RecoveryEvicted; n != 0 {
		t.Errorf("%d were evicted", n)
	}
}
