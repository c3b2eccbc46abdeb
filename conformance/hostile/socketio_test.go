package hostile_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// cut sends packets to a joined socket over each transport; the connection has to end.
func cut(all ...string) func(t *testing.T, s *server) {
	return func(t *testing.T, s *server) {
		for _, p := range all {
			w := joined(t, s)
			must(t, w.send(p))
			wantEnd(t, w, p)
			w.Close()
			over := polling(t, s)
			if p != "" { // is A14
				_ = over.send(p)
				wantEnd(t, over, p)
			}
			over.close()
		}
	}
}

// cutBefore sends packets to a session that has joined nothing, over each
// transport; it has to end.
func cutBefore(t *testing.T, s *server, all ...string) {
	t.Helper()
	for _, p := range all {
		w := opened(t, s)
		must(t, w.send(p))
		wantEnd(t, w, p)
		w.Close()
		over, err := s.polls()
		must(t, err)
		_ = over.send(p)
		wantEnd(t, over, p)
		over.close()
	}
}

func wantEnd(t *testing.T, c session, what string) {
	t.Helper()
	if p, err := c.next(); err == nil || !ended(err) {
		t.Errorf("%.40q was answered with %.100q, %v", what, p, err)
	}
}

// ignored sends packets; the connection has to end or to go on, without a word.
func ignored(all ...string) func(t *testing.T, s *server) {
	return func(t *testing.T, s *server) {
		for _, p := range all {
			w, over := joined(t, s), polling(t, s)
			must(t, w.send(p))
			if err := w.echo("on"); err != nil && !ended(err) {
				t.Errorf("%.40q: %v", p, err)
			}
			w.Close()
			must(t, over.send(p))
			if _, status, err := over.request("POST", `421["echo"]`); err != nil || status != 200 && status != 400 {
				t.Errorf("%.40q over polling: %d, %v", p, status, err)
			}
			over.close()
		}
	}
}

// goesOn sends packets that are nothing special.
func goesOn(all ...string) func(t *testing.T, s *server) {
	return func(t *testing.T, s *server) {
		w, p := joined(t, s), polling(t, s)
		for _, packet := range all {
			must(t, w.send(packet))
			must(t, w.echo("on"))
			must(t, p.send(packet))
			must(t, p.echo("on"))
		}
	}
}

// binary is a binary frame.
func binaryFrame(payload string) string { return masked(0x82, payload) }

