package engine

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomwire/roomwire/internal/front"
	"github.com/roomwire/roomwire/internal/poller"
	"github.com/roomwire/roomwire/internal/ws"
)

// A Server is an http.Handler that speaks Engine.IO on any path it is mounted on.
type Server struct {
	o         Options
	open      Handler
	handler   http.Handler // serve, within the middleware
	mw        []func(http.Handler) http.Handler
	origins   []originPattern
	anyOrigin bool
	// fixedOrigin is named to requests without an Origin, as Node.js does:
	// the only one that is allowed.
	fixedOrigin string
	polling     bool // transports that are allowed
	websocket   bool
	params      string // of the handshake, after the upgrades
	accept      ws.Options

	running sync.WaitGroup // connections, writers, readers, the timer
	poller  poller.Poller
	readers atomic.Int64 // WebSockets that it does not read
	wheel   wheel
	count   counters
	warned  atomic.Int64 // when a foreign origin was last logged

	addresses addresses

	mu      sync.RWMutex // before Conn.mu
	conns   map[string]*Conn
	past    Stats // of connections that are gone
	closing bool
}

// Defaults of Options.
const (
	defaultPingInterval   = 25 * time.Second
	defaultPingTimeout    = 20 * time.Second
	defaultUpgradeTimeout = 10 * time.Second
	defaultMaxPayload     = 1_000_000
	defaultHandshakeBytes = 14 << 10
	defaultThreshold      = 1024
	defaultSendBuffer     = 4 << 20
	defaultWriteTimeout   = 10 * time.Second
	defaultReaders        = 8
)

// NewServer returns a server that opens a session with h for every client. A
// nil opts means the defaults. It panics when h is nil or the options
// contradict themselves.
func NewServer(h Handler, opts *Options) *Server {
	if h == nil {
		panic("engine: handler is nil")
	}
	s := &Server{open: h, conns: map[string]*Conn{}}
	if opts != nil {
		s.o = *opts
	}
	if err := s.o.complete(); err != nil {
		panic(err.Error())
	}
	s.polling = slices.Contains(s.o.Transports, "polling")
	s.websocket = slices.Contains(s.o.Transports, "websocket")
	if s.o.CORS != nil {
		for _, pattern := range s.o.CORS.Origins {
			if pattern == "*" {
				s.anyOrigin = true
				continue
			}
			p, err := parseOriginPattern(pattern)
			if err != nil {
				panic(err.Error())
			}
			s.origins = append(s.origins, p)
			if len(s.o.CORS.Origins) == 1 && !p.subdomains && s.o.CORS.AllowOrigin == nil {
				s.fixedOrigin = pattern
			}
		}
	}
	s.params = `,"pingInterval":` + strconv.FormatInt(s.o.PingInterval.Milliseconds(), 10) +
		`,"pingTimeout":` + strconv.FormatInt(s.o.PingTimeout.Milliseconds(), 10) +
		`,"maxPayload":` + strconv.Itoa(s.o.MaxPayload) + `}`
	s.accept = ws.Options{MaxMessage: s.o.MaxPayload, Poller: &s.poller}
	if c := s.o.Compression; c != nil {
		s.accept.Deflate = &ws.Deflate{Threshold: c.Threshold, Level: c.Level}
	}
	s.addresses.limit = s.o.PerAddress
	s.wheel.init(s.o.PingInterval, min(s.o.PingTimeout, s.o.UpgradeTimeout), &s.running)
	s.handler = http.HandlerFunc(s.serve)
	return s
}

