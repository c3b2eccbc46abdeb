package hostile_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// TestMore is what the classes leave out: odd HTTP, ids at the limit of
// numbers, packets in pieces, ends in the wrong moment.
func TestMore(t *testing.T) {
	play(t, []attack{
		{id: "X01", name: "bodies that never end", run: endlessBodies},
		{id: "X02", name: "100-continue", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			r, err := s.dial()
			must(t, err)
			defer r.Close()
			_, err = io.WriteString(r, "POST "+p.target()+" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
			must(t, err)
			if a, err := r.answer("POST"); err != nil || a.status != 413 { // without a wish to see the body
				t.Errorf("%d, %v", a.status, err)
			}
			must(t, p.echo("on"))
		}},
		{id: "X03", name: "HTTP/1.0", run: func(t *testing.T, s *server) {
			a := refused(t, s, strings.Replace(request("GET", poll, ""), "HTTP/1.1", "HTTP/1.0", 1), "", 200)
			end(t, s, a.body)
			refused(t, s, strings.Replace(upgrade(wsp), "HTTP/1.1", "HTTP/1.0", 1), "", 400)
		}},
		{id: "X04", name: "parameters that come twice", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			refused(t, s, request("POST", p.target()+"&sid=other", `42["nobody"]`), "ok", 200)
			refused(t, s, request("POST", poll+"&sid=other&sid="+p.sid, "40"), unknownSID, 400)
			refused(t, s, request("GET", "/socket.io/?EIO=3&EIO=4&transport=polling", ""), unsupported, 400)
			refused(t, s, request("GET", "/socket.io/?EIO[]=4&transport[]=polling", ""), unknownT, 400)
			must(t, p.echo("on"))
		}},
		{id: "X05", name: "requests in one write", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			r, err := s.dial()
			must(t, err)
			defer r.Close()
			_, err = io.WriteString(r, request("POST", p.target(), `421["echo",1]`)+request("POST", p.target(), `422["echo",2]`))
			must(t, err)
			for range 2 {
				if a, err := r.answer("POST"); err != nil || a.status != 200 {
					t.Errorf("%d, %v", a.status, err)
				}
			}
			for _, want := range []string{"431[1]", "432[2]"} {
				if got, err := p.next(); err != nil || got != want {
					t.Errorf("%q, %v", got, err)
				}
			}
		}},
		{id: "X06", name: "upgrade of a session that ends", run: func(t *testing.T, s *server) {
			for range 20 {
				p := polling(t, s)
				r, err := s.dial()
				must(t, err)
				_, err = io.WriteString(r, upgrade(wsp+"&sid="+p.sid))
				must(t, err)
				a, err := r.answer("GET")
				must(t, err)
				must(t, p.send("1"))
				if a.status == 101 {
					_, _ = io.WriteString(r, text("2probe")+text("5")+text(`42["echo"]`))
					if _, err := r.closeCode(); err != nil {
						t.Error(err)
					}
				}
				r.Close()
			}
		}},
		{id: "X07", name: "long headers and queries of handshakes", run: func(t *testing.T, s *server) {
			for _, long := range []string{request("GET", poll+"&t="+strings.Repeat("x", 15_000), ""), request("GET", poll, "", "X-Long: "+strings.Repeat("x", 15_000)), upgrade(wsp, "Cookie: "+strings.Repeat("x", 15_000))} {
				refused(t, s, long, "", 431)
			}
		}},
		{id: "X08", name: "acknowledgement IDs of many digits", run: func(t *testing.T, s *server) {
			for id, back := range map[string]string{"9007199254740993": "9007199254740993", "9223372036854775807": "9223372036854775807", strings.Repeat("0", 400): "0"} {
				w := joined(t, s)
				must(t, w.send("42"+id+`["echo",1]`))
				if p, err := w.next(); err != nil || p != "43"+back+"[1]" {
					t.Errorf("%.40q, %v", p, err)
				}
				must(t, w.send("43"+id+`[1]`)) // that nobody asked for
				must(t, w.echo("on"))
				w.Close()
			}
			cut(`429223372036854775808["echo"]`, `4299999999999999999999["echo"]`, "42\uff11[\"echo\"]")(t, s)
		}},
		{id: "X09", name: "attachments in polls of their own", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			must(t, p.send(`452-1["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`))
			for _, part := range []string{"one", "two"} {
				must(t, p.send("b"+base64.StdEncoding.EncodeToString([]byte(part))))
			}
			for _, want := range []string{`462-1[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "b" + base64.StdEncoding.EncodeToString([]byte("one"))} {
				if got, err := p.next(); err != nil || got != want {
					t.Errorf("%q, %v", got, err)
				}
			}
			must(t, p.send(`451-["echo",{"_placeholder":true,"num":0}]`))
			_ = p.send(`451-["echo",{"_placeholder":true,"num":0}]`) // a second header
			for {
				if _, err := p.next(); err != nil {
					break
				}
			}
		}},
		{id: "X10", name: "long and odd names", run: oddNames},
		{id: "X11", name: "JSON at its limits", run: func(t *testing.T, s *server) {
			w := joined(t, s)
			for _, args := range []string{
				`"\ud800","\udc00\ud800","\u0000"`, `1e999999,-1e999999,1e-999999`, `123456789012345678901234567890`, strings.Repeat("9", 500_000),
				`{"a":1,"a":2,"":3}`, `"` + strings.Repeat(`\u0000`, 100_000) + `"`, strings.Repeat("[", 510) + strings.Repeat("]", 510), `-0,-0.0,0e1`,
			} {
				must(t, w.send(`421["echo",`+args+`]`))
				if p, err := w.next(); err != nil || p != `431[`+args+`]` {
					t.Errorf("%.60q came back as %.60q, %v", args, p, err)
				}
			}
			cut("42[\"echo\",\"\x00\"]", `42["echo",01]`, `42["echo",1e]`, `42["echo","\ud8"]`, `42["echo",NaN]`, "\ufeff42[]", `42["echo"]x`, "42[\"echo\"]\u00a0", `42["\u0063onnect"]`)(t, s)
		}},
		{id: "X12", name: "messages before CONNECT", run: func(t *testing.T, s *server) {
			w := opened(t, s)
			go func() { _, _ = io.WriteString(w, text("40"+strings.Repeat("x", 900_000))) }()
			if code, err := w.closeCode(); err != nil || code != 1009 {
				t.Errorf("%d, %v", code, err)
			}
			p, err := s.polls()
			must(t, err)
			if _, status, err := p.request("POST", "40"+strings.Repeat("x", 900_000)); err == nil && status != 413 {
				t.Errorf("status %d", status)
			}
			must(t, p.join("/")) // and then it may
			must(t, p.echo(strings.Repeat("x", 900_000)))
			p.close()
		}},
		{id: "X13", name: "close frames of all kinds", run: func(t *testing.T, s *server) {
			for _, code := range []int{1000, 1001, 1007, 1009, 1011, 3000, 4999} {
				closes(t, s, masked(0x88, string([]byte{byte(code >> 8), byte(code)}))+text("42[]")+masked(0x88, ""), code)
			}
			for _, code := range []int{0, 1004, 1006, 1015, 2999, 5000, 65535} {
				closes(t, s, masked(0x88, string([]byte{byte(code >> 8), byte(code)})), 1002)
			}
			for rsv := range 8 {
				if rsv > 0 {
					closes(t, s, masked(0x81|byte(rsv)<<4, "42[]"), 1002)
				}
			}
		}},
		{id: "X14", name: "connections of which one half is closed", run: func(t *testing.T, s *server) {
			for range 50 {
				w := joined(t, s)
				must(t, w.Conn.(interface{ CloseWrite() error }).CloseWrite())
				if _, err := w.closeCode(); err != nil {
					t.Error(err)
				}
				w.Close()
			}
		}},
		{id: "X15", name: "CONNECTs in bodies, 20,000", run: func(t *testing.T, s *server) {
			p := polling(t, s)
			for i := 0; i < 20_000; {
				var packets []string
				for range 2000 {
					i++
					packets = append(packets, fmt.Sprintf("40/random-%d,", i))
				}
				if err := p.send(packets...); err != nil {
					break // or it was too much for one that does not poll
				}
			}
		}},
	})
}

// endlessBodies are cut by a deadline of the whole, however they come.
func endlessBodies(t *testing.T, s *server) {
	for name, part := range map[string]struct{ head, drip string }{
		"length":             {"Content-Length: 1000", "4"},
		"chunks":             {"Transfer-Encoding: chunked", "1\r\n4\r\n"},
		"a chunk":            {"Transfer-Encoding: chunked\r\nX: x", "f4240\r\n4"},
		"chunk extensions":   {"Transfer-Encoding: chunked", "1;a=b"},
		"nothing, continued": {"Expect: 100-continue\r\nContent-Length: 10", ""},
	} {
		p := polling(t, s)
		r, err := s.dial()
		must(t, err)
		_, err = io.WriteString(r, "POST "+p.target()+" HTTP/1.1\r\nHost: x\r\n"+part.head+"\r\n\r\n")
		must(t, err)
		cut := make(chan struct{})
		began := time.Now()
		go func() {
			_, _ = io.Copy(io.Discard, r)
			close(cut)
		}()
		for dripping := true; dripping; {
			select {
			case <-cut:
				dripping = false
			case <-time.After(100 * time.Millisecond):
				_, _ = io.WriteString(r, part.drip)
			}
			if time.Since(began) > patience {
				t.Fatalf("%s: it drips on", name)
			}
		}
		r.Close()
		gone(t, p)
	}
}

func oddNames(t *testing.T, s *server) {
	w := joined(t, s)
	for _, name := range []string{"/\u2028\x00\x7f", "/a?token=1", "//", "/__proto__", "/custom{\"a\":1}", "/\U0001f600", "/ "} {
		must(t, w.send("40"+name+","))
		if p, err := w.next(); err != nil || p != "44"+name+`,{"message":"Invalid namespace"}` {
			t.Errorf("%q: %q, %v", name, p, err)
		}
	}
	long := "/dynamic-" + strings.Repeat("1", 900_000)
	must(t, w.send("40"+long+","))
	if p, err := w.next(); err != nil || p != "44"+long+`,{"message":"name of the namespace is too long"}` {
		t.Errorf("%.60q, %v", p, err)
	}
	must(t, w.send(`421["join","`+strings.Repeat("r", 900_000)+`"]`))
	if p, err := w.next(); err != nil || !strings.HasPrefix(p, `431[{"error"`) {
		t.Errorf("%.60q, %v", p, err)
	}
	must(t, w.send(`42["`+strings.Repeat("e", 900_000)+`"]`))
	must(t, w.echo("on"))
}
