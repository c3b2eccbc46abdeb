package load

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// netLoop is the loop for TLS and for systems without epoll: a reader goroutine
// per connection hands what it read to the goroutine that steps the loop.
type netLoop struct {
	addr    string
	tls     *tls.Config // nil: plain TCP
	events  chan netEvent
	ctx     context.Context // until close
	end     context.CancelFunc
	readers sync.WaitGroup
	links   map[*netLink]struct{}
	pool    sync.Pool
}

type netLink struct {
	loop   *netLoop
	r      receiver
	nc     net.Conn // nil until opened
	early  []byte   // written before opened
	closed bool
	gate   atomic.Pointer[chan struct{}] // nil unless paused: the reader waits for its end
}

// netEvent is an opened connection (nc), bytes read (buf) or an end (err).
type netEvent struct {
	link *netLink
	nc   net.Conn
	buf  *[]byte
	n    int
	err  error
}

const netReadBuffer = 4 << 10

func newNetLoop(addr string, conf *tls.Config) *netLoop {
	ctx, end := context.WithCancel(context.Background())
	return &netLoop{
		addr: addr, tls: conf, ctx: ctx, end: end,
		events: make(chan netEvent, 1024),
		links:  map[*netLink]struct{}{},
		pool:   sync.Pool{New: func() any { b := make([]byte, netReadBuffer); return &b }},
	}
}

func (l *netLoop) dial(r receiver) link {
	k := &netLink{loop: l, r: r}
	l.links[k] = struct{}{}
	l.readers.Add(1)
	go l.serve(k)
	return k
}

// serve dials and reads for one link until it ends or the loop is closed.
func (l *netLoop) serve(k *netLink) {
	defer l.readers.Done()
	nc, err := l.connect()
	if err != nil {
		l.post(netEvent{link: k, err: err})
		return
	}
	if !l.post(netEvent{link: k, nc: nc}) {
		_ = nc.Close()
		return
	}
	for {
		if gate := k.gate.Load(); gate != nil {
			<-*gate
		}
		buf := l.pool.Get().(*[]byte)
		n, err := nc.Read(*buf)
		if n > 0 && !l.post(netEvent{link: k, buf: buf, n: n}) {
			return
		}
		if err != nil {
			l.post(netEvent{link: k, err: err})
			return
		}
	}
}

func (l *netLoop) connect() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(l.ctx, 20*time.Second)
	defer cancel()
	var d net.Dialer
	if l.tls == nil {
		return d.DialContext(ctx, "tcp", l.addr)
	}
	t := tls.Dialer{NetDialer: &d, Config: l.tls}
	return t.DialContext(ctx, "tcp", l.addr)
}

func (l *netLoop) post(ev netEvent) bool {
	select {
	case l.events <- ev:
		return true
	case <-l.ctx.Done():
		return false
	}
}

func (l *netLoop) step(wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case ev := <-l.events:
		l.handle(ev)
	case <-timer.C:
		return nil
	}
	for range 255 {
		select {
		case ev := <-l.events:
			l.handle(ev)
		default:
			return nil
		}
	}
	return nil
}

func (l *netLoop) handle(ev netEvent) {
	k := ev.link
	switch {
	case ev.nc != nil:
		if k.closed {
			_ = ev.nc.Close()
			return
		}
		k.nc = ev.nc
		if len(k.early) > 0 {
			k.write(k.early)
			k.early = nil
		}
		k.r.opened()
	case ev.err != nil:
		if !k.closed {
			k.close()
			k.r.closed(ev.err)
		}
	default:
		if !k.closed {
			k.r.received((*ev.buf)[:ev.n])
		}
		l.pool.Put(ev.buf)
	}
}

// close ends every connection and waits for the readers.
func (l *netLoop) close() {
	l.end()
	for k := range l.links {
		k.close()
	}
	finished := make(chan struct{})
	go func() { l.readers.Wait(); close(finished) }()
	for {
		select {
		case ev := <-l.events:
			if ev.nc != nil {
				_ = ev.nc.Close()
			}
		case <-finished:
			return
		}
	}
}

func (k *netLink) write(b []byte) {
	if k.closed {
		return
	}
	if k.nc == nil {
		k.early = append(k.early, b...)
		return
	}
	_ = k.nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := k.nc.Write(b); err != nil {
		_ = k.nc.Close() // the reader reports the end
	}
}

// pause has the reader stop before its next read; one read may be under way.
func (k *netLink) pause() {
	if k.gate.Load() == nil && !k.closed {
		gate := make(chan struct{})
		k.gate.Store(&gate)
	}
}

func (k *netLink) resume() {
	if gate := k.gate.Swap(nil); gate != nil {
		close(*gate)
	}
}

func (k *netLink) close() {
	if k.closed {
		return
	}
	k.resume()
	k.closed = true
	delete(k.loop.links, k)
	if k.nc != nil {
		_ = k.nc.Close()
	}
}
