package hostile_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// zeros is a stream of zero bytes in the form of permessage-deflate: one
// megabyte, compressed to itself, over and over.
func zeros(megabytes int) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Flush()
	return strings.TrimSuffix(strings.Repeat(b.String(), megabytes), "\x00\x00\xff\xff")
}

// closes sends bytes to a WebSocket that has joined and wants it closed.
func closes(t *testing.T, s *server, bytes string, codes ...int) {
	t.Helper()
	w := joined(t, s)
	defer w.Close()
	go func() { _, _ = io.WriteString(w, bytes) }() // the server may stop reading
	code, err := w.closeCode()
	if err != nil || !slices.Contains(codes, code) {
		t.Errorf("%.20q: closed with %d, %v; want %v", bytes, code, err, codes)
	}
}

func closing(codes []int, all ...string) func(t *testing.T, s *server) {
	return func(t *testing.T, s *server) {
		for _, b := range all {
			closes(t, s, b, codes...)
		}
	}
}

func codes(c ...int) []int { return c }

func TestWebSocket(t *testing.T) {
	const key = "\x00\x00\x00\x00"
	play(t, []attack{
		{id: "A33", name: "unmasked frame", run: closing(codes(1002), "\x81\x0240")},
		{id: "A34", name: "compressed frame without the extension", run: closing(codes(1002), "\xc1\x82"+key+"40")},
		{id: "A35", name: "unknown opcode", run: closing(codes(1002), "\x83\x80"+key)},
		{id: "A36", name: "absurd lengths", run: closing(codes(1009, 1002),
			"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff"+key, "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"+key)},
		{id: "A37", name: "a gigabyte announced, a hundred times", run: func(t *testing.T, s *server) {
			for range 100 {
				closes(t, s, "\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00"+key, 1009)
			}
		}},
		{id: "A38", name: "length that is not minimal", run: func(t *testing.T, s *server) {
			w := joined(t, s)
			_, err := io.WriteString(w, "\x81\xfe\x00\x02"+key+"42")
			must(t, err)
			if code, err := w.closeCode(); err != nil || code != 1002 && code != 1005 {
				t.Errorf("closed with %d, %v", code, err)
			}
		}},
		{id: "A39", name: "bad pings", run: closing(codes(1002), masked(0x89, strings.Repeat("p", 126)), "\x09\x80"+key)},
		{id: "A40", name: "fragments out of turn", run: closing(codes(1002), masked(0x80, "x"), masked(0x01, "4")+masked(0x81, "42"))},
		{id: "A41", name: "text that is not UTF-8", run: closing(codes(1007), "\x81\x82"+key+"\xc3\x28")},
		{id: "A42", name: "bad close frames", run: closing(codes(1002, 1007),
			masked(0x88, "\x03\xed"), masked(0x88, "\x03\xe7"), masked(0x88, "\x03"), masked(0x88, "\x03\xe8"+strings.Repeat("\xff", 122)))},
		{id: "A43", name: "message that is too long", run: closing(codes(1009),
			text("4"+strings.Repeat("x", 1_000_000)), masked(0x01, "4")+masked(0x00, strings.Repeat("x", 600_000))+masked(0x80, strings.Repeat("x", 400_000)))},
		{id: "A44", name: "compressed stream of zeros", run: bomb, on: &listed},
		{id: "A45", name: "131,000 fragments", run: closing(codes(1008), masked(0x01, "4")+strings.Repeat(masked(0x00, "x"), 131_000))},
		{id: "A46", name: "floods of pings and pongs", run: floods},
		{id: "A47", name: "reader that never reads", run: neverReads},
		{id: "A48", name: "broken upgrades", run: brokenUpgrades},
		{id: "A49", name: "upgrade of an unknown session", run: func(t *testing.T, s *server) {
			refused(t, s, upgrade(wsp+"&sid=abcdefgh"), "", 400)
		}},
		{id: "A50", name: "ping in the wrong direction", run: func(t *testing.T, s *server) {
			w := joined(t, s)
			must(t, w.send("2"))
			if code, err := w.closeCode(); err != nil {
				t.Errorf("%d, %v", code, err)
			}
			p := polling(t, s)
			must(t, p.send("2"))
			gone(t, p)
		}},
		{id: "A51", name: "WebTransport, which is not served", run: func(t *testing.T, s *server) {
			const target = "/socket.io/?EIO=4&transport=webtransport"
			p := polling(t, s)
			for _, sid := range []string{"", "&sid=__proto__", "&sid=" + p.sid} {
				refused(t, s, request("GET", target+sid, ""), unknownT, 400)
				refused(t, s, request("POST", target+sid, `0{"sid":"__proto__"}`), unknownT, 400)
				refused(t, s, upgrade(target+sid), "", 400)
				refused(t, s, request("CONNECT", target+sid, "", "Sec-Webtransport-Http3-Draft: draft02", "Protocol: webtransport"), "", 400)
				refused(t, s, request("GET", target+sid, "", "Connection: Upgrade", "Upgrade: webtransport"), unknownT, 400)
			}
			must(t, p.echo("unharmed"))
		}},
	})
}

