package load

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Scenario names what the clients do.
type Scenario string

// The scenarios.
const (
	// Fanout: one client asks for a broadcast to everyone; one operation is one
	// delivery. Outstanding broadcasts are on their way at the same time.
	Fanout Scenario = "fanout"
	// Echo: every client emits with an ack and emits again when it is answered;
	// one operation is one ack. Outstanding emits wait per client.
	Echo Scenario = "echo"
	// Ping: as Echo, but what is emitted is a CONNECT to a namespace that nobody
	// has, and what comes back its refusal: one operation is one round trip
	// through the server, which needs no handler for it. It has no payload.
	Ping Scenario = "ping"
	// Connect: clients connect and stay; one operation is one client whose
	// namespace is connected (and, with Upgrade, whose transport is WebSocket).
	Connect Scenario = "connect"
	// Rooms: the clients are spread over Config.Rooms rooms, a member asks for a
	// broadcast to its room; one operation is one delivery.
	Rooms Scenario = "rooms"
	// RoomsExcept: as Rooms, but half of all clients are in one more room that
	// the broadcasts leave out, so half of every room is skipped.
	RoomsExcept Scenario = "rooms-except"
	// Idle: the clients connect and do nothing; the server's memory per
	// connection is the result.
	Idle Scenario = "idle"
)

// Transport is how the clients reach the server.
type Transport string

// The transports.
const (
	WebSocket Transport = "websocket"
	Polling   Transport = "polling"
	// Upgrade starts with polling and upgrades to WebSocket as browsers do.
	Upgrade Transport = "upgrade"
)

// Protocol is the language the clients speak.
type Protocol string

// The protocols.
const (
	SocketIO Protocol = "socket.io"
	// Centrifuge is the JSON protocol of the Go library of that name, a peer in
	// the benchmark. It knows Fanout, Echo, Connect and Idle over WebSocket.
	Centrifuge Protocol = "centrifuge"
)

// Bounds of a Config; larger values are refused, not cut.
const (
	MaxClients     = 60_000
	MaxOutstanding = 1024
	MaxPayload     = 1 << 20
	MaxDuration    = 10 * time.Minute
)

// ErrUnsupported is returned when the protocol or transport cannot do the scenario.
var ErrUnsupported = errors.New("load: the protocol does not know the scenario")

// Events names what the server listens to. An empty name takes the default.
type Events struct {
	Echo     string // acked with its arguments; default "echo"
	Fanout   string // (p): the namespace emits Delivery(p); default "fanout"
	Join     string // (room, ack); default "join"
	Roomcast string // (room, p): emits Delivery(p) to the room; default "roomcast"
	// RoomcastExcept is (room, except, p); default "roomcastx".
	RoomcastExcept string
	Delivery       string // what the clients count; default "msg"
}

// Config is one measurement. The zero value of every field but URL has a default.
type Config struct {
	// URL is http, https, ws or wss; a path other than "/" replaces /socket.io/.
	URL       string
	Protocol  Protocol  // default SocketIO
	Scenario  Scenario  // default Echo
	Transport Transport // default WebSocket
	Events    Events

	Clients     int // default 100
	Outstanding int // default 1
	Rooms       int // Rooms and RoomsExcept only; default Clients/10, at least 1
	Payload     int // bytes of the string sent; default 64
	Inflight    int // handshakes under way at the same time; default 64
	// Paused more clients connect and stop reading when the measured part
	// begins; nothing is expected of them, and Result.Cut counts those that the
	// server disconnected. Only Fanout over WebSocket has them. Default 0.
	Paused int

	// Warmup runs before anything counts (default 500 ms) and at least
	// WarmupOps times; the Connect scenario takes WarmupOps clients instead
	// (default Clients/5).
	Warmup    time.Duration
	WarmupOps int
	// Duration of the measured part; default 2 s. It ends earlier after MaxOps
	// operations (0: no such bound) and not before MinOps started rounds.
	Duration time.Duration
	MaxOps   int
	MinOps   int
	// Timeout bounds everything, connecting included; default Warmup+Duration+60 s.
	Timeout time.Duration

	// PID of the server on this machine, 0 if unknown: CPU and memory are then
	// left out of the result (Idle needs it).
	PID int
	// CollectGarbage, when not nil, asks the server to give unused memory back
	// before its memory is read.
	CollectGarbage func() error
	// Progress, when not nil, is called from the goroutine of Run a few times a
	// second. It must not block.
	Progress func(Progress)
	// Portable forces the loop built on package net where epoll would be used.
	Portable bool
}

