package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// ErrTimeout is returned when a run does not end within Config.Timeout.
var ErrTimeout = errors.New("load: the run did not end in time")

// ErrLost is wrapped when connections end before their time.
var ErrLost = errors.New("load: connections lost")

// worker is a scenario. Its methods run on the goroutine of the run.
type worker interface {
	// prepare runs once when all clients are ready.
	prepare() error
	// begin starts as many operations as may be under way, while run.more allows.
	begin()
	delivered(s *session)
	acked(s *session, slot int)
}

// run is one measurement under way, all of it on one goroutine.
type run struct {
	cfg     Config
	ctx     context.Context
	loop    loop
	dialect dialect
	work    worker

	path, host, headers string
	wsRequest           []byte

	base     time.Time
	now      int64 // nanoseconds since base, as of the last tick
	limit    int64
	reported int64

	sessions []*session
	deaf     []*session // Config.Paused
	dialing  int
	ready    int
	lost     int
	cut      int // of deaf
	firstErr error
	dirty    []transport
	scratch  []byte

	// The phase: what may still be started, what is under way, what was counted.
	phase              string
	startedAt, stopAt  int64
	started, pending   int
	minStart, maxStart int
	ops                int
	latency, last      Histogram
}

// Run opens the clients, measures, and closes them. A Result with what is known
// comes back with most errors too.
func Run(ctx context.Context, c Config) (*Result, error) {
	c, u, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &run{cfg: c, ctx: ctx, base: time.Now(), limit: int64(c.Timeout)}
	r.dialect = newDialect(&r.cfg)
	if r.work, err = newWorker(r); err != nil {
		return nil, err
	}
	if err := r.openLoop(u); err != nil {
		return nil, err
	}
	defer r.loop.close()
	res := &Result{Config: r.cfg}
	err = r.measure(res)
	res.Lost, res.Cut = r.lost, r.cut
	return res, err
}

func (r *run) openLoop(u *url.URL) error {
	secure := u.Scheme == "https" || u.Scheme == "wss"
	port := u.Port()
	if port == "" {
		if port = "80"; secure {
			port = "443"
		}
	}
	address := net.JoinHostPort(u.Hostname(), port)
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	r.host, r.path = u.Host, r.dialect.path(u)
	r.headers = "Host: " + r.host + "\r\nAccept: */*\r\nConnection: keep-alive\r\n"
	r.wsRequest = r.upgradeRequest("")
	switch {
	case secure:
		r.loop = newNetLoop(address, &tls.Config{ServerName: u.Hostname()})
	case r.cfg.Portable:
		r.loop = newNetLoop(addr.String(), nil)
	default:
		r.loop, err = newFastLoop(addr)
	}
	return err
}