// complete copies what the options refer to and fills in the defaults.
func (o *Options) complete() error {
	for _, d := range []time.Duration{o.PingInterval, o.PingTimeout, o.UpgradeTimeout, o.WriteTimeout} {
		if d < 0 {
			return errors.New("engine: a duration of the options is negative")
		}
	}
	if o.MaxPayload < 0 || o.SendBuffer < 0 || o.HandshakeBytes < 0 {
		return errors.New("engine: a size of the options is negative")
	}
	if a := &o.PerAddress; a.MaxConns < 0 || a.ConnectRate < 0 || a.ConnectBurst < 0 {
		return errors.New("engine: a limit of PerAddress is negative")
	}
	orDefault(&o.PerAddress.ConnectBurst, int(2*o.PerAddress.ConnectRate))
	if o.Address == nil {
		o.Address = addressOf
	}
	if o.Overflow > OverflowRefuse {
		return errors.New("engine: unknown Overflow")
	}
	orDefault(&o.PingInterval, defaultPingInterval)
	orDefault(&o.PingTimeout, defaultPingTimeout)
	orDefault(&o.UpgradeTimeout, defaultUpgradeTimeout)
	orDefault(&o.WriteTimeout, defaultWriteTimeout)
	orDefault(&o.MaxPayload, defaultMaxPayload)
	orDefault(&o.HandshakeBytes, defaultHandshakeBytes)
	orDefault(&o.SendBuffer, defaultSendBuffer)
	if o.Readers == 0 {
		o.Readers = defaultReaders
	}
	if o.HTTPCompressionThreshold == 0 {
		o.HTTPCompressionThreshold = defaultThreshold
	}
	if o.Transports == nil {
		o.Transports = []string{"polling", "websocket"}
	}
	if len(o.Transports) == 0 {
		return errors.New("engine: Transports is empty")
	}
	for _, t := range o.Transports {
		if t != "polling" && t != "websocket" {
			return errors.New("engine: unknown transport " + strconv.Quote(t))
		}
	}
	o.Transports = slices.Clone(o.Transports)
	o.InitialPacket = slices.Clone(o.InitialPacket)
	if o.Compression != nil {
		c := *o.Compression
		orDefault(&c.Threshold, defaultThreshold)
		o.Compression = &c
	}
	if o.Cookie != nil {
		c := *o.Cookie
		if c.Name == "" {
			c.Name = "io"
		}
		if c.Path == "" {
			c.Path = "/"
		}
		o.Cookie = &c
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o.completeCORS()
}

func (o *Options) completeCORS() error {
	if o.CORS == nil {
		return nil
	}
	c := *o.CORS
	c.Origins = slices.Clone(c.Origins)
	if len(c.Methods) == 0 {
		c.Methods = []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"}
	}
	if c.Credentials && slices.Contains(c.Origins, "*") {
		return errors.New(`engine: CORS allows origin "*" with credentials, which browsers refuse: list the origins, or decide in AllowOrigin`)
	}
	o.CORS = &c
	return nil
}

// Use wraps every request of the server, handshakes and upgrades too, in
// middleware: io.engine.use. What is added first is outermost. It must be
// called before the first request.
func (s *Server) Use(mw ...func(http.Handler) http.Handler) {
	s.mw = append(s.mw, mw...)
	s.handler = http.HandlerFunc(s.serve)
	for _, wrap := range slices.Backward(s.mw) {
		s.handler = wrap(s.handler)
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Serve is hs.Serve(ln) with cheaper WebSocket handshakes: a plain handshake
// that is the first request of a connection without TLS is given to the handler
// of hs before net/http sets up what a connection for many requests needs.
// Everything else is served by net/http as ever. Any handler will do.
//
// The timeouts, contexts and hooks of hs hold for handshakes too, but the
// context of such a request is not done when its client leaves, and an answer
// that does not take the connection over ends it. Serve returns when hs is shut
// down or closed, with [http.ErrServerClosed], after the handshakes that are
// under way; or with the error of ln.
func Serve(hs *http.Server, ln net.Listener) error { return front.Serve(hs, ln) }

// Len returns the number of open connections.
func (s *Server) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.conns)
}

// get returns the connection that has sid.
func (s *Server) get(sid string) *Conn {
	s.mu.RLock()
	c := s.conns[sid]
	s.mu.RUnlock()
	if c == nil || c.is(stateClosed) {
		return nil
	}
	return c
}

// add makes c known, unless the server is closing or the session ID is taken.
func (s *Server) add(c *Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return ErrServerClosed
	}
	if s.conns[c.id] != nil {
		return errDuplicateID
	}
	s.conns[c.id] = c
	s.running.Add(1)
	s.count.opened.Add(1)
	return nil
}

// remove forgets c, but for its counts.
func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
	c.addTo(&s.past)
	s.addresses.leave(c.from)
}

// Shutdown refuses new clients, closes every connection with
// [ErrServerClosed] after what it has queued, and waits until all sessions are
// closed and all goroutines have ended, or until ctx is done; then it cuts
// what is left, waits up to a second for it, and returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.refuseNew() {
		c.Close(ErrServerClosed)
	}
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		s.poller.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	for _, c := range s.refuseNew() {
		c.mu.Lock()
		c.end(ErrServerClosed)
		c.mu.Unlock()
	}
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C:
	}
	return context.Cause(ctx)
}

// refuseNew makes add fail and returns the connections there are.
func (s *Server) refuseNew() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	conns := make([]*Conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

// Close is Shutdown without patience. Its error is nil if all goroutines have
// ended, which they do unless a session is stuck in its methods.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Shutdown(ctx)
	if s.Len() > 0 {
		return errors.New("engine: a session does not return")
	}
	return nil
}
