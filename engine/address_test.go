package engine_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// from makes a handshake as a client at an address would.
func from(srv *engine.Server, remote string) int {
	r := newRequest("GET", polling)
	r.RemoteAddr = remote
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, r)
	return w.Code
}

// deaf is the handler of sessions that nobody looks at.
type deaf struct{ conns chan *engine.Conn }

func (m deaf) Open(c *engine.Conn) engine.Session {
	if m.conns != nil {
		m.conns <- c
	}
	return m
}
func (deaf) Message(bool, []byte) error { return nil }
func (deaf) Closed(error)               {}

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusals := 0
		h := deaf{make(chan *engine.Conn, 100)}
		srv := engine.NewServer(h, &engine.Options{
			PerAddress: engine.PerAddress{MaxConns: 3},
			AllowRequest: func(r *http.Request) error {
				if r.Header.Get("X-No") != "" {
					return errors.New("no")
				}
				return nil
			},
			Hooks: engine.Hooks{ConnectionError: func(e *engine.ConnectionError) { refusals++ }},
		})
		for i, c := range []struct {
			remote string
			want   int
		}{
			{"192.0.2.1:1", 200},
			{"192.0.2.1:2", 200},
			{"[::ffff:192.0.2.1]:3", 200},
			{"192.0.2.1:4", 429},
			{"192.0.2.2:1", 200},
			{"[2001:db8::1]:1", 200},
			{"[2001:db8::2]:1", 200},
			{"[2001:db8::ffff:1]:1", 200},
			{"[2001:db8::4]:1", 429},
			{"[2001:db8:0:1::1]:1", 200},
		} {
			if got := from(srv, c.remote); got != c.want {
				t.Errorf("handshake %d from %s: %d, want %d", i, c.remote, got, c.want)
			}
		}
		if st := srv.Stats(); st.Limited != 2 || st.Refused[engine.CodeForbidden] != 2 || refusals != 2 {
			t.Errorf("%+v, %d refusals", st, refusals)
		}
		(<-h.conns).Close(nil)
		time.Sleep(time.Minute) // its client never comes for the end
		if got := from(srv, "192.0.2.1:9"); got != 200 {
			t.Errorf("after one has gone: %d", got)
		}
		// Handshakes that fail do not count.
		for range 10 {
			r := newRequest("GET", polling)
			r.RemoteAddr = "192.0.2.7:1"
			r.Header.Set("X-No", "1")
			srv.ServeHTTP(httptest.NewRecorder(), r)
		}
		if got := from(srv, "192.0.2.7:1"); got != 200 {
			t.Errorf("after refusals: %d", got)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRateOfConnectsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := engine.NewServer(deaf{}, &engine.Options{
			PerAddress: engine.PerAddress{ConnectRate: 2, ConnectBurst: 5},
			Address:    func(r *http.Request) string { return r.Header.Get("X-Real-Ip") },
		})
		count := func() (n int) {
			for range 20 {
				r := newRequest("GET", polling)
				r.Header.Set("X-Real-Ip", "client")
				w := httptest.NewRecorder()
				srv.ServeHTTP(w, r)
				if w.Code == 200 {
					n++
				}
			}
			return n
		}
		if n := count(); n != 5 {
			t.Errorf("%d at once", n)
		}
		time.Sleep(1500 * time.Millisecond)
		if n := count(); n != 3 {
			t.Errorf("%d after a second and a half", n)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A flood from ever new addresses must not leave one entry each.
func TestAddressesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := 0
		srv := engine.NewServer(deaf{}, &engine.Options{
			PingInterval: time.Second, PingTimeout: time.Second,
			PerAddress: engine.PerAddress{MaxConns: 3, ConnectRate: 1},
			Address:    func(*http.Request) string { i++; return time.Duration(i).String() },
		})
		for range 20 {
			for range 500 {
				from(srv, "192.0.2.1:1")
			}
			time.Sleep(5 * time.Second)
		}
		if n := engine.KnownAddresses(srv); n > 2048 {
			t.Errorf("%d addresses are known of 10000", n)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSessionCanBeBoundToItsAddress(t *testing.T) {
	conns := make(chan *engine.Conn, 1)
	srv := engine.NewServer(deaf{conns}, &engine.Options{BindAddress: true})
	defer srv.Close()
	if got := from(srv, "192.0.2.1:1"); got != 200 {
		t.Fatal(got)
	}
	sid := (<-conns).ID()
	post := func(remote string) int {
		r := httptest.NewRequest("POST", "/engine.io/?"+polling+"&sid="+sid, http.NoBody)
		r.Body = http.NoBody
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return w.Code
	}
	if got := post("192.0.2.9:1"); got != 400 {
		t.Errorf("somebody else: %d", got)
	}
	if got := post("192.0.2.1:7"); got != 200 {
		t.Errorf("the client, from another port: %d", got)
	}
}
