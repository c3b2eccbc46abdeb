package sio

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/lane"
)

// A Server is an http.Handler that speaks Socket.IO. Mount it on "/socket.io/",
// the path that clients use unless told otherwise. It is also the [Target] of
// all sockets of the main namespace.
type Server struct {
	Target // of "/"

	opts     Options
	log      *slog.Logger
	eng      *engine.Server
	ctx      context.Context // done when the server is closed
	cancel   context.CancelFunc
	tasks    taskCount
	crew     lane.Crew // runs the lanes of sockets and namespaces
	stats    counters
	outgoing atomic.Int32 // hooks that want to see what is sent

	mu         sync.Mutex
	namespaces map[string]*Namespace
	parents    []*Namespace
	born       []func(*Namespace)
	dynamic    int // of namespaces
	closing    bool
}

// NewServer returns a server. A nil opts means the defaults. It panics when
// the options contradict themselves.
func NewServer(opts *Options) *Server {
	s := &Server{opts: opts.withDefaults(), namespaces: make(map[string]*Namespace)}
	s.log = s.opts.Logger
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.tasks.init()
	s.eng = engine.NewServer(s, &s.opts.Engine)
	s.Target = s.Of("/").Target
	return s
}

// Serve is [engine.Serve]: hs.Serve(ln) with cheaper WebSocket handshakes.
func Serve(hs *http.Server, ln net.Listener) error { return engine.Serve(hs, ln) }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.opts.NoClient && s.serveBundle(w, r) {
		return
	}
	s.eng.ServeHTTP(w, r)
}

// Engine returns the Engine.IO server below: io.engine. Its Use adds HTTP
// middleware to the requests of clients.
func (s *Server) Engine() *engine.Server { return s.eng }

// Of returns the namespace called name, making it if need be: io.of. A leading
// slash is added. A name with wildcards, as "/tenant-{id}", makes a parent:
// the namespaces that match it are made when their first client comes, and
// removed with their last; see [Socket.PathValue]. Of panics when a pattern
// is malformed.
func (s *Server) Of(name string) *Namespace {
	name = "/" + strings.TrimPrefix(name, "/")
	if isPattern(name) {
		return s.addParent(name, compilePattern(name))
	}
	s.mu.Lock()
	n, parents := s.namespaces[name], s.parents
	s.mu.Unlock()
	if n != nil {
		return n
	}
	for _, p := range parents {
		if p.byName {
			if _, ok := p.match(s.ctx, nil, name); ok {
				n, err := s.make(name, p)
				if err != nil {
					s.log.Error("sio: namespace not opened", "namespace", name, "error", err)
				}
				return n
			}
		}
	}
	n, err := s.make(name, nil)
	if err != nil {
		s.log.Error("sio: namespace not opened", "namespace", name, "error", err)
	}
	return n
}

// OfRegexp returns the parent of the namespaces whose name re matches; anchor
// it with ^ and $. Groups with a name are values of [Socket.PathValue].
func (s *Server) OfRegexp(re *regexp.Regexp) *Namespace {
	return s.addParent(re.String(), matchRegexp(re))
}

// OfFunc returns the parent of the namespaces for which allow reports true,
// asked with the socket that wants to connect (its Auth and Request may be
// looked at) and the name. Parents are asked in the order in which they were
// made; the first one that takes a name keeps it.
func (s *Server) OfFunc(allow func(ctx context.Context, sk *Socket, name string) bool) *Namespace {
	n := s.addParent("(function)", func(ctx context.Context, sk *Socket, name string) ([]string, bool) {
		return nil, allow(ctx, sk, name)
	})
	n.byName = false
	return n
}

func (s *Server) addParent(name string, match matcher) *Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parents {
		if p.name == name && name != "(function)" {
			return p
		}
	}
	n := newNamespace(s, name)
	n.parent, n.match, n.byName = true, match, true
	s.parents = append(slices.Clone(s.parents), n)
	return n
}

// OnNamespace calls fn for each namespace that is made from now on: new_namespace.
func (s *Server) OnNamespace(fn func(n *Namespace)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.born = append(slices.Clone(s.born), fn)
}

// Namespaces returns the namespaces that exist now, without the parents, by name.
func (s *Server) Namespaces() []*Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.namespaces), func(a, b *Namespace) int { return strings.Compare(a.name, b.name) })
}

// errInvalidNamespace is what Node.js answers for an unknown namespace.
var errInvalidNamespace = &Error{Message: "Invalid namespace"}