// Progress is how far a Run has come.
type Progress struct {
	Phase     string // "connect", "warm-up", "measure"
	Connected int
	Ops       int
	Fraction  float64 // of the phase, 0 to 1
}

// withDefaults returns c with every default filled in, or why c is not usable.
func (c Config) withDefaults() (Config, *url.URL, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return c, nil, fmt.Errorf("load: %q is no URL with a host", c.URL)
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		return c, nil, fmt.Errorf("load: scheme %q is none of http, https, ws, wss", u.Scheme)
	}
	text(&c.Protocol, SocketIO)
	text(&c.Scenario, Echo)
	text(&c.Transport, WebSocket)
	text(&c.Events.Echo, "echo")
	text(&c.Events.Fanout, "fanout")
	text(&c.Events.Join, "join")
	text(&c.Events.Roomcast, "roomcast")
	text(&c.Events.RoomcastExcept, "roomcastx")
	text(&c.Events.Delivery, "msg")
	number(&c.Clients, 100)
	number(&c.Outstanding, 1)
	number(&c.Rooms, max(1, c.Clients/10))
	number(&c.Payload, 64)
	number(&c.Inflight, 64)
	number(&c.Warmup, 500*time.Millisecond)
	number(&c.Duration, 2*time.Second)
	number(&c.Timeout, c.Warmup+c.Duration+time.Minute)
	if c.Scenario == Connect {
		number(&c.WarmupOps, c.Clients/5)
	}
	return c, u, c.check()
}

func (c Config) check() error {
	bounds := []struct {
		name     string
		n, limit int
	}{
		{"clients", c.Clients, MaxClients},
		{"outstanding", c.Outstanding, MaxOutstanding},
		{"payload", c.Payload, MaxPayload},
		{"rooms", c.Rooms, c.Clients},
		{"handshakes under way", c.Inflight, MaxClients},
		{"paused clients", c.Paused, MaxClients - c.Clients},
		{"warm-up operations", c.WarmupOps, MaxClients},
	}
	for _, b := range bounds {
		if b.n < 0 || b.n > b.limit {
			return fmt.Errorf("load: %d %s are out of 0 to %d", b.n, b.name, b.limit)
		}
	}
	if c.Duration > MaxDuration || c.Warmup > MaxDuration || c.Duration < 0 || c.Warmup < 0 {
		return fmt.Errorf("load: a duration is out of 0 to %v", MaxDuration)
	}
	switch c.Transport {
	case WebSocket, Polling, Upgrade:
	default:
		return fmt.Errorf("load: unknown transport %q", c.Transport)
	}
	if c.Paused > 0 && (c.Scenario != Fanout || c.Transport != WebSocket) {
		return fmt.Errorf("%w: clients that pause, with %s over %s", ErrUnsupported, c.Scenario, c.Transport)
	}
	if (c.Scenario == Rooms || c.Scenario == RoomsExcept) && c.Rooms%c.Outstanding != 0 {
		return fmt.Errorf("load: %d rooms are no multiple of %d outstanding", c.Rooms, c.Outstanding)
	}
	if c.Protocol == Centrifuge && c.Transport != WebSocket {
		return fmt.Errorf("%w: centrifuge over %s", ErrUnsupported, c.Transport)
	}
	return nil
}

func text[T ~string](p *T, otherwise T) {
	if *p == "" {
		*p = otherwise
	}
}

func number[T int | time.Duration](p *T, otherwise T) {
	if *p == 0 {
		*p = otherwise
	}
}
