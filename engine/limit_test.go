package engine_test

import (
	"strings"
	"testing"
)

func TestHandshakeWithALongHeaderIsRefused(t *testing.T) {
	f := newFixture(t, nil)
	long := strings.Repeat("x", 15<<10)
	if a := f.request("GET", polling, "", "X-Long", long); a.status != 431 {
		t.Errorf("long header: %d %.100q", a.status, a.body)
	}
	if a := f.request("GET", polling+"&t="+long, ""); a.status != 431 {
		t.Errorf("long query: %d %.100q", a.status, a.body)
	}
	r := f.dial()
	r.send(upgradeRequest("EIO=4&transport=websocket", "X-Long: "+long))
	if head := r.head(); !strings.HasPrefix(head, "HTTP/1.1 431 ") {
		t.Errorf("long header of a WebSocket: %q", head)
	}
	if n := f.srv.Len(); n != 0 {
		t.Errorf("%d sessions", n)
	}
	// Later requests keep nothing.
	sid, _ := f.open()
	if a := f.request("POST", polling+"&sid="+sid, "4x", "X-Long", long); a.status != 200 {
		t.Errorf("long header of a session: %d", a.status)
	}
}

func TestSessionMayBoundTheMessagesOfItsClient(t *testing.T) {
	f := newFixture(t, nil)
	long := strings.Repeat("x", 2000)

	sid, s := f.open()
	s.c.LimitMessages(1000)
	wantAnswer(t, "long body", f.post(sid, "4"+long), 413, "")
	wantAnswer(t, "short body", f.post(sid, "4short"), 200, "ok")
	expect(t, s.got, "short")
	// The WebSocket that takes over has the bound, too.
	up := f.websocket("EIO=4&transport=websocket&sid=" + sid)
	up.text("2probe")
	up.wantFrame(1, "3probe")
	up.text("5")
	up.text("4moved")
	expect(t, s.got, "moved")
	up.text("4" + long)
	if op, p := up.frame(); op != 8 || !strings.HasPrefix(p, "\x03\xf1") {
		t.Errorf("long message after the upgrade: %d %q", op, p)
	}

	r, s := f.connect()
	s.c.LimitMessages(1000)
	s.c.LimitMessages(0)
	r.text("4" + long)
	expect(t, s.got, long)
}

func TestProbeIsNotSentMuch(t *testing.T) {
	f := newFixture(t, nil)
	sid, s := f.open()
	probe := f.websocket("EIO=4&transport=websocket&sid=" + sid)
	probe.text("2probe" + strings.Repeat("x", 1000))
	if op, _ := probe.frame(); op != 0 {
		t.Errorf("got frame %d, want the end", op)
	}
	wantAnswer(t, "post after it", f.post(sid, "4on"), 200, "ok")
	expect(t, s.got, "on")
}
