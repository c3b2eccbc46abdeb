package sio

import (
	"context"
	"log/slog"
	"time"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/parser"
)

// Options configure a [Server]. The zero value of a field is its default.
type Options struct {
	Engine engine.Options // of the connections below; its Logger defaults to that of the server

	Codec   parser.Codec    // parser: the wire format; default parser.JSON
	Adapter adapter.Factory // adapter: rooms and broadcasts; default adapter.Memory()

	// ConnectTimeout is how long a connection may stay without having joined
	// a namespace: connectTimeout; default 45 s.
	ConnectTimeout time.Duration
	// Recovery switches connection state recovery on; nil: off.
	Recovery *Recovery
	// KeepEmptyNamespaces keeps dynamic namespaces whose last socket has
	// left: the opposite of cleanupEmptyChildNamespaces, which is on here.
	KeepEmptyNamespaces bool
	// NoClient does not serve the browser bundles: serveClient.
	NoClient bool

	Limits Limits       // of what clients can make the server keep
	Logger *slog.Logger // default slog.Default
}

// Recovery configures connection state recovery: a client that lost its
// connection and comes back in time has its ID, its rooms and its values
// again, and gets the events it missed. See [Socket.Recovered].
type Recovery struct {
	// MaxAge is how long a session can be recovered after its connection was
	// lost, and how long events are kept for that: maxDisconnectionDuration;
	// default 2 minutes.
	MaxAge time.Duration
	// SkipMiddleware lets a recovered socket pass without asking the guards
	// again: skipMiddlewares, which is on in Node.js and off here.
	SkipMiddleware bool
	// MaxEvents and MaxBytes bound the events kept per namespace; default
	// 100,000 and 64 MiB. A session that missed more than is kept is not recovered.
	MaxEvents, MaxBytes int
	// MaxSessions and MaxSessionBytes bound the sessions kept in memory of
	// lost connections per namespace; default 100,000 and 64 MiB, of the names
	// of their rooms and of their values as far as those are text or bytes.
	// The oldest give way.
	MaxSessions, MaxSessionBytes int

	// MayRejoin is asked for each room of a socket that is recovered; rooms
	// for which it reports false are left out, with what was sent to them.
	// nil: all of them.
	MayRejoin func(ctx context.Context, s *Socket, room string) bool

	// Log returns where a namespace keeps its sessions, and the events of
	// rooms for which Durable reports true, so that both outlive the
	// process; nil: in memory. Package mailroom has one.
	Log func(namespace string) (Log, error)
	// Durable says which rooms are durable: an event for any of them is
	// stored before it is sent. It is asked with "" for events to the whole
	// namespace and with a socket's ID for those to one socket. nil: none.
	// It must always answer the same for a room.
	Durable func(room string) bool
}

// Limits bound what clients can make the server keep. A zero field is its
// default, a negative one no limit. What is refused is counted in [Stats].
type Limits struct {
	Attachments       int // binary values of one packet; default 10
	AttachmentBytes   int // of one packet together; default: the engine's MaxPayload
	Depth             int // of nested JSON arrays and objects; default 512
	AuthBytes         int // of the auth payload; default 64 KiB
	Namespaces        int // that one connection has joined; default 100
	DynamicNamespaces int // that live at once, of all patterns together; default 10,000
	Rooms             int // that one socket is in; default 1,000
	NameBytes         int // of the name of a namespace or room; default 4 KiB
	PendingAcks       int // that one socket owes; default 10,000
	// Events is what may wait to be handled per socket; default 256. An
	// event counts one, and one more for every 16 KiB. When it is reached
	// the connection is not read until there is a place.
	Events int
	// EventRate is how many events and CONNECTs one connection may send per
	// second; 0, the default: no limit. EventBurst is how many of them at once,
	// before the rate counts; default: those of two seconds. An event above it
	// is dropped and counted; its sender, if it wants an acknowledgement, gets
	// an error, as does a CONNECT. The order of the others stays.
	EventRate  float64
	EventBurst int
}

const (
	defaultConnectTimeout = 45 * time.Second
	defaultRecoveryAge    = 2 * time.Minute
	eventUnit             = 16 << 10 // bytes that count as one more event
)

// withDefaults returns a copy of o in which every field is meant as it is.
func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	setDefault(&c.ConnectTimeout, defaultConnectTimeout)
	if c.Codec == nil {
		c.Codec = parser.JSON
	}
	if c.Adapter == nil {
		c.Adapter = adapter.Memory()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Engine.Logger == nil {
		c.Engine.Logger = c.Logger
	}
	maxPayload := c.Engine.MaxPayload
	setDefault(&maxPayload, 1e6)
	l := &c.Limits
	setDefault(&l.Attachments, 10)
	setDefault(&l.AttachmentBytes, maxPayload)
	setDefault(&l.Depth, 512)
	setDefault(&l.AuthBytes, 64<<10)
	setDefault(&l.Namespaces, 100)
	setDefault(&l.DynamicNamespaces, 10_000)
	setDefault(&l.Rooms, 1000)
	setDefault(&l.NameBytes, 4<<10)
	setDefault(&l.PendingAcks, 10_000)
	setDefault(&l.Events, 256)
	setDefault(&l.EventBurst, int(2*l.EventRate))
	if c.Recovery != nil {
		r := *c.Recovery
		setDefault(&r.MaxAge, defaultRecoveryAge)
		setDefault(&r.MaxEvents, 100_000)
		setDefault(&r.MaxBytes, 64<<20)
		setDefault(&r.MaxSessions, 100_000)
		setDefault(&r.MaxSessionBytes, 64<<20)
		c.Recovery = &r
	}
	return c
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// over reports whether n passes a limit; a negative limit is none.
func over(n, limit int) bool { return limit >= 0 && n > limit }
