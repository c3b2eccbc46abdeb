package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/roomwire/roomwire/client"
)

// comeAndGo is one client after the other.
func (w *world) comeAndGo(ctx context.Context, i int) {
	r := w.rng(kindChurn, uint64(i))
	for n := 0; ctx.Err() == nil; n++ {
		w.visit(r, fmt.Sprintf("churn-%d-%d", i, n))
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
	}
}

// visit is one session: it may be cut at any moment, and until then has to go well.
func (w *world) visit(r *rand.Rand, name string) {
	l := w.newLink(name, r, nil)
	defer l.close()
	w.sessions.Add(1)
	ctx := context.Background()
	cut := make(chan struct{})
	doomed := r.IntN(3) == 0
	if doomed {
		timer := time.AfterFunc(time.Duration(r.IntN(150))*time.Millisecond, func() { close(cut); l.cut() })
		defer timer.Stop()
	}
	fine := func(what string, err error) bool {
		if err == nil {
			return true
		}
		select {
		case <-cut:
		default:
			w.fail("%s, %s: %v", name, what, err)
		}
		return false
	}
	if !fine("connect", l.connect(ctx)) || !fine("join", l.join(ctx, pick(r), "guests")) {
		return
	}
	seq := 0
	for range r.IntN(30) {
		var err error
		switch r.IntN(5) {
		case 0:
			err = l.talk(ctx, r)
		case 1:
			seq++
			err = l.say(ctx, r, seq, false)
		case 2:
			err = l.join(ctx, pick(r))
		default:
			seq++
			err = l.say(ctx, r, seq, true)
		}
		if !fine("act", err) {
			return
		}
	}
	if r.IntN(4) == 0 && !doomed {
		fine("panic", l.oops(ctx))
	}
}

// oops makes a handler panic, which costs this socket, and comes again.
func (l *link) oops(ctx context.Context) error {
	gone := make(chan client.Reason, 1)
	off := l.s.OnDisconnect(func(_ context.Context, why client.Reason) { gone <- why })
	defer off()
	if err := l.s.Emit(ctx, string(eventOops), 1); err != nil {
		return err
	}
	select {
	case why := <-gone:
		if why != client.ServerDisconnect {
			return fmt.Errorf("disconnected by %q", why)
		}
	case <-time.After(patience):
		return fmt.Errorf("nothing happened")
	}
	l.w.panics.Add(1)
	if err := l.connect(ctx); err != nil {
		return err
	}
	return l.join(ctx, nil, "guests")
}

// pick returns a few rooms.
func pick(r *rand.Rand) (in []int) {
	for range 1 + r.IntN(3) {
		in = append(in, r.IntN(rooms))
	}
	return in
}

// flaky is one client that is cut again and again and comes back by itself.
func (w *world) flaky(ctx context.Context, i int) {
	r := w.rng(kindFlaky, uint64(i))
	back := make(chan struct{}, 1)
	l := w.newLink(fmt.Sprintf("flaky-%d", i), r, func(o *client.Options) {
		o.NoReconnection = false
		o.AckTimeout = 2 * time.Second
	})
	defer l.close()
	l.s.OnConnect(func(context.Context) {
		select {
		case back <- struct{}{}:
		default:
		}
	})
	if err := l.connect(ctx); err != nil {
		if ctx.Err() == nil {
			w.fail("%s: %v", l.name, err)
		}
		return
	}
	seq := 0
	for ctx.Err() == nil {
		select {
		case <-back:
			w.reconnects.Add(1)
		case <-time.After(patience):
			w.fail("%s did not come back", l.name)
			return
		case <-ctx.Done():
			return
		}
		_ = l.join(ctx, pick(r), "guests")
		for range r.IntN(10) {
			// What is in doubt is not said again, so that nothing can come
			// twice; what was never sent waits for the connection.
			seq++
			if l.say(ctx, r, seq, true) != nil {
				break
			}
		}
		l.cut()
	}
}

// neverRead is one connection after the other that asks for the flood and does
// not read it. The server has to end each.
func (w *world) neverRead(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.deaf(ctx); err != nil && ctx.Err() == nil {
			w.fail("a client that does not read: %v", err)
			return
		}
	}
}

func (w *world) deaf(ctx context.Context) error {
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(nc, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(nc, 16)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	for _, p := range []string{"40", `42["join",["flood"]]`} {
		if _, err := nc.Write(append([]byte{0x81, 0x80 | byte(len(p)), 0, 0, 0, 0}, p...)); err != nil {
			return err
		}
		if p == "40" { // and read until it has joined
			for range 2 {
				if _, err := in.ReadBytes('}'); err != nil {
					return err
				}
			}
		}
	}
	before := w.srv.Stats().Engine.Slow
	for ctx.Err() == nil {
		// A pong now and then, until the server has closed.
		if _, err := nc.Write([]byte{0x81, 0x81, 0, 0, 0, 0, '3'}); err != nil {
			if w.srv.Stats().Engine.Slow == before {
				return fmt.Errorf("it was ended for another reason: %w", err)
			}
			w.slow.Add(1)
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}