func TestPackets(t *testing.T) {
	play(t, []attack{
		{id: "A52", name: "no packets", run: cut("4", "4z", "49", "", "b", "7")},
		{id: "A53", name: "events and acknowledgements without anything", run: ignored("42", "43", "43[]")},
		{id: "A54", name: "events that are none", run: cut("42{}", "42[]", "42[null]", "42abc", "42[")},
		{id: "A55", name: "name that is an object", run: cut(`42[{"toString":"foo"}]`)},
		{id: "A56", name: "reserved names", run: cut(`42["connect"]`, `42["disconnect"]`, `42["disconnecting"]`, `42["connect_error"]`, `42["newListener"]`, `42["removeListener"]`)},
		{id: "A57", name: "event called error", run: goesOn(`42["error"]`)},
		{id: "A58", name: "bad acknowledgement IDs", run: cut(`421x["e"]`, `42-1["e"]`)},
		{id: "A59", name: "no attachments, then some", run: func(t *testing.T, s *server) {
			closes(t, s, text(`450-["x"]`)+strings.Repeat(binaryFrame(strings.Repeat("x", 1000)), 1000), 1005)
			cut(`450-["x"]`)(t, s)
		}},
		{id: "A60", name: "too many attachments", run: cut(`4511-["x"]`, `45999999999-["x"]`)},
		{id: "A61", name: "numbers of attachments that are none", run: cut(`451.5-["x"]`, `45a-["x"]`, `45-["x"]`, `451["x"]`)},
		{id: "A62", name: "placeholders that are none", run: func(t *testing.T, s *server) {
			for _, num := range []string{`,"num":"splice"`, `,"num":10`, `,"num":-1`, `,"num":1.5`, `,"num":null`, ``} {
				closes(t, s, text(`451-["echo",{"_placeholder":true`+num+`}]`)+binaryFrame("x"), 1005)
			}
		}},
		{id: "A63", name: "attachments that never come", run: pendingAttachments},
		{id: "A64", name: "attachments for a namespace not joined", run: cut(`451-/custom,["echo",{"_placeholder":true,"num":0}]`)},
		{id: "A65", name: "attachments out of turn", run: func(t *testing.T, s *server) {
			closes(t, s, binaryFrame("x"), 1005)
			closes(t, s, text(`451-["echo",{"_placeholder":true,"num":0}]`)+text(`42["echo"]`), 1005)
			cut("bAAAA")(t, s)
		}},
		{id: "A66", name: "deep JSON", run: func(t *testing.T, s *server) {
			for _, pair := range []string{"[]", "{}"} {
				inner, closer := "[", "]"
				if pair == "{}" {
					inner, closer = `{"a":`, "}"
				}
				deep := strings.Repeat(inner, 10_000) + "1" + strings.Repeat(closer, 10_000)
				cut(`42["echo",`+deep+`]`, `42["nobody",`+deep+`]`, `42["echo",`+strings.Repeat(inner, 400_000/len(inner)), `43123[`+deep+`]`)(t, s)
				w := opened(t, s)
				must(t, w.send("40"+deep))
				wantEnd(t, w, "deep auth")
				w.Close()
			}
		}},
		{id: "A67", name: "keys of prototypes", run: func(t *testing.T, s *server) {
			for _, c := range []session{joined(t, s), polling(t, s)} {
				must(t, c.send(`421["echo",{"__proto__":{"admin":true},"constructor":{"prototype":1}}]`))
				p, err := c.next()
				must(t, err)
				if want := `431[{"__proto__":{"admin":true},"constructor":{"prototype":1}}]`; p != want {
					t.Errorf("got %q", p)
				}
			}
		}},
		{id: "A68", name: "acknowledgement nobody asked for", run: goesOn(`431["x"]`)},
		{id: "A69", name: "CONNECT_ERROR of a client", run: cut(`44{"message":"x"}`)},
	})
}

// pendingAttachments leaves nine of ten behind, which end with the connection,
// with the namespace, and at a cap of their bytes.
func pendingAttachments(t *testing.T, s *server) {
	const head = `4510-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2},{"_placeholder":true,"num":3},` +
		`{"_placeholder":true,"num":4},{"_placeholder":true,"num":5},{"_placeholder":true,"num":6},{"_placeholder":true,"num":7},{"_placeholder":true,"num":8},{"_placeholder":true,"num":9}]`
	part := binaryFrame(strings.Repeat("x", 100_000))
	for range 20 {
		w := joined(t, s)
		_, err := w.Write([]byte(text(head) + strings.Repeat(part, 9)))
		must(t, err)
		w.Close()
	}
	w := joined(t, s)
	_, err := w.Write([]byte(text(head) + strings.Repeat(part, 9) + text("41")))
	must(t, err)
	if p, err := w.next(); err == nil || !ended(err) {
		t.Errorf("%q, %v", p, err)
	}
	w.Close()
	closes(t, s, text(head)+strings.Repeat(binaryFrame(strings.Repeat("x", 300_000)), 9), 1005)
}

