package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// An attack is what somebody sends who means harm. Its error is what a server
// must not do.
type attack struct {
	name string
	rare bool // costs the attacker a lot, too
	run  func(addr string, r *rand.Rand) error
}

const key = "\x00\x00\x00\x00"

var attacks = []attack{
	{name: "handshake that is never used", run: func(addr string, _ *rand.Rand) error {
		return answered(addr, request("GET", poll, ""), 200)
	}},
	{name: "WebSocket that joins nothing", run: func(addr string, _ *rand.Rand) error {
		s, err := open(addr, true)
		if err != nil {
			return err
		}
		defer s.close()
		return ends(s.ws)
	}},
	{name: "half a header", run: func(addr string, _ *rand.Rand) error { return held(addr, "GET "+poll+" HTTP/1.1\r\nHost:", "x") }},
	{name: "half a body", run: func(addr string, _ *rand.Rand) error {
		s, err := open(addr, false)
		if err != nil {
			return err
		}
		defer s.close()
		return held(addr, "POST "+s.target()+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n40", "x")
	}},
	{name: "chunks without an end", run: func(addr string, _ *rand.Rand) error {
		s, err := open(addr, false)
		if err != nil {
			return err
		}
		defer s.close()
		return held(addr, "POST "+s.target()+" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n40\r\n", "1\r\nx\r\n")
	}},
	{name: "requests that mean nothing", run: func(addr string, r *rand.Rand) error {
		all := []string{
			request("GET", "/socket.io/?EIO=3&transport=polling", ""), request("GET", "/socket.io/?EIO=4&transport=constructor", ""),
			request("GET", poll+"&sid=__proto__", ""), request("POST", poll, "40"), request("GET", wsp, ""), request("DELETE", poll+"&sid=x", ""),
			request("GET", wsp+"&sid=nobody", "", upgradeLines...), request("GET", poll, "", "Origin: https://evil.example"),
		}
		return answered(addr, all[r.IntN(len(all))], 400, 403, 405)
	}},
	{name: "foreign page", run: func(addr string, _ *rand.Rand) error {
		return answered(addr, request("GET", wsp, "", append([]string{"Origin: https://evil.example", "Cookie: session=victim"}, upgradeLines...)...), 403)
	}},
	{name: "broken frames", run: frames(
		"\x81\x0240", "\xc1\x82"+key+"40", "\x83\x80"+key, "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff"+key, "\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00"+key,
		masked(0x89, strings.Repeat("p", 126)), masked(0x80, "x"), "\x81\x82"+key+"\xc3\x28", masked(0x88, "\x03\xed"), masked(0x88, "\x03"),
	)},
	{name: "broken packets", run: frames(
		text("4"), text("4z"), text("49"), text(""), text("7"), text(`42{}`), text("42[]"), text("42["), text(`42["connect"]`), text(`421x["e"]`),
		text(`450-["x"]`), text(`4511-["x"]`), text(`45999999999-["x"]`), text(`451-["e",{"_placeholder":true,"num":7}]`), masked(0x82, "x"),
		text(`44{"message":"x"}`), text("40"), text(`42/other,["e"]`), text("2"), text("42"+strings.Repeat("9", 400)+`["e"]`),
	)},
	{name: "broken bodies", run: func(addr string, r *rand.Rand) error {
		s, err := open(addr, false)
		if err != nil {
			return err
		}
		defer s.close()
		all := []string{"abc", "", strings.Repeat("\x1e", 10_000), "b***", "4\x1e4\x1e4", strings.Repeat("2\x1e", 1000), "\xff\xfe"}
		status, _, err := s.ask("POST", s.target(), all[r.IntN(len(all))])
		if err == nil && status != 200 && status != 400 {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}},
	{name: "attachments that never come", run: func(addr string, r *rand.Rand) error {
		s, err := joined(addr)
		if err != nil {
			return err
		}
		defer s.cut()
		_, _ = io.WriteString(s.ws, text(`452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)+masked(0x82, strings.Repeat("x", 50_000)))
		return nil
	}},
	{name: "acknowledgements nobody asked for", run: func(addr string, _ *rand.Rand) error {
		s, err := joined(addr)
		if err != nil {
			return err
		}
		defer s.close()
		_, _ = io.WriteString(s.ws, strings.Repeat(text(`431["x"]`), 1000))
		return s.ack(1, `["echo","on"]`, `["on"]`)
	}},
	{name: "questions that are never answered", run: func(addr string, _ *rand.Rand) error {
		s, err := joined(addr)
		if err != nil {
			return err
		}
		defer s.cut()
		_, _ = io.WriteString(s.ws, strings.Repeat(text(`42["ask-briefly"]`), 50)+strings.Repeat(text(`42["ask"]`), 50))
		return nil
	}},
	{name: "a hundred dynamic namespaces", run: func(addr string, r *rand.Rand) error {
		s, err := open(addr, true)
		if err != nil {
			return err
		}
		defer s.cut()
		var b strings.Builder
		for range 100 {
			b.WriteString(text(fmt.Sprintf("40/dynamic-%d,", r.Uint32())))
		}
		_, err = io.WriteString(s.ws, b.String())
		for range 100 {
			if err == nil {
				_, err = s.await("40/dynamic-")
			}
		}
		return err
	}},
	{name: "a thousand CONNECTs at once", run: frames(strings.Repeat(text("40"), 1000))},
	{name: "a panicking handler", run: func(addr string, _ *rand.Rand) error {
		s, err := joined(addr)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.send(`42["panic"]`); err != nil {
			return err
		}
		_, err = s.await("41")
		return err
	}},
	{name: "two polls at once", run: func(addr string, _ *rand.Rand) error {
		s, err := open(addr, false)
		if err != nil {
			return err
		}
		defer s.close()
		second, err := dial(addr)
		if err != nil {
			return err
		}
		defer second.Close()
		for _, l := range []*link{s.link, second} {
			if _, err := io.WriteString(l, request("GET", s.target(), "")); err != nil {
				return err
			}
		}
		a, _, err := s.answer("GET")
		if err != nil {
			return err
		}
		b, _, err := second.answer("GET")
		if err == nil && a != 400 && b != 400 {
			err = fmt.Errorf("answered with %d and %d", a, b)
		}
		return err
	}},
	{name: "probes without an upgrade", run: func(addr string, r *rand.Rand) error {
		s, err := open(addr, false)
		if err != nil {
			return err
		}
		defer s.close()
		l, err := dial(addr)
		if err != nil {
			return err
		}
		defer l.Close()
		if err := l.takeUp(wsp + "&sid=" + s.sid); err != nil {
			return err
		}
		_, _ = io.WriteString(l, []string{text("5"), text("2"), text("2probe"), text("2probe") + text("2probe"), ""}[r.IntN(5)])
		return ends(l)
	}},
	{name: "deep JSON", rare: true, run: frames(text(`42["echo",`+strings.Repeat("[", 450_000)), text(`42["echo",`+strings.Repeat(`{"a":`, 100_000)))},
	{name: "crumbs of a message", rare: true, run: frames(masked(0x01, "4") + strings.Repeat(masked(0x00, ""), 100_000))},
	{name: "message that is too long", rare: true, run: frames(text("4" + strings.Repeat("x", 1_000_000)))},
	{name: "floods of pings and pongs", rare: true, run: func(addr string, _ *rand.Rand) error {
		s, err := joined(addr)
		if err != nil {
			return err
		}
		defer s.cut()
		go func() {
			_, _ = io.WriteString(s.ws, strings.Repeat(masked(0x89, "x")+text("3"), 5000)+text(`421["echo","on"]`))
		}()
		for {
			op, p, err := s.ws.frame()
			if err != nil || op != 10 && p == `431["on"]` {
				return err
			}
		}
	}},
	{name: "reader that never reads", rare: true, run: deaf},
}

// joined opens a WebSocket and joins the main namespace.
func joined(addr string) (*session, error) {
	s, err := open(addr, true)
	if err != nil {
		return nil, err
	}
	if err := s.join(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// frames sends one of some pieces of a stream to a joined WebSocket, which has to be ended.
func frames(all ...string) func(addr string, r *rand.Rand) error {
	return func(addr string, r *rand.Rand) error {
		s, err := joined(addr)
		if err != nil {
			return err
		}
		defer s.close()
		b := all[r.IntN(len(all))]
		go func() { _, _ = io.WriteString(s.ws, b) }() // the server may stop reading
		return ends(s.ws)
	}
}

// ends waits until the server closes.
func ends(l *link) error {
	for {
		op, _, err := l.frame()
		if err == nil && op != 8 {
			continue
		}
		var timeout interface{ Timeout() bool }
		if errors.As(err, &timeout) && timeout.Timeout() {
			return errors.New("the connection stays open")
		}
		return nil
	}
}

// answered sends one request, which has to be answered with one of some statuses.
func answered(addr, text string, statuses ...int) error {
	l, err := dial(addr)
	if err != nil {
		return err
	}
	defer l.Close()
	if _, err := io.WriteString(l, text); err != nil {
		return err
	}
	status, _, err := l.answer(text[:strings.IndexByte(text, ' ')])
	if err != nil {
		return err
	}
	for _, s := range statuses {
		if s == status {
			return nil
		}
	}
	return fmt.Errorf("%.60q was answered with %d", text, status)
}

// held sends the start of a request and every second a little more; the server
// has to cut the connection.
func held(addr, start, drip string) error {
	l, err := dial(addr)
	if err != nil {
		return err
	}
	defer l.Close()
	if _, err := io.WriteString(l, start); err != nil {
		return err
	}
	cut := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, l.r)
		cut <- err
	}()
	for {
		select {
		case err := <-cut:
			var timeout interface{ Timeout() bool }
			if errors.As(err, &timeout) && timeout.Timeout() {
				return errors.New("the connection stays open")
			}
			return nil
		case <-time.After(time.Second):
			_, _ = io.WriteString(l, drip)
		}
	}
}

// deaf has more sent to itself than the server will hold.
func deaf(addr string, r *rand.Rand) error {
	s, err := joined(addr)
	if err != nil {
		return err
	}
	defer s.close()
	room := fmt.Sprintf("deaf-%d", r.Uint32())
	if err := s.ack(0, `["join","`+room+`"]`, `[]`); err != nil {
		return err
	}
	event := text(`42["roomcast","` + room + `","` + strings.Repeat("x", 100_000) + `"]`)
	for range 200 {
		_ = s.ws.SetWriteDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(s.ws, event); err != nil {
			return nil // cut, as it should be
		}
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, err := io.WriteString(s.ws, text("3")); err != nil {
			return nil
		}
	}
	return errors.New("20 MB were kept")
}
