package sio_test

import (
	"context"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/sio"
)

// A client that comes back twice in a row, the first time with a guard that
// takes its time, misses nothing.
func TestSessionIsTakenOverFromASocketWithASlowGuard(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{})
	ns := w.srv.Of("/")
	entered, gate := make(chan bool, 10), make(chan bool)
	slow := false
	ns.Use(func(_ context.Context, s *sio.Socket) error {
		if s.Recovered() && slow {
			slow = false
			entered <- true
			<-gate
		}
		return nil
	})
	p := w.dial()
	p.send(`40`)
	ids := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	receive(t, recovered)
	emit(t, ns.Target, 0)
	offset := p.expect(`42["e",0,"{offset}"]`)[0]
	p.cut()
	receive(t, gone)
	emit(t, ns.Target, 1)
	slow = true
	first := w.back(ids[1], offset)
	receive(t, entered)
	emit(t, ns.Target, 2)
	second := w.back(ids[1], offset)
	second.expect(`42["e",1,"{a}"]`, `42["e",2,"{b}"]`, `40{"sid":"`+ids[0]+`","pid":"`+ids[1]+`"}`)
	close(gate)
	first.closed()
	emit(t, ns.Target, 3)
	last := second.expect(`42["e",3,"{c}"]`)[0]
	second.cut()
	receive(t, gone)
	emit(t, ns.Target, 4)
	third := w.back(ids[1], last)
	third.expect(`42["e",4,"{d}"]`, `40{"sid":"`+ids[0]+`","pid":"`+ids[1]+`"}`)
}

func TestRoomsThatMayNotBeRejoinedAreLeftOut(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{
		MayRejoin: func(_ context.Context, _ *sio.Socket, room string) bool { return !strings.HasPrefix(room, "secret") },
	})
	ns := w.srv.Of("/")
	ns.Use(func(ctx context.Context, s *sio.Socket) error { return s.Join(ctx, "of the guard") })
	p := w.dial()
	p.send(`40`)
	ids := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	receive(t, recovered)
	p.send(`421["join","secret"]`)
	p.expect(`431[]`)
	p.send(`422["join","open"]`)
	p.expect(`432[]`)
	p.cut()
	receive(t, gone)
	emit(t, ns.To("secret"), 1)
	emit(t, ns.To("open"), 2)
	p = w.back(ids[1], "")
	p.expect(`42["e",2,"{a}"]`, `40{"sid":"`+ids[0]+`","pid":"`+ids[1]+`"}`)
	receive(t, recovered)
	emit(t, ns.To("secret"), 3)
	emit(t, ns.To("of the guard"), 4)
	p.expect(`42["e",4,"{b}"]`)
}

func TestRecoveryLeavesOutWhatWasSentToARoomBeforeItWasJoined(t *testing.T) {
	w, recovered, gone := recoverable(t, &sio.Recovery{})
	ns := w.srv.Of("/")
	p := w.dial()
	p.send(`40`)
	ids := p.expect(`40{"sid":"{sid}","pid":"{pid}"}`)
	receive(t, recovered)
	emit(t, ns.To("r"), 1)
	p.send(`421["join","r"]`)
	p.expect(`431[]`)
	p.cut()
	receive(t, gone)
	emit(t, ns.To("r"), 2)
	p = w.back(ids[1], "")
	p.expect(`42["e",2,"{a}"]`, `40{"sid":"`+ids[0]+`","pid":"`+ids[1]+`"}`)
}
