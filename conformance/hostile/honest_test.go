package hostile_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// generous is how long an honest client may wait for its echo in a test. The
// promise is a tenth of it, on a machine that has nothing else to do.
const generous = 5 * time.Second

// An honest client asks for an echo over and over.
type honest struct {
	name string
	quit chan struct{}
	done chan struct{}

	mu    sync.Mutex
	n     int           // echoes so far
	worst time.Duration // since the last look
	since time.Time     // when the echo that is awaited was asked for; zero: none
	err   error
}

func newHonest(s *server, webSocket bool) (*honest, error) {
	h := &honest{name: "polling", quit: make(chan struct{}), done: make(chan struct{})}
	if webSocket {
		h.name = "WebSocket"
	}
	c, err := openSession(s, webSocket)
	if err != nil {
		return nil, err
	}
	if err := c.join("/"); err != nil {
		return nil, err
	}
	go h.run(c)
	return h, nil
}

func (h *honest) run(c session) {
	defer close(h.done)
	defer c.close()
	for i := 0; ; i++ {
		select {
		case <-h.quit:
			return
		case <-time.After(10 * time.Millisecond):
		}
		h.mu.Lock()
		h.since = time.Now()
		h.mu.Unlock()
		err := c.echo(fmt.Sprintf("%s %d", h.name, i))
		h.mu.Lock()
		h.worst = max(h.worst, time.Since(h.since))
		h.since = time.Time{}
		h.n++
		h.err = err
		h.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (h *honest) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

// look returns the longest wait since the last look.
func (h *honest) look() (worst time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	worst, h.worst = h.worst, 0
	if !h.since.IsZero() {
		worst = max(worst, time.Since(h.since))
	}
	return worst, h.err
}

// served waits for one more echo, which was asked for from now on.
func (h *honest) served(t testing.TB) {
	t.Helper()
	want := h.count() + 2
	for deadline := time.Now().Add(generous); h.count() < want; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			_, err := h.look()
			t.Fatalf("the honest %s client got no echo in %v: %v", h.name, generous, err)
		}
		if err := h.failed(); err != nil {
			t.Fatalf("the honest %s client: %v", h.name, err)
		}
	}
}

func (h *honest) failed() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *honest) stop() {
	close(h.quit)
	<-h.done
}

// A session is one Engine.IO connection of an honest client, or of an attacker
// who begins as one.
type session interface {
	send(packets ...string) error
	next() (packet string, err error) // pings are answered on the way
	join(namespace string) error
	echo(text string) error
	close()
}

// join and echo of both transports.

func joinOver(s session, namespace string) error {
	prefix := ""
	if namespace != "/" {
		prefix = namespace + ","
	}
	if err := s.send("40" + prefix); err != nil {
		return err
	}
	p, err := s.next()
	if err == nil && !strings.HasPrefix(p, "40"+prefix+`{"sid":"`) {
		err = fmt.Errorf("CONNECT was answered with %.200q", p)
	}
	return err
}

func echoOver(s session, text string) error {
	if err := s.send(`421["echo","` + text + `"]`); err != nil {
		return err
	}
	p, err := s.next()
	if want := `431["` + text + `"]`; err == nil && p != want {
		err = fmt.Errorf("got %.200q, want %q", p, want)
	}
	return err
}
