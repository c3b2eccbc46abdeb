// Package engine is Engine.IO, version 4: one ordered stream of messages per
// client, whatever transport carries it.
//
// A [Server] is an http.Handler. It opens a [Conn] for each client, over HTTP
// long-polling or WebSocket, moves it from the first to the second when the
// client asks, keeps it alive with heartbeats, and tells the [Session] that
// its owner made for the Conn of each message.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Protocol is the version of Engine.IO spoken here.
const Protocol = 4

// Options configure a [Server]. The zero value of a field is its default.
type Options struct {
	PingInterval   time.Duration // between heartbeats: pingInterval; default 25 s
	PingTimeout    time.Duration // to answer one: pingTimeout; default 20 s
	UpgradeTimeout time.Duration // to finish an upgrade: upgradeTimeout; default 10 s
	MaxPayload     int           // bytes of one message or request body: maxHttpBufferSize; default 1e6

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

	// InitialPacket is sent as a text message right after the handshake: initialPacket.
	InitialPacket []byte
	// Cookie is sent with the first response of a session, its value being
	// the session ID: cookie. nil: none. An empty Name is "io", an empty Path "/".
	Cookie *http.Cookie
	// CORS answers cross-origin requests; nil: only requests of the same
	// origin are served, on every transport. Requests without an Origin
	// header, as of programs that are not browsers, are always served.
	CORS *CORS

	// SendBuffer is the number of bytes that may wait for a slow client
	// before Overflow happens; default 4 MiB.
	SendBuffer int
	// WriteTimeout is how long a write may be stuck before the connection is
	// closed; default 10 s.
	WriteTimeout time.Duration
	// Overflow says what becomes of a client that reads too slowly.
	Overflow Overflow

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
	Headers         func(h http.Header, r *http.Request)        // headers: every response
	Packet          func(c *Conn, out bool, typ byte, size int) // packet (in), packetCreate (out)
	Drain           func(c *Conn)                               // drain: nothing waits to be sent any more
	Upgrade         func(c *Conn)                               // upgrade: the connection is on WebSocket now
}

// A Handler makes the session of each new connection.
type Handler interface {
	// Open is called before the first message of c. Messages sent in it
	// follow the handshake.
	Open(c *Conn) Session
}

// A Session receives what happens on one [Conn]. The calls never overlap and
// come in order: Message any number of times, Closed once. They are never made
// from within a method of the Conn.
type Session interface {
	// Message takes one message. data is valid until it returns. An error
	// closes the connection with that error.
	Message(binary bool, data []byte) error
	// Closed tells that the connection has ended, and why.
	Closed(why error)
}

// A ConnectionError describes a request that was refused: connection_error.
type ConnectionError struct {
	Request *http.Request
	Code    int // 0 to 5
	Message string
	Context map[string]any
}

// Error returns the message.
func (e *ConnectionError) Error() string { return "engine: " + e.Message }

// The codes of a [ConnectionError].
const (
	CodeUnknownTransport    = 0
	CodeUnknownSession      = 1
	CodeBadHandshakeMethod  = 2
	CodeBadRequest          = 3
	CodeForbidden           = 4
	CodeUnsupportedProtocol = 5
)

// A Refusal is an error of AllowRequest whose text the client may see.
type Refusal struct{ Message string }

// Error returns the message.
func (e *Refusal) Error() string { return e.Message }

// Why a connection ended, besides errors of the network.
var (
	ErrPingTimeout    = errors.New("engine: ping timeout")
	ErrTransportClose = errors.New("engine: transport close") // the peer went away
	ErrTransport      = errors.New("engine: transport error") // the peer, or the network, broke the transport
	ErrParse          = errors.New("engine: parse error")
	ErrServerClosed   = errors.New("engine: server is shutting down")
	ErrClosed         = errors.New("engine: connection is closed") // closed by Conn.Close(nil)
	ErrSlow           = errors.New("engine: client reads too slowly")
	ErrFull           = errors.New("engine: send buffer is full")
	ErrDropped        = errors.New("engine: dropped")
)

// A Server is an http.Handler that speaks Engine.IO on any path it is mounted on.
type Server struct{}

// NewServer returns a server that opens a session with h for every client. A
// nil opts means the defaults. It panics when the options contradict themselves.
func NewServer(h Handler, opts *Options) *Server { panic("todo") }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("todo") }

// Use wraps every request of the server, handshakes and upgrades too, in
// middleware: io.engine.use. It must be called before the first request.
func (s *Server) Use(mw ...func(http.Handler) http.Handler) { panic("todo") }

// Len returns the number of open connections.
func (s *Server) Len() int { panic("todo") }

// Stats returns the counters since the start.
func (s *Server) Stats() Stats { panic("todo") }

// Shutdown refuses new clients, closes every connection with
// [ErrServerClosed] after what it has queued, and waits until all sessions are
// closed and all goroutines have ended, or until ctx is done; then it cuts.
func (s *Server) Shutdown(ctx context.Context) error { panic("todo") }

// Close is Shutdown without patience.
func (s *Server) Close() error { panic("todo") }

// Stats are counters of a [Server].
type Stats struct {
	Open, Opened, Closed                       int64
	Polling, WebSocket                         int64 // of Open
	Upgrades                                   int64
	PacketsIn, PacketsOut, BytesIn, BytesOut   int64
	Refused                                    [6]int64 // by code
	PingTimeouts, Slow, Dropped, TooLarge, Bad int64
}

// A Conn is one Engine.IO connection. Its methods may be called by many
// goroutines at once.
type Conn struct{}

// ID returns the session ID. It is a secret between the server and its client.
func (c *Conn) ID() string { panic("todo") }

// Request returns the request that opened the connection, without its body.
// Its context keeps its values but is never done.
func (c *Conn) Request() *http.Request { panic("todo") }

// Transport returns "polling" or "websocket".
func (c *Conn) Transport() string { panic("todo") }

// A Mode says how a message is sent.
type Mode uint8

// The modes, which may be joined.
const (
	Volatile   Mode = 1 << iota // drop it when it cannot be written at once
	NoCompress                  // do not compress it
	Later                       // more follows: queue it, to be written together
)

// Send sends p after everything sent before. It writes at once if nothing
// waits and the kernel takes it, and queues the rest; it never blocks. Its
// errors are ErrClosed, ErrDropped (of a volatile message), ErrSlow and ErrFull.
func (c *Conn) Send(p *Prepared, m Mode) error { panic("todo") }

// SendMessage is Send of one message for one connection. It copies data and
// keeps nothing.
func (c *Conn) SendMessage(binary bool, data []byte, m Mode) error { panic("todo") }

// Wait waits until Send would not return [ErrFull], the connection closes, or ctx is done.
func (c *Conn) Wait(ctx context.Context) error { panic("todo") }

// Buffered returns the number of bytes that wait to be sent.
func (c *Conn) Buffered() int { panic("todo") }

// Close sends what is queued, closes the connection and makes why the
// reason that its session learns; nil is [ErrClosed]. It does not wait.
func (c *Conn) Close(why error) { panic("todo") }

// A Prepared is a run of messages, encoded once for any number of
// connections and kept together on each. It must not change after it was sent.
type Prepared struct{}

// A Message is one Engine.IO message.
type Message struct {
	Binary bool
	Data   []byte
}

// Prepare encodes messages; their data is copied.
func Prepare(ms ...Message) *Prepared { panic("todo") }

// Size returns the bytes of the messages.
func (p *Prepared) Size() int { panic("todo") }
