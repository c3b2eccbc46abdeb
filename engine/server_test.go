package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/engine"
)

func TestPollingCarriesMessagesBothWays(t *testing.T) {
	f := newFixture(t, nil)
	sid, s := f.open()
	wantAnswer(t, "post", f.post(sid, "4hello\x1ebAQID\x1e4€"), 200, "ok")
	expect(t, s.got, "hello", "b:\x01\x02\x03", "€")
	_ = s.c.Send(engine.Prepare(text("a"), binary("\x01\x02\x03")), 0)
	_ = s.c.SendMessage(false, []byte("b"), 0)
	wantAnswer(t, "get", f.get(sid), 200, "4a\x1ebAQID\x1e4b")
	pending := f.goGet(sid)
	_ = s.c.SendMessage(false, []byte("c"), 0)
	wantAnswer(t, "get", next(t, pending), 200, "4c")
}

func TestWebSocketCarriesMessagesBothWays(t *testing.T) {
	f := newFixture(t, nil)
	r, s := f.connect()
	r.text("4hello")
	r.send(maskedFrame(0x82, "\x01\x02"))
	expect(t, s.got, "hello", "b:\x01\x02")
	_ = s.c.Send(engine.Prepare(text("a"), binary("\x01\x02\x03"), text(strings.Repeat("x", 70000))), 0)
	_ = s.c.SendMessage(false, []byte("b"), 0)
	r.wantFrame(1, "4a")
	r.wantFrame(2, "\x01\x02\x03")
	r.wantFrame(1, "4"+strings.Repeat("x", 70000))
	r.wantFrame(1, "4b")
	r.Close()
	if err := next(t, s.closed); !errors.Is(err, engine.ErrTransportClose) {
		t.Fatal(err)
	}
}

func TestUpgradeKeepsTheOrderBothWays(t *testing.T) {
	const n = 2000
	f := newFixture(t, nil)
	sid, s := f.open()
	sent := 0
	send := func(upTo int) {
		for ; sent < upTo; sent++ {
			_ = s.c.SendMessage(false, fmt.Append(nil, sent), 0)
		}
	}
	var out []string
	take := func(body string) {
		for p := range strings.SplitSeq(body, "\x1e") {
			if p != "6" {
				out = append(out, p)
			}
		}
	}
	in := 0
	for range 5 {
		send(sent + 100)
		take(f.get(sid).body)
		var b []string
		for range 100 {
			b = append(b, fmt.Sprint("4", in))
			in++
		}
		f.post(sid, strings.Join(b, "\x1e"))
	}
	r := f.websocket("EIO=4&transport=websocket&sid=" + sid)
	r.text("2probe")
	r.wantFrame(1, "3probe")
	take(f.get(sid).body) // answered at once, though there is nothing
	done := make(chan struct{})
	go func() { defer close(done); send(n) }()
	r.text("5")
	for ; in < n; in++ {
		r.text(fmt.Sprint("4", in))
	}
	for len(out) < n {
		_, p := r.frame()
		out = append(out, p)
	}
	<-done
	for i := range n {
		if out[i] != fmt.Sprint("4", i) {
			t.Fatalf("message %d is %q", i, out[i])
		}
		if got := next(t, s.got); got != fmt.Sprint(i) {
			t.Fatalf("server's message %d is %q", i, got)
		}
	}
	if tr := s.c.Transport(); tr != "websocket" {
		t.Fatal(tr)
	}
}
