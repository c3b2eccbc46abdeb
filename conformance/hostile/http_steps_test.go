package hostile_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func twoPolls(t *testing.T, s *server) {
	p := polling(t, s)
	first, err := s.dial()
	must(t, err)
	defer first.Close()
	_, err = io.WriteString(first, request("GET", p.target(), ""))
	must(t, err)
	// The second may overtake the first, which then is the one refused.
	second, err := s.dial()
	must(t, err)
	defer second.Close()
	_, err = io.WriteString(second, request("GET", p.target(), ""))
	must(t, err)
	a, err := first.answer("GET")
	must(t, err)
	b, err := second.answer("GET")
	must(t, err)
	if a.status != 400 && b.status != 400 {
		t.Errorf("statuses %d and %d", a.status, b.status)
	}
	gone(t, p)
}

func slowHeaders(t *testing.T, s *server) {
	const n = 500
	conns := make([]*raw, n)
	crowd(t, n, 16, func(i int) (err error) {
		if conns[i], err = s.dial(); err == nil {
			_, err = io.WriteString(conns[i], "GET "+poll+" HTTP/1.1\r\nHost:")
		}
		return err
	})
	began := time.Now()
	// A byte every half second keeps an idle deadline from passing.
	for time.Since(began) < 3*time.Second {
		for _, c := range conns {
			_, _ = io.WriteString(c, "x")
		}
		time.Sleep(500 * time.Millisecond)
	}
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(generous))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection with half a header lives on")
		}
		c.Close()
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("cut after %v", took)
	}
}

func foreign(t *testing.T, s *server) {
	for _, text := range []string{
		upgrade(wsp, "Origin: https://evil.example", "Cookie: session=victim"),
		request("GET", poll, "", "Origin: https://evil.example", "Cookie: session=victim"),
	} {
		a := refused(t, s, text, "", 403)
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("the answer can be read by the foreign page")
		}
	}
	// The same origin, and programs, are served.
	for _, lines := range [][]string{{"Origin: http://example.test"}, nil} {
		w, err := s.webSocket(lines...)
		must(t, err)
		w.Close()
	}
}

func lookalikes(t *testing.T, s *server) {
	for _, origin := range []string{
		"https://good.example.evil.com", "https://goodXexample", "https://good.example:444", "http://good.example",
		"https://evilgood.example", "https://good.example.", "https://good.example@evil.com", "null", "https://good.example/", "https://good.example https://evil.example",
	} {
		refused(t, s, upgrade(wsp, "Origin: "+origin), "", 403, 400)
		refused(t, s, request("GET", poll, "", "Origin: "+origin), "", 403, 400)
	}
	for _, origin := range []string{"https://good.example", "https://GOOD.example", "https://good.example:443"} {
		w, err := s.webSocket("Origin: " + origin)
		must(t, err)
		w.Close()
	}
}

// secretIDs looks at the IDs of many sessions: they have 120 bits of which
// each is as often set as not, and none is in the log.
func secretIDs(t *testing.T, s *server) {
	const n = 400
	seen := map[string]bool{}
	ones := make([]int, 120)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for range n {
		w, err := s.webSocket()
		must(t, err)
		must(t, w.send("40"))
		p, err := w.next()
		must(t, err)
		if len(w.sid) != 20 || seen[w.sid] || strings.Contains(p, w.sid) {
			t.Fatalf("session ID %q, public %q", w.sid, p)
		}
		seen[w.sid] = true
		for i := range w.sid {
			v := strings.IndexByte(alphabet, w.sid[i])
			for bit := range 6 {
				ones[6*i+bit] += v >> bit & 1
			}
		}
		must(t, w.send("4z")) // ends it with a line in the log
		w.Close()
	}
	for i, k := range ones {
		if k < n/4 || k > n*3/4 {
			t.Errorf("bit %d is set in %d of %d", i, k, n)
		}
	}
	log, err := os.ReadFile(s.log)
	must(t, err)
	for sid := range seen {
		if strings.Contains(string(log), sid) {
			t.Fatal("the log has a session ID")
		}
	}
}

func secondUpgrade(t *testing.T, s *server) {
	p := polling(t, s)
	dial := func() *raw {
		r, err := s.dial()
		must(t, err)
		t.Cleanup(func() { r.Close() })
		_, err = io.WriteString(r, upgrade(wsp+"&sid="+p.sid))
		must(t, err)
		return r
	}
	victim := dial()
	a, err := victim.answer("GET")
	must(t, err)
	if a.status != 101 {
		t.Fatalf("status %d", a.status)
	}
	_, err = io.WriteString(victim, text("2probe"))
	must(t, err)
	f, err := victim.frame()
	must(t, err)
	if f.payload != "3probe" {
		t.Fatalf("got %q", f.payload)
	}
	refuse := func(when string) {
		thief := dial()
		a, err := thief.answer("GET")
		must(t, err)
		if a.status == 101 {
			if code, err := thief.closeCode(); err != nil {
				t.Errorf("while %s the thief stays: %d %v", when, code, err)
			}
		} else if a.status != 400 {
			t.Errorf("while %s: status %d", when, a.status)
		}
	}
	refuse("upgrading")
	_, err = io.WriteString(victim, text("5"))
	must(t, err)
	w := &wsSession{raw: victim, sid: p.sid}
	must(t, w.echo("moved"))
	refuse("upgraded")
	refused(t, s, request("GET", p.target(), ""), "", 400, 200)
	must(t, w.echo("unharmed"))
}