// resolve finds or makes the namespace that a socket wants, and counts it in.
func (s *Server) resolve(ctx context.Context, sk *Socket) (n *Namespace, path []string, err error) {
	s.mu.Lock()
	n, parents := s.namespaces[sk.name], s.parents
	if n != nil && n.dynamic == nil {
		n.refs++
		s.mu.Unlock()
		return n, nil, n.open()
	}
	s.mu.Unlock()
	for _, p := range parents {
		var ok bool
		err := protect(func() error { path, ok = p.match(ctx, sk, sk.name); return nil })
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		for {
			n, err = s.make(sk.name, p)
			if err != nil {
				return nil, nil, err
			}
			s.mu.Lock()
			if s.namespaces[sk.name] == n { // else it was removed just now
				n.refs++
				s.mu.Unlock()
				return n, path, nil
			}
			s.mu.Unlock()
		}
	}
	return nil, nil, errInvalidNamespace
}

// make returns the namespace called name, new if need be; parent is what it
// matched, or nil.
func (s *Server) make(name string, parent *Namespace) (*Namespace, error) {
	s.mu.Lock()
	if n := s.namespaces[name]; n != nil {
		s.mu.Unlock()
		return n, n.open()
	}
	if parent != nil {
		if over(s.dynamic+1, s.opts.Limits.DynamicNamespaces) {
			s.mu.Unlock()
			s.stats.namespaceOverflows.Add(1)
			return nil, &Error{Message: "too many namespaces"}
		}
		s.dynamic++
	}
	n := newNamespace(s, name)
	n.dynamic = parent
	s.namespaces[name] = n
	born := s.born
	s.mu.Unlock()
	err := n.open()
	for _, fn := range born {
		fn(n)
	}
	return n, err
}

// release counts a socket out of its namespace and removes an empty dynamic
// one: at once or, when sessions may still be recovered, after their time.
func (s *Server) release(n *Namespace) {
	s.mu.Lock()
	n.refs--
	empty := n.refs == 0 && n.dynamic != nil && !s.opts.KeepEmptyNamespaces && s.namespaces[n.name] == n
	if empty && n.recovery != nil && !s.closing {
		if n.expiry != nil {
			n.expiry.Stop()
		}
		n.expiry = time.AfterFunc(s.opts.Recovery.MaxAge, func() { s.remove(n) })
		empty = false
	}
	s.mu.Unlock()
	if empty {
		s.remove(n)
	}
}

// remove closes a dynamic namespace if it is still empty.
func (s *Server) remove(n *Namespace) {
	s.mu.Lock()
	gone := n.refs == 0 && s.namespaces[n.name] == n
	if gone {
		delete(s.namespaces, n.name)
		s.dynamic--
	}
	s.mu.Unlock()
	if gone {
		s.closeNamespace(s.ctx, n)
	}
}

func (s *Server) closeNamespace(ctx context.Context, n *Namespace) {
	if n.adapter == nil {
		return
	}
	_ = n.later.lane.Close(ctx)
	if n.recovery != nil {
		n.recovery.stop()
	}
	if err := n.adapter.Close(ctx); err != nil {
		s.log.Warn("sio: adapter not closed", "namespace", n.name, "error", err)
	}
}

// Shutdown stops the server in good order: it refuses new connections,
// disconnects every socket with [ReasonServerShutdown], lets the events that
// have arrived be handled, calls the last hooks, closes the connections and
// waits for all of that. Clients try to reconnect, to another node or to the
// next process. When ctx is done before, Shutdown cuts what is left and
// returns its error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	namespaces := slices.Collect(maps.Values(s.namespaces))
	for _, n := range namespaces {
		if n.expiry != nil {
			n.expiry.Stop()
		}
	}
	s.mu.Unlock()
	s.tasks.close()
	for _, n := range namespaces {
		for sk := range n.Sockets() {
			sk.close(ReasonServerShutdown)
		}
	}
	err := errors.Join(s.eng.Shutdown(ctx), s.tasks.wait(ctx))
	s.crew.Close()
	if err == nil {
		s.crew.Wait()
	}
	s.cancel()
	for _, n := range namespaces {
		s.closeNamespace(context.WithoutCancel(ctx), n)
	}
	return err
}

// Close is Shutdown without waiting for handlers.
func (s *Server) Close() error {
	s.cancel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// A taskCount counts the sockets whose lanes are not done.
type taskCount struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{}
}

func (t *taskCount) init() { t.idle = make(chan struct{}) }

// start reports false when no socket may be made any more.
func (t *taskCount) start() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.n++
	return true
}

func (t *taskCount) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 && t.closed {
		close(t.idle)
	}
}

func (t *taskCount) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		if t.n == 0 {
			close(t.idle)
		}
	}
}

func (t *taskCount) wait(ctx context.Context) error {
	select {
	case <-t.idle:
		return nil
	default:
	}
	select {
	case <-t.idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