func TestNamespacesAndRooms(t *testing.T) {
	play(t, []attack{
		{id: "A70", name: "auth that is no object", run: func(t *testing.T, s *server) {
			cutBefore(t, s, `40"abc"`, `40[]`, `40null`, `40{`)
		}},
		{id: "A71", name: "unknown namespace", run: func(t *testing.T, s *server) {
			for _, c := range []session{joined(t, s), polling(t, s)} {
				must(t, c.send(`40/random,`))
				if p, err := c.next(); err != nil || p != `44/random,{"message":"Invalid namespace"}` {
					t.Errorf("%q, %v", p, err)
				}
				must(t, c.echo("stays"))
			}
		}},
		{id: "A72", name: "packets before CONNECT", run: func(t *testing.T, s *server) {
			cutBefore(t, s, `42["echo"]`, `42/custom,["echo"]`, `41`, `431[]`)
			cut(`42/custom,["echo"]`)(t, s)
		}},
		{id: "A73", name: "100,000 dynamic namespaces of one client", run: manyNamespaces},
		{id: "A74", name: "100,000 rooms of one socket", run: manyRooms},
		{id: "A75", name: "client that never acknowledges", run: neverAcks},
		{id: "A76", name: "large and secret auth", run: largeAuth},
		{id: "A77", name: "guard that never answers", run: func(t *testing.T, s *server) {
			for range 100 {
				w := opened(t, s)
				must(t, w.send(`40/stuck,`))
				w.Close()
			}
			w := opened(t, s)
			must(t, w.send(`40/stuck,`))
			wantEnd(t, w, "nothing, for the time to connect")
		}},
		{id: "A78", name: "control bytes in names and logs", run: controlBytes},
		{id: "P7", name: "a thousand CONNECTs at once", run: func(t *testing.T, s *server) {
			w := opened(t, s)
			_, err := w.Write([]byte(strings.Repeat(text("40"), 1000)))
			must(t, err)
			if _, err := w.next(); err == nil { // the first may be answered
				wantEnd(t, w, "the second CONNECT")
			}
		}},
		{id: "P7", name: "panicking handler", run: func(t *testing.T, s *server) {
			w := joined(t, s)
			must(t, w.send(`42["panic"]`))
			if p, err := w.next(); err != nil || p != "41" {
				t.Errorf("%q, %v", p, err)
			}
			must(t, w.join("/"))
		}},
	})
}

func manyNamespaces(t *testing.T, s *server) {
	const n = 100_000
	w := opened(t, s)
	defer w.Close()
	accepted, refused := 0, 0
	for i := 0; i < n; {
		var b strings.Builder
		for range 200 { // and answer heartbeats in between
			i++
			b.WriteString(text(fmt.Sprintf("40/dynamic-%d,", i)))
		}
		_, err := w.Write([]byte(b.String()))
		must(t, err)
		for accepted+refused < i {
			p, err := w.next()
			must(t, err)
			switch {
			case strings.HasPrefix(p, "40/"):
				accepted++
			case strings.HasPrefix(p, "44/") && strings.Contains(p, "too many namespaces"):
				refused++
			default:
				t.Fatalf("got %q", p)
			}
		}
	}
	if accepted != 100 {
		t.Errorf("%d namespaces were joined", accepted)
	}
	st, err := s.stats()
	must(t, err)
	if st.SocketIO.Namespaces > 110 {
		t.Errorf("%d namespaces live", st.SocketIO.Namespaces)
	}
}

func manyRooms(t *testing.T, s *server) {
	const n = 100_000
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	w := joined(t, s)
	was, err := s.stats()
	must(t, err)
	all, err := json.Marshal(append([]string{"join"}, names...))
	must(t, err)
	must(t, w.send("421"+string(all)))
	if p, err := w.next(); err != nil || !strings.HasPrefix(p, `431[{"error"`) {
		t.Errorf("%.100q, %v", p, err)
	}
	for i := 0; i < n; i += 500 { // 500 at a time, of which the first two fit
		some, err := json.Marshal(append([]string{"join"}, names[i:i+500]...))
		must(t, err)
		must(t, w.send("422"+string(some)))
		p, err := w.next()
		must(t, err)
		if ok := p == "432[]"; ok != (i < 1000) {
			t.Fatalf("%.100q for the rooms from %d on", p, i)
		}
	}
	st, err := s.stats()
	must(t, err)
	if more := st.SocketIO.RoomOverflows - was.SocketIO.RoomOverflows; more < 190 {
		t.Errorf("%d refusals were counted", more)
	}
}

