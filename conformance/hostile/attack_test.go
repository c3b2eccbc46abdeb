package hostile_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// An attack is one case. It fails when the server does anything but the safe thing.
type attack struct {
	id   string
	name string
	run  func(t *testing.T, s *server)
	on   **server // nil: plain
}

// heapSlack is what the heap may differ by after a case: pools that have grown.
const heapSlack = 4 << 20

// settleTime is the heartbeat of the servers and four seconds more.
const settleTime = 4*time.Second + 4*time.Second

var (
	worstMu sync.Mutex
	worst   time.Duration // echo of an honest client in any case
	worstIn string
)

// play runs attacks one after the other. During and after each the honest
// clients are served, and afterwards nothing is left of it.
func play(t *testing.T, attacks []attack) {
	if *heavy {
		t.Skip("the large attacks run alone")
	}
	for _, a := range attacks {
		t.Run(a.id+" "+a.name, func(t *testing.T) {
			s := plain
			if a.on != nil {
				s = *a.on
			}
			honest := []*honest{s.ws, s.polling}
			before, err := s.baseline()
			must(t, err)
			for _, h := range honest {
				_, err := h.look()
				must(t, err)
			}
			t.Run("attack", func(t *testing.T) { a.run(t, s) }) // and hang up
			for _, h := range honest {
				h.served(t)
				took, err := h.look()
				if err != nil || took > generous {
					t.Errorf("the honest %s client waited %v: %v", h.name, took, err)
				}
				worstMu.Lock()
				if took > worst {
					worst, worstIn = took, a.id+" "+a.name
				}
				worstMu.Unlock()
			}
			now, ok, err := s.settled(before, heapSlack, settleTime)
			if err != nil || !ok {
				t.Errorf("left behind: %v, before %v: %v", now, before, err)
			}
		})
	}
	t.Logf("the longest echo of an honest client so far: %v, in %s", worst, worstIn)
}

func (r residue) String() string {
	return fmt.Sprintf("{goroutines %d, descriptors %d, heap %d KB, connections %d, sockets %d}", r.goroutines, r.fds, r.heap>>10, r.open, r.sockets)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// join opens WC.
func joined(t *testing.T, s *server) *wsSession {
	t.Helper()
	w, err := s.webSocket()
	must(t, err)
	t.Cleanup(func() { w.Close() })
	must(t, w.join("/"))
	return w
}

// opened opens W.
func opened(t *testing.T, s *server) *wsSession {
	t.Helper()
	w, err := s.webSocket()
	must(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

// polling opens a session and joins the main namespace.
func polling(t *testing.T, s *server) *pollSession {
	t.Helper()
	p, err := s.polls()
	must(t, err)
	must(t, p.join("/"))
	t.Cleanup(p.close)
	return p
}
