// Package front serves an http.Server and answers WebSocket handshakes itself.
//
// What net/http does for a connection that may carry many requests (two buffers
// of 4 KiB, a goroutine that reads ahead to notice the end of the client, and
// its stop before the connection is handed over) is of no use to a WebSocket, and
// thrown away at once. So each connection is looked at before net/http gets it.
// One whose first bytes are a plain handshake is given to the handler right away;
// any other goes to net/http, with every byte still to be read.
package front

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/roomwire/roomwire/internal/stack"
)

// A front is the listener that net/http serves.
type front struct {
	hs     *http.Server
	ln     net.Listener
	ctx    context.Context // of every request
	passed chan net.Conn
	failed chan error
	closed chan struct{}

	running sync.WaitGroup // the accepting and the meeting goroutines

	mu      sync.Mutex
	meeting map[net.Conn]struct{} // have sent nothing yet; nil: closed
}

// Serve serves hs on ln until that fails or hs is shut down or closed, which
// makes the error [http.ErrServerClosed]. It returns after the last handshake
// that is under way.
func Serve(hs *http.Server, ln net.Listener) error {
	if !canPeek || hs.Protocols != nil && !hs.Protocols.HTTP1() {
		return hs.Serve(ln)
	}
	f := &front{
		hs: hs, ln: ln,
		passed: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}),
		meeting: map[net.Conn]struct{}{},
	}
	base := context.Background()
	if hs.BaseContext != nil {
		base = hs.BaseContext(ln)
	}
	f.ctx = context.WithValue(base, http.ServerContextKey, hs)
	f.running.Go(f.accept)
	err := hs.Serve(f)
	_ = f.Close()
	f.running.Wait()
	return err
}

// accept looks at every connection, each on a goroutine of its own.
func (f *front) accept() {
	for {
		nc, err := f.ln.Accept()
		switch {
		case err != nil:
			select {
			case f.failed <- err: // and net/http decides, and waits if it makes sense
			case <-f.closed:
				return
			}
		case f.begin(nc):
			f.running.Go(func() { f.meet(nc) })
		default:
			_ = nc.Close()
			return
		}
	}
}

// begin notes a connection that has sent nothing, unless f is closed.
func (f *front) begin(nc net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.meeting == nil {
		return false
	}
	f.meeting[nc] = struct{}{}
	return true
}

// meet waits for the first bytes of a connection and decides who answers.
func (f *front) meet(nc net.Conn) {
	wait := f.hs.ReadHeaderTimeout
	if wait <= 0 {
		wait = f.hs.ReadTimeout
	}
	if wait > 0 {
		_ = nc.SetReadDeadline(time.Now().Add(wait))
	}
	head, err := peek(nc)
	f.mu.Lock()
	delete(f.meeting, nc)
	f.mu.Unlock()
	stack.Large()
	r, ok := parse(head)
	if err == nil && ok {
		err = skip(nc, len(head))
	}
	switch {
	case err != nil:
		_ = nc.Close()
	case ok:
		f.answer(nc, r)
	default:
		f.pass(nc)
	}
}

// pass leaves a connection to net/http.
func (f *front) pass(nc net.Conn) {
	select {
	case f.passed <- nc:
	case <-f.closed:
		_ = nc.Close()
	}
}

// answer has the handler answer a handshake.
func (f *front) answer(nc net.Conn, r *http.Request) {
	f.state(nc, http.StateNew)
	f.state(nc, http.StateActive)
	ctx := f.ctx
	if f.hs.ConnContext != nil {
		ctx = f.hs.ConnContext(ctx, nc)
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, http.LocalAddrContextKey, nc.LocalAddr()))
	r.RemoteAddr = nc.RemoteAddr().String()
	w := &response{f: f, nc: nc, header: http.Header{}}
	defer func() {
		cancel()
		v := recover()
		if v != nil && v != any(http.ErrAbortHandler) {
			f.logf("http: panic serving %v: %v\n%s", r.RemoteAddr, v, debug.Stack())
		}
		w.finish(v == nil)
	}()
	handler := f.hs.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	handler.ServeHTTP(w, r.WithContext(ctx))
}

func (f *front) state(nc net.Conn, s http.ConnState) {
	if f.hs.ConnState != nil {
		f.hs.ConnState(nc, s)
	}
}

// Accept implements net.Listener: it returns what is left to net/http.
func (f *front) Accept() (net.Conn, error) {
	select {
	case nc := <-f.passed:
		return nc, nil
	case err := <-f.failed:
		return nil, err
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It closes the connections that have sent
// nothing.
func (f *front) Close() error {
	f.mu.Lock()
	idle := f.meeting
	f.meeting = nil
	f.mu.Unlock()
	if idle == nil {
		return nil
	}
	close(f.closed)
	err := f.ln.Close()
	for nc := range idle {
		err = errors.Join(err, nc.Close())
	}
	return err
}

// Addr implements net.Listener.
func (f *front) Addr() net.Addr { return f.ln.Addr() }
