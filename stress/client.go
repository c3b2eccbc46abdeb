package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
)

// A link is a client whose connections can be cut.
type link struct {
	w    *world
	c    *client.Client
	s    *client.Socket
	tr   *http.Transport
	name string
	ear  ear

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// transports are the ways to connect.
var transports = [][]string{{"websocket"}, {"polling"}, {"polling", "websocket"}, {"polling", "websocket"}}

func (w *world) newLink(name string, r *rand.Rand, change func(o *client.Options)) *link {
	l := &link{w: w, name: name, conns: map[net.Conn]struct{}{}}
	l.tr = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		l.conns[nc] = struct{}{}
		l.mu.Unlock()
		return nc, nil
	}}
	o := client.Options{
		Engine:            engine.DialOptions{Transports: transports[r.IntN(len(transports))], HTTPClient: &http.Client{Transport: l.tr}},
		NoReconnection:    true,
		ReconnectionDelay: 5 * time.Millisecond, ReconnectionDelayMax: 50 * time.Millisecond,
		ConnectTimeout: patience, AckTimeout: patience,
		Logger: slog.New(slog.DiscardHandler),
	}
	if r.IntN(3) == 0 {
		o.Engine.Compression = &engine.Compression{}
	}
	if change != nil {
		change(&o)
	}
	l.c = client.New(w.url, &o)
	l.s = l.c.Of("/")
	l.ear.init(l)
	return l
}

func (l *link) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.s.Connect(ctx)
}

// cut resets the connections there are.
func (l *link) cut() {
	l.w.cuts.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	for nc := range l.conns {
		if tcp, ok := nc.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = nc.Close()
	}
	clear(l.conns)
}

func (l *link) close() {
	_ = l.c.Close()
	l.tr.CloseIdleConnections()
}

// say says something in a room; with ack, it waits until the server has taken it.
func (l *link) say(ctx context.Context, r *rand.Rand, seq int, ack bool) error {
	m := say{From: l.name, Seq: seq, Room: r.IntN(rooms), Except: -1, Others: r.IntN(4) == 0}
	if r.IntN(3) == 0 {
		m.Except = r.IntN(rooms)
	}
	fill(&m, r)
	l.w.write(&m)
	l.w.said.Add(1)
	if !ack {
		return l.s.Emit(ctx, string(eventSay), m)
	}
	got, err := eventSay.Call(ctx, l.s, m)
	if err != nil {
		return err
	}
	if got != seq {
		return fmt.Errorf("event %d was acknowledged as %d", seq, got)
	}
	l.w.acks.Add(1)
	l.w.sure(l.name, seq)
	return nil
}

// talk does one of the things that are not said to others.
func (l *link) talk(ctx context.Context, r *rand.Rand) error {
	switch r.IntN(3) {
	case 0:
		a, b := r.IntN(1000), r.IntN(1000)
		got, err := eventSum.Call(ctx, l.s, []int{a, b})
		if err == nil && got != a+b {
			err = fmt.Errorf("%d + %d is %d", a, b, got)
		}
		l.w.acks.Add(1)
		return err
	case 1:
		b := content(l.name, r.IntN(1e6), 1+r.IntN(3000))
		got, err := eventEcho.Call(ctx, l.s, b)
		if err == nil && string(got) != string(b) {
			err = fmt.Errorf("%d bytes came back as %d others", len(b), len(got))
		}
		l.w.binary.Add(1)
		return err
	default:
		n := r.IntN(1000)
		got, err := eventAsk.Call(ctx, l.s, n)
		if err == nil && got != 2*n {
			err = fmt.Errorf("asked for %d, it was told %d", n, got)
		}
		l.w.calls.Add(1)
		return err
	}
}

// An ear hears what is said.
type ear struct {
	l  *link
	mu sync.Mutex
	// heard are the numbers by sender, in the order of arrival.
	heard map[string][]int
	rooms map[int]bool // that it may be in
}

func (e *ear) init(l *link) {
	e.l, e.heard, e.rooms = l, map[string][]int{}, map[int]bool{}
	client.On(l.s, eventSaid, func(_ context.Context, m say) error {
		e.hear(&m)
		return nil
	})
	client.OnCall(l.s, eventTell, func(_ context.Context, n int) (int, error) { return 2 * n, nil })
}

func (e *ear) hear(m *say) {
	w := e.l.w
	w.heard.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.heard[m.From]
	switch {
	case !own(m):
		w.fail("%s got foreign bytes with event %d of %s", e.l.name, m.Seq, m.From)
	case !e.rooms[m.Room]:
		w.fail("%s, not in room %d, got event %d of %s", e.l.name, m.Room, m.Seq, m.From)
	case m.Others && m.From == e.l.name:
		w.fail("%s got its own event %d", e.l.name, m.Seq)
	case len(all) > 0 && all[len(all)-1] >= m.Seq:
		w.fail("%s got event %d of %s after %d", e.l.name, m.Seq, m.From, all[len(all)-1])
	}
	e.heard[m.From] = append(all, m.Seq)
}

// join joins rooms.
func (l *link) join(ctx context.Context, in []int, more ...string) error {
	names := more
	l.ear.mu.Lock()
	for _, i := range in {
		l.ear.rooms[i] = true
		names = append(names, room(i))
	}
	l.ear.mu.Unlock()
	got, err := eventJoin.Call(ctx, l.s, names)
	if err == nil && got != len(names) {
		err = fmt.Errorf("joined %d of %d rooms", got, len(names))
	}
	return err
}
