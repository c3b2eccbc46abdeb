// Package siotest joins a server and clients in memory, for tests of programs
// that use package sio.
//
//	func TestGreeting(t *testing.T) {
//		srv := sio.NewServer(nil)
//		sio.OnCall(srv.Of("/"), "greet", greet)
//		s := siotest.Connect(t, srv, "/")
//		answer, err := client.Call[string](t.Context(), s, "greet", "Ada")
//		…
//	}
//
// No port is opened, and nothing depends on the speed of a network, so that it
// works inside a testing/synctest bubble, too.
package siotest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/sio"
)

// patience is how long Connect and the clean-up wait.
const patience = 10 * time.Second

// Connect returns a client's socket that is connected to srv in a namespace.
// It fails the test when a guard refuses the socket. The connection ends with
// the test; srv is left to the caller.
func Connect(t testing.TB, srv *sio.Server, namespace string) *client.Socket {
	t.Helper()
	s := Dial(t, srv, nil).Of(namespace)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Connect(ctx); err != nil {
		t.Fatalf("siotest: connecting to %s: %v", namespace, err)
	}
	return s
}

// Dial returns a client of srv that is not connected yet, with options of the
// caller's, or the defaults for nil; its HTTP client is replaced by one that
// reaches srv. It is closed at the end of the test.
func Dial(t testing.TB, srv *sio.Server, opts *client.Options) *client.Client {
	t.Helper()
	var o client.Options
	if opts != nil {
		o = *opts
	}
	ln := Listen()
	hs := &http.Server{Handler: srv}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = hs.Serve(ln) // until it is closed below
	}()
	tr := &http.Transport{DialContext: ln.Dial}
	o.Engine.HTTPClient = &http.Client{Transport: tr}
	c := client.New("http://siotest", &o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("siotest: closing the client: %v", err)
		}
		tr.CloseIdleConnections()
		hs.Close()
		<-served
	})
	return c
}

// A Listener is a net.Listener in memory. It may be used by many goroutines at once.
type Listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Listen returns a listener for an http.Server.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that were accepted stay.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return addr{} }

// Dial connects to the listener, whatever the address; it fits the DialContext
// of an http.Transport.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, errors.New("siotest: the listener is closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// addr is the address of everything in memory.
type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "siotest:0" }
