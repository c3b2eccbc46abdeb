package engine

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/roomwire/roomwire/internal/bucket"
)

// PerAddress bounds what one address may do. The zero value bounds nothing.
// Who is refused reads status 429.
type PerAddress struct {
	MaxConns     int     // open connections; 0: no limit
	ConnectRate  float64 // handshakes per second; 0: no limit
	ConnectBurst int     // handshakes at once, before the rate counts; default: those of two seconds
}

func (p *PerAddress) on() bool { return p.MaxConns > 0 || p.ConnectRate > 0 }

// addressOf is the default of [Options].Address.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	network, _ := ip.Prefix(64) // what one customer has
	return network.String()
}

// addresses counts what each address has and does.
type addresses struct {
	limit PerAddress

	mu    sync.Mutex
	known map[string]*address
	sweep int // number of them at which those are forgotten that have nothing
}

// An address is one that has connections, or had some lately.
type address struct {
	conns  int
	bucket bucket.Bucket
}

const minSweep = 1024

// enter counts a connection in. It reports false when there are too many.
func (a *addresses) enter(name string) (*address, bool) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	who := a.known[name]
	if who == nil {
		if len(a.known) >= max(a.sweep, minSweep) {
			a.forget(now)
		}
		if a.known == nil {
			a.known = map[string]*address{}
		}
		who = &address{}
		a.known[name] = who
	}
	if a.limit.MaxConns > 0 && who.conns >= a.limit.MaxConns {
		return nil, false
	}
	if a.limit.ConnectRate > 0 && !who.bucket.Take(now, a.limit.ConnectRate, a.limit.ConnectBurst) {
		return nil, false
	}
	who.conns++
	return who, true
}

// leave counts a connection out; nil is none.
func (a *addresses) leave(who *address) {
	if who == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	who.conns--
}

// forget drops the addresses for which a new entry would do as well. What is
// left may double before it is looked at again. mu is held.
func (a *addresses) forget(now time.Time) {
	for name, who := range a.known {
		if who.conns == 0 && who.bucket.Full(now, a.limit.ConnectRate) {
			delete(a.known, name)
		}
	}
	a.sweep = 2 * len(a.known)
}

// enter counts the address of a handshake in, or refuses it.
func (s *Server) enter(r *http.Request) (*address, *refusal) {
	if !s.o.PerAddress.on() {
		return nil, nil
	}
	name := s.o.Address(r)
	who, ok := s.addresses.enter(name)
	if !ok {
		s.count.limited.Add(1)
		s.o.Logger.Debug("engine: too many connections of one address", slog.String("address", name))
		return nil, refuse(http.StatusTooManyRequests, CodeForbidden, "Too many connections", "address", name)
	}
	return who, nil
}

// bound reports whether a request may belong to c.
func (c *Conn) bound(r *http.Request) bool {
	return !c.srv.o.BindAddress || c.srv.o.Address(r) == c.srv.o.Address(c.Request())
}
