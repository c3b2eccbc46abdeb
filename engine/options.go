package engine

import (
	"log/slog"
	"net/http"
	"time"
)

// Options configure a [Server]. The zero value of a field is its default.
type Options struct {
	PingInterval   time.Duration // between heartbeats: pingInterval; default 25 s
	PingTimeout    time.Duration // to answer one: pingTimeout; default 20 s
	UpgradeTimeout time.Duration // to finish an upgrade: upgradeTimeout; default 10 s
	MaxPayload     int           // bytes of one message or request body: maxHttpBufferSize; default 1e6
	// HandshakeBytes bounds the URL and the header of a request that opens a
	// session, which keeps them; default 14 KiB. Above it the answer is 431.
	HandshakeBytes int

	// Transports are the transports that clients may use, "polling" and
	// "websocket"; nil: both.
	Transports []string
	// NoUpgrades turns allowUpgrades off.
	NoUpgrades bool

	// AllowRequest may refuse a handshake: allowRequest. It is asked once
	// per session, not for the requests that carry a session ID. The text
	// of an *[Refusal] reaches the client, that of any other error does not.
	AllowRequest func(r *http.Request) error
	// NewID makes the session ID: generateId. It must be unique, secret and
	// made of [A-Za-z0-9_-]. nil: 20 characters of 120 random bits.
	NewID func(r *http.Request) (string, error)

	// Compression is permessage-deflate: perMessageDeflate; nil: off.
	Compression *Compression
	// HTTPCompressionThreshold is the size of a polling response from which
	// on it is compressed: httpCompression; default 1024, negative: never.
	HTTPCompressionThreshold int

	// InitialPacket is a text message sent together with the handshake: initialPacket.
	InitialPacket []byte
	// Cookie is sent with the first response of a session, its value being
	// the session ID: cookie. nil: none. An empty Name is "io", an empty Path "/".
	Cookie *http.Cookie
	// CORS answers cross-origin requests; nil: only requests of the same
	// origin are served, on every transport. Requests without an Origin
	// header, as of programs that are not browsers, are always served.
	CORS *CORS

	// PerAddress bounds the connections of one address; the zero value: no limits.
	PerAddress PerAddress
	// BindAddress refuses the requests of a session that come from another
	// address than its first one, as those of an unknown session. A client
	// that changes its network then has to connect again.
	BindAddress bool
	// Address returns what PerAddress and BindAddress tell clients apart by.
	// Behind a proxy it must be what that says of the client, as the last
	// address of X-Forwarded-For, and only there: anybody can send the header.
	// It must return the same for a request later on. nil: the address of the
	// network peer, of IPv6 its /64 network.
	Address func(r *http.Request) string

	// SendBuffer is the number of bytes that may wait for a slow client
	// before Overflow happens; default 4 MiB.
	SendBuffer int
	// WriteTimeout is how long a write may be stuck before the connection is
	// closed; default 10 s.
	WriteTimeout time.Duration
	// Overflow says what becomes of a client that reads too slowly.
	Overflow Overflow

	// Readers is how many WebSockets at the same time have a goroutine each
	// that reads them and does what is deferred, see [Conn.Defer], as handlers
	// of package sio are: cheapest while there are few, but what the same client
	// sends meanwhile may wait for up to 100 ms. All others share a goroutine for
	// each core, on Linux and without TLS. Default 8; negative: none.
	Readers int

	// NoIOUring has [Server.Broadcast] write to one connection after the other
	// also where the kernel has io_uring(7) and allows its use.
	NoIOUring bool

	Hooks  Hooks
	Logger *slog.Logger // default slog.Default
}

// Compression configures permessage-deflate.
type Compression struct {
	Threshold int // bytes below which a message is sent as it is; default 1024
	Level     int // of compress/flate; 0: the fastest
}

// CORS says which other origins may connect, on every transport, and answers
// preflight requests.
type CORS struct {
	// Origins are allowed origins: "*" (any), "https://example.com" (exact
	// scheme, host and port) or "https://*.example.com" (any subdomain).
	Origins []string
	// AllowOrigin decides in addition to Origins.
	AllowOrigin    func(r *http.Request, origin string) bool
	Methods        []string // default GET, HEAD, PUT, PATCH, POST, DELETE
	AllowedHeaders []string // default: those that the preflight asks for
	ExposedHeaders []string
	Credentials    bool
	MaxAge         time.Duration
}

// Overflow says what becomes of a connection whose send buffer is full.
type Overflow uint8

// The choices of [Overflow].
const (
	// OverflowClose closes the connection with [ErrSlow].
	OverflowClose Overflow = iota
	// OverflowDropVolatile drops the oldest volatile messages that wait
	// first, and closes the connection when there are none.
	OverflowDropVolatile
	// OverflowRefuse makes [Conn.Send] return [ErrFull]; see [Conn.Wait].
	OverflowRefuse
)

// Hooks are called as things happen, on the goroutine where they happen; nil
// ones are skipped. They must not block.
type Hooks struct {
	ConnectionError func(e *ConnectionError)                    // connection_error
	InitialHeaders  func(h http.Header, r *http.Request)        // initial_headers: first response of a session
	Headers         func(h http.Header, r *http.Request)        // headers: every response that is no refusal
	Packet          func(c *Conn, out bool, typ byte, size int) // packet (in), packetCreate (out)
	Drain           func(c *Conn)                               // drain: what waited has been written
	Upgrade         func(c *Conn)                               // upgrade: the connection is on WebSocket now
}
