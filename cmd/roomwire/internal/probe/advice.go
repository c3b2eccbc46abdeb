package probe

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
)

// advise says what one should know about what was found.
func (p *prober) advise() {
	r := p.r
	warn := func(format string, args ...any) {
		r.Advice = append(r.Advice, Advice{true, fmt.Sprintf(format, args...)})
	}
	note := func(format string, args ...any) {
		r.Advice = append(r.Advice, Advice{false, fmt.Sprintf(format, args...)})
	}
	if !r.EngineIO["4"] {
		warn("This is a server of Socket.IO 1 or 2: clients of 3 and later, and this tool, cannot talk to it. Upgrade it, or use a client of version 2.")
		return
	}
	if r.EngineIO["3"] {
		note("Clients of Socket.IO 2 are served too (allowEIO3). Turn that off when none are left.")
	}
	transports(r, warn, note)
	security(r, warn, note)
	if r.MaxPayload > 10e6 {
		note("One message may have %s (maxHttpBufferSize): each client can make the server keep that much in memory.", console.Bytes(r.MaxPayload))
	}
	if d := time.Duration(r.Heartbeat.Interval); d > 55*time.Second {
		warn("Heartbeats come every %s only: many proxies cut a connection that is silent for 60s. Lower pingInterval.", d)
	}
	joined, recovery := false, false
	for _, n := range r.Namespaces {
		joined, recovery = joined || n.Joined, recovery || n.Recovery
		switch {
		case n.Joined:
		case n.Error == "Invalid namespace":
			note("There is no namespace %s here. Try others with -n.", n.Name)
		case n.Error == "no answer":
			warn("%s was not answered in time. Its middleware may never call next(), or wait for something slow.", n.Name)
		default:
			note("%s refused us: %q. Credentials are given by --auth, --bearer or -H.", n.Name, n.Error)
		}
	}
	if joined && !recovery {
		note("Connection state recovery is off: what is sent while a client is away for a moment is lost to it.")
	}
}

func transports(r *Report, warn, note func(string, ...any)) {
	tried := func(t Transport) bool { return t.Error != errNotTried.Error() }
	switch {
	case strings.Contains(r.WebSocket.Error, "Transport unknown"):
		note("The server takes polling only (transports: [\"polling\"]): each message costs a request.")
	case !r.WebSocket.OK && tried(r.WebSocket):
		warn("WebSocket does not work (%s). A proxy in front must pass the Upgrade and Connection headers on.", r.WebSocket.Error)
	case !r.Polling.OK && tried(r.Polling) && r.Polling.Took == 0 && len(r.Upgrade.Offered) > 0:
		warn("Polling opens but does not go on. With several servers behind a load balancer it needs sticky sessions, or clients with transports: [\"websocket\"].")
	case !r.Polling.OK && tried(r.Polling):
		note("Polling does not work (%s). Clients need transports: [\"websocket\"].", r.Polling.Error)
	case r.Polling.OK && r.WebSocket.OK && !slices.Contains(r.Upgrade.Offered, "websocket"):
		note("WebSocket works, but the server does not offer the upgrade (allowUpgrades): clients that begin with polling stay there.")
	case r.Upgrade.Error != "":
		warn("The upgrade to WebSocket fails (%s): clients stay on polling.", r.Upgrade.Error)
	}
	if r.Compression {
		note("WebSocket messages are compressed (permessage-deflate): less traffic, for more memory and CPU per connection.")
	}
}

func security(r *Report, warn, note func(string, ...any)) {
	switch c := r.CORS; {
	case c.Polling && c.Credentials && c.AllowOrigin != "*":
		warn("Any web site may connect with the cookies of its visitors: the server allows every origin, with credentials. List the origins that may.")
	case c.Polling:
		note("Any web site may connect, without cookies.")
	case c.WebSocket && r.Polling.OK:
		warn("CORS protects polling but not WebSocket: a page of any origin may open one, with the cookies of its visitors. If cookies log people in, check Origin in allowRequest.")
	case c.WebSocket:
		warn("A page of any origin may open a WebSocket, with the cookies of its visitors. If cookies log people in, check Origin in allowRequest.")
	}
	if c := r.Cookie; c != nil && !c.HTTPOnly {
		note("Scripts can read the cookie %s: it is not HttpOnly.", c.Name)
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme == "https" {
		return
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback() && !ip.IsPrivate()) {
		warn("No TLS: everyone on the way can read and change what is sent. Serve https://.")
	}
}