func bomb(t *testing.T, s *server) {
	stream := zeros(1 << 10)
	w, err := s.webSocket("Sec-WebSocket-Extensions: permessage-deflate")
	must(t, err)
	defer w.Close()
	before, err := s.residue(true)
	must(t, err)
	go func() { _, _ = io.WriteString(w, masked(0xc2, stream)) }()
	most := 0
	closed := make(chan int, 1)
	go func() {
		code, _ := w.closeCode()
		closed <- code
	}()
	for {
		select {
		case code := <-closed:
			if code != 1009 {
				t.Errorf("closed with %d", code)
			}
			if grown := most - before.heap; grown > 24<<20 {
				t.Errorf("the heap grew by %d MB", grown>>20)
			}
			return
		case <-time.After(5 * time.Millisecond):
			r, err := s.residue(false)
			must(t, err)
			most = max(most, r.heap)
		}
	}
}

func floods(t *testing.T, s *server) {
	for name, flood := range map[string]string{
		"WebSocket pings":     strings.Repeat(masked(0x89, "x"), 20_000),
		"packets of pong":     strings.Repeat(text("3"), 100_000),
		"unasked frame pongs": strings.Repeat(masked(0x8a, "x"), 20_000),
	} {
		w := joined(t, s)
		before, err := s.residue(false)
		must(t, err)
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(w, flood+text(`421["echo","after"]`))
			sent <- err
		}()
		most := 0
		for done := false; !done; {
			select {
			case err := <-sent:
				must(t, err)
				done = true
			case <-time.After(2 * time.Millisecond):
				r, err := s.residue(false)
				must(t, err)
				most = max(most, r.goroutines)
			}
		}
		for {
			f, err := w.frame()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if f.payload == `431["after"]` {
				break
			}
		}
		if most > before.goroutines+20 {
			t.Errorf("%s: %d goroutines, %d before", name, most, before.goroutines)
		}
		w.Close()
	}
}

// neverReads has 100 MB sent to somebody who does not read.
func neverReads(t *testing.T, s *server) {
	slow, driver := joined(t, s), joined(t, s)
	must(t, slow.send(`421["join","slow"]`))
	if p, err := slow.next(); err != nil || p != `431[]` {
		t.Fatalf("%q, %v", p, err)
	}
	before, err := s.residue(true)
	must(t, err)
	was, err := s.stats()
	must(t, err)
	event := `42["roomcast","slow","` + strings.Repeat("x", 100_000) + `"]`
	most := 0
	for i := range 1000 {
		must(t, driver.send(event))
		if i%50 == 49 { // and answer the heartbeat
			must(t, driver.echo("sent"))
		}
	}
	waitFor(t, "the end of the slow connection", func() bool {
		r, err := s.residue(false)
		must(t, err)
		most = max(most, r.heap)
		st, err := s.stats()
		must(t, err)
		return st.SocketIO.Engine.Slow > was.SocketIO.Engine.Slow
	})
	must(t, driver.echo("still served"))
	if grown := most - before.heap; grown > 32<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
}

func brokenUpgrades(t *testing.T, s *server) {
	for _, probe := range [][]string{{"2"}, {"5"}, {"2probe", "2probe"}, {"3probe"}, {"4x"}, {""}, {}, {"2probe"}} {
		p := polling(t, s)
		r, err := s.dial()
		must(t, err)
		defer r.Close()
		_, err = io.WriteString(r, upgrade(wsp+"&sid="+p.sid))
		must(t, err)
		a, err := r.answer("GET")
		must(t, err)
		if a.status != 101 {
			t.Fatalf("status %d", a.status)
		}
		for _, packet := range probe {
			_, err = io.WriteString(r, text(packet))
			must(t, err)
		}
		if _, err := r.closeCode(); err != nil { // "3probe" may come before
			t.Errorf("%q: %v", probe, err)
		}
		must(t, p.echo(fmt.Sprintf("after %d", len(probe))))
		p.close()
	}
}

// ended reports whether err is the end of a connection, and no timeout.
func ended(err error) bool {
	var closed errClosed
	return errors.As(err, &closed) || errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "reset")
}
