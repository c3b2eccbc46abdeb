package client

import (
	"context"
	"log/slog"
	"time"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/parser"
)

// Options configure a [Client]. The zero value of a field is its default.
type Options struct {
	// Engine configures the connection: transports, headers, the
	// http.Client with its proxy, TLS and cookies, limits.
	Engine engine.DialOptions
	// NoTrailingSlash leaves the path of the URL as it is when no slash ends
	// it: addTrailingSlash: false.
	NoTrailingSlash bool
	// RememberUpgrade begins with WebSocket once it has worked, and until it
	// fails: rememberUpgrade.
	RememberUpgrade bool

	// Codec is the wire format: parser; nil: [parser.JSON]. It must be the server's.
	Codec parser.Codec
	// Limits bound the packets that the server may send.
	Limits parser.Limits

	// Auth is sent when a socket connects: auth. It encodes as an object; nil: nothing is sent.
	Auth any
	// AuthFunc is asked in place of Auth, each time a socket connects. An
	// error refuses the connection of that socket as the server could.
	AuthFunc func(ctx context.Context, namespace string) (any, error)

	// ConnectTimeout bounds one attempt to open the connection: timeout; default 20 s.
	ConnectTimeout time.Duration
	// NoReconnection makes a lost connection, and a failed attempt to open
	// one, final: reconnection: false.
	NoReconnection bool
	// ReconnectionAttempts is the number of attempts in a row before giving
	// up: reconnectionAttempts; default: no limit.
	ReconnectionAttempts int
	// ReconnectionDelay and ReconnectionDelayMax bound the time before an
	// attempt: default 1 s and 5 s. It doubles with each, and begins anew
	// after a connection that held for ReconnectionDelayMax: a server that
	// accepts and hangs up is not asked ever faster.
	ReconnectionDelay, ReconnectionDelayMax time.Duration
	// RandomizationFactor is the share by which a delay is made shorter or
	// longer at random: randomizationFactor; default 0.5, negative: none.
	RandomizationFactor float64

	// Retries is how often an event is sent again when no acknowledgement
	// came within AckTimeout, or before the connection was lost: retries. With
	// it one event of a socket is in flight at a time, and all of them ask
	// for an acknowledgement. Events whose last try fails are logged;
	// EmitAck returns the error. Volatile events are not retried.
	Retries int
	// AckTimeout bounds the wait for an acknowledgement besides ctx:
	// ackTimeout; default: none, or 10 s with Retries.
	AckTimeout time.Duration

	// SendBuffer is the number of bytes of the events of one socket that wait
	// while it is disconnected, or for their turn with Retries; default 4 MiB.
	SendBuffer int
	// ReceiveBuffer is the number of bytes of the events of one socket that
	// wait for handlers; default 4 MiB. When it is full, reading from the
	// connection waits, and with it the acknowledgements and heartbeats behind.
	ReceiveBuffer int

	Hooks  Hooks
	Logger *slog.Logger // default slog.Default
}

// Hooks are called as things happen to the connection, on the goroutine where
// they happen; nil ones are skipped. They must not block, nor call the client or its
// sockets.
type Hooks struct {
	Open             func()                           // open: connected, before any namespace is
	Close            func(why Reason, err error)      // close
	Error            func(err error)                  // error: an attempt to connect failed
	ReconnectAttempt func(n int)                      // reconnect_attempt
	ReconnectError   func(err error)                  // reconnect_error
	ReconnectFailed  func()                           // reconnect_failed: no attempts are left
	Reconnect        func(n int)                      // reconnect: the nth attempt succeeded
	Packet           func(out bool, p *parser.Packet) // packet; p is valid until it returns
}

func (o *Options) defaults() {
	if o.Codec == nil {
		o.Codec = parser.JSON
	}
	orDefault(&o.ConnectTimeout, 20*time.Second)
	orDefault(&o.ReconnectionDelay, time.Second)
	orDefault(&o.ReconnectionDelayMax, 5*time.Second)
	o.ReconnectionDelayMax = max(o.ReconnectionDelayMax, o.ReconnectionDelay)
	if o.RandomizationFactor == 0 {
		o.RandomizationFactor = 0.5
	}
	o.RandomizationFactor = min(max(o.RandomizationFactor, 0), 1)
	if o.Retries > 0 {
		orDefault(&o.AckTimeout, 10*time.Second)
	}
	orDefault(&o.SendBuffer, 4<<20)
	orDefault(&o.ReceiveBuffer, 4<<20)
	orDefault(&o.Engine.SendBuffer, 4<<20)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Engine.Logger == nil {
		o.Engine.Logger = o.Logger
	}
}

func orDefault[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