// upgradeRequest builds the WebSocket handshake. The key is fixed: the answer to
// it is not checked, because no cache can stand between the load and the server.
func (r *run) upgradeRequest(more string) []byte {
	target := r.path
	if q := r.dialect.query() + more; q != "" {
		target += "?" + q
	}
	return []byte("GET " + target + " HTTP/1.1\r\nHost: " + r.host +
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cm9vbXdpcmUgYmVuY2ggIQ==\r\n\r\n")
}

// measure does the whole sequence and fills res.
func (r *run) measure(res *Result) error {
	c := &r.cfg
	if err := r.memory(&res.RSSBefore); err != nil {
		return err
	}
	if c.Scenario == Connect {
		return r.measureConnect(res)
	}
	if err := r.connect(c.Clients + c.Paused); err != nil {
		return err
	}
	r.sessions, r.deaf = r.sessions[:c.Clients], r.sessions[c.Clients:]
	for _, s := range r.deaf {
		s.deaf = true
	}
	if err := r.work.prepare(); err != nil {
		return err
	}
	if err := r.carryOut("warm-up", c.Warmup, max(1, c.WarmupOps), 0); err != nil {
		return err
	}
	before, err := r.cpu()
	if err != nil {
		return err
	}
	for _, s := range r.deaf {
		s.t.pause()
	}
	if err := r.carryOut("measure", c.Duration, max(1, c.MinOps), c.MaxOps); err != nil {
		return err
	}
	if err := r.finish(res, before); err != nil {
		return err
	}
	if err := r.memory(&res.RSSAfter); err != nil {
		return err
	}
	return r.hear()
}

// hear has the paused clients read again: those that the server disconnected
// come to the end of what the kernel kept for them.
func (r *run) hear() error {
	for _, s := range r.deaf {
		if !s.over {
			s.t.resume()
		}
	}
	patience := r.now + int64(hearTime)
	return r.until(func() bool { return r.cut == len(r.deaf) || r.now > patience })
}

// hearTime is how long a paused client that reads again may take to notice that
// it was disconnected.
const hearTime = 3 * time.Second

func (r *run) measureConnect(res *Result) error {
	c := &r.cfg
	if err := r.connect(c.WarmupOps); err != nil {
		return err
	}
	before, err := r.cpu()
	if err != nil {
		return err
	}
	r.resetPhase("measure")
	if err := r.connect(c.WarmupOps + c.Clients); err != nil {
		return err
	}
	r.ops = c.Clients
	return r.finish(res, before)
}

func (r *run) finish(res *Result, before time.Duration) error {
	r.tick()
	after, err := r.cpu()
	if err != nil {
		return err
	}
	if r.cfg.PID != 0 {
		if res.RSSPeak, err = ProcessPeakRSS(r.cfg.PID); err != nil {
			return err
		}
	}
	res.CPU = after - before
	res.Elapsed = time.Duration(r.now - r.startedAt)
	res.Ops, res.Latency, res.Last = r.ops, r.latency, r.last
	// A connection that ended unnoticed, because nothing was to come from it any
	// more, is found by looking once more.
	looked := false
	return r.until(func() bool {
		was := looked
		looked = true
		return was
	})
}

// connect dials until n sessions are ready.
func (r *run) connect(n int) error {
	if r.phase == "" {
		r.phase = "connect"
	}
	for {
		for r.dialing < r.cfg.Inflight && len(r.sessions) < n {
			r.dial()
		}
		if r.ready >= n {
			return nil
		}
		before := r.ready
		err := r.until(func() bool { return r.ready > before })
		if err != nil {
			return err
		}
	}
}

func (r *run) dial() {
	r.tick()
	s := &session{run: r, id: len(r.sessions), dialed: r.now, sent: make([]int64, r.cfg.Outstanding)}
	r.sessions = append(r.sessions, s)
	r.dialing++
	if r.cfg.Transport == WebSocket {
		w := &wsTransport{s: s, request: r.wsRequest}
		s.t = w
		w.l = r.loop.dial(w)
		return
	}
	t := newPollTransport(s, r.cfg.Transport == Upgrade)
	s.t = t
	t.open()
}

func (r *run) sessionReady(s *session) {
	r.dialing--
	r.ready++
	r.latency.Record(time.Duration(r.now - s.dialed))
}

func (r *run) sessionLost(s *session, err error) {
	if s.deaf && r.phase == "measure" {
		r.cut++
		return
	}
	if !s.ready {
		r.dialing--
	}
	r.lost++
	if r.firstErr == nil {
		r.firstErr = err
	}
}

// carryOut runs one phase of the scenario and waits until nothing is under way.
func (r *run) carryOut(phase string, d time.Duration, minStart, maxOps int) error {
	r.resetPhase(phase)
	r.stopAt = r.startedAt + int64(d)
	r.minStart, r.maxStart = minStart, maxOps
	r.work.begin()
	r.flush()
	return r.until(func() bool { return r.pending == 0 && !r.more() })
}

func (r *run) resetPhase(phase string) {
	r.tick()
	r.phase, r.startedAt = phase, r.now
	r.started, r.pending, r.ops = 0, 0, 0
	r.latency.Reset()
	r.last.Reset()
}

// more reports whether the phase may start another operation.
func (r *run) more() bool {
	if r.started < r.minStart {
		return true
	}
	return r.now < r.stopAt && (r.maxStart == 0 || r.ops < r.maxStart)
}

// until steps the loop until done.
func (r *run) until(done func() bool) error {
	for !done() {
		if err := r.loop.step(20 * time.Millisecond); err != nil {
			return err
		}
		r.tick()
		r.flush()
		switch {
		case r.lost > 0:
			return fmt.Errorf("%w: %d of %d while in %s: %w", ErrLost, r.lost, len(r.sessions), r.phase, r.firstErr)
		case r.now > r.limit:
			return fmt.Errorf("%w: %v, %d of %d clients ready, in %s", ErrTimeout, r.cfg.Timeout, r.ready, r.cfg.Clients, r.phase)
		case r.ctx.Err() != nil:
			return r.ctx.Err()
		}
		r.report()
	}
	return nil
}

func (r *run) report() {
	if r.cfg.Progress == nil || r.now-r.reported < int64(100*time.Millisecond) {
		return
	}
	r.reported = r.now
	p := Progress{Phase: r.phase, Connected: r.ready, Ops: r.ops}
	switch {
	case r.phase == "connect" || r.cfg.Scenario == Connect:
		p.Fraction = float64(r.ready) / float64(max(1, r.cfg.Clients))
	case r.stopAt > r.startedAt:
		p.Fraction = float64(r.now-r.startedAt) / float64(r.stopAt-r.startedAt)
	}
	p.Fraction = min(p.Fraction, 1)
	r.cfg.Progress(p)
}

func (r *run) tick() { r.now = int64(time.Since(r.base)) }

// flush sends what the sessions collected.
func (r *run) flush() {
	for i := 0; i < len(r.dirty); i++ {
		r.dirty[i].flush()
	}
	r.dirty = r.dirty[:0]
}

func (r *run) cpu() (time.Duration, error) {
	if r.cfg.PID == 0 {
		return 0, nil
	}
	return ProcessCPU(r.cfg.PID)
}

func (r *run) memory(to *int64) error {
	if r.cfg.PID == 0 {
		return nil
	}
	if r.cfg.CollectGarbage != nil {
		// Twice: what finalizers and pools held is free only in the second.
		for range 2 {
			if err := r.cfg.CollectGarbage(); err != nil {
				return fmt.Errorf("load: garbage collection of the server: %w", err)
			}
		}
	}
	rss, err := ProcessRSS(r.cfg.PID)
	*to = rss
	return err
}