func neverAcks(t *testing.T, s *server) {
	was, err := s.stats()
	must(t, err)
	w := joined(t, s)
	for range 200 {
		must(t, w.send(`42["ask-briefly"]`))
	}
	waitFor(t, "the end of 200 acknowledgements", func() bool {
		st, err := s.stats()
		must(t, err)
		return st.SocketIO.AckTimeouts-was.SocketIO.AckTimeouts == 200
	})
	w.Close()
	// Without a timeout there is a cap.
	w = joined(t, s)
	go func() {
		for range 10_100 {
			_ = w.send(`42["ask"]`)
		}
		_ = w.send(`421["echo","capped"]`)
	}()
	asked := 0
	for {
		p, err := w.next()
		must(t, err)
		if p == `431["capped"]` {
			break
		}
		asked++
	}
	st, err := s.stats()
	must(t, err)
	if more := st.SocketIO.AckOverflows - was.SocketIO.AckOverflows; asked != 10_000 || more != 100 {
		t.Errorf("%d were asked, %d refused", asked, more)
	}
}

func largeAuth(t *testing.T, s *server) {
	w := opened(t, s)
	must(t, w.send(`40{"token":"hunter2-`+strings.Repeat("x", 900_000)+`"}`))
	if code, err := w.closeCode(); err != nil || code != 1009 { // before it is read
		t.Errorf("closed with %d, %v", code, err)
	}
	w.Close()
	w = opened(t, s)
	must(t, w.send(`40{"token":"hunter2-`+strings.Repeat("x", 65_600)+`"}`))
	if p, err := w.next(); err != nil || p != `44{"message":"auth payload is too large"}` {
		t.Errorf("%.100q, %v", p, err)
	}
	must(t, w.send(`40/random,{"token":"hunter2"}`))
	_, err := w.next()
	must(t, err)
	must(t, w.send(`40{"token":"hunter2-`+strings.Repeat("x", 60_000)+`"}`))
	if p, err := w.next(); err != nil || !strings.HasPrefix(p, `40{"sid"`) {
		t.Errorf("%.100q, %v", p, err)
	}
	must(t, w.send(`40{"token":"hunter2"}`)) // a violation, which has a line in the log
	wantEnd(t, w, "the second CONNECT")
	log, err := os.ReadFile(s.log)
	must(t, err)
	if strings.Contains(string(log), "hunter2") {
		t.Error("the log has a secret")
	}
}

// logLine is what begins every line of the log.
var logLine = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d `)

func controlBytes(t *testing.T, s *server) {
	evil := []string{"\x1b[31mred", "a\r\nINFO forged", "a\nb"}
	for _, e := range evil {
		quoted, err := json.Marshal(e)
		must(t, err)
		for _, p := range []string{"40/" + e + ",", `42["` + e + `"]`, "42/" + e + `,["x"]`, `42[` + string(quoted) + `,1]`, `421["join",` + string(quoted) + `]`, "4" + e, "45" + e} {
			w := joined(t, s)
			must(t, w.send(p))
			_ = w.echo("on")
			w.Close()
		}
		// The parser of HTTP takes a tab, and bytes above 127.
		_, err = s.do(request("GET", "/socket.io/?EIO=4&transport=a%0ab%1b", "", "X-Evil: \tx\xff", "Origin: http://a\xff\x1b"))
		must(t, err)
		_, err = s.do(request("GET", poll+"&sid=a%0a%1b%0d", "", "Origin: http://\xff"))
		must(t, err)
	}
	log, err := os.ReadFile(s.log)
	must(t, err)
	for line := range strings.Lines(string(log)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.ContainsAny(line, "\x1b\r\x00") {
			t.Fatalf("the log has %q", line)
		}
		if !logLine.MatchString(line) {
			t.Fatalf("a line of the log begins with %.100q", line)
		}
	}
	if strings.Contains(string(log), "\nINFO forged") {
		t.Error("a line was forged")
	}
}
