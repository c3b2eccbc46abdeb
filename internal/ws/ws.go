// Package ws speaks RFC 6455 and RFC 7692 over a connection that was upgraded
// by net/http or dialled.
//
// It frames and unframes, and never decides when to write: whoever owns a
// [Conn] appends frames to its own buffers and writes them with [Conn.TryWrite]
// or [Conn.Write], so that frames of different origin cannot tear each other.
package ws

import (
	"context"
	"net"
	"net/http"
	"time"
)

// A Handler receives what a peer sends. The calls for one Conn never overlap.
type Handler interface {
	// Message takes a whole message, reassembled, inflated and, if it is
	// text, checked to be UTF-8. data is valid until Message returns. An error
	// ends [Conn.Serve] with that error.
	Message(binary bool, data []byte) error
	// Ping takes the payload of a ping; the owner should send a pong. data is
	// valid until Ping returns.
	Ping(data []byte)
	// Idle tells that everything which was read has been handled and the
	// reader is about to wait for more.
	Idle()
}

// A Conn is one WebSocket connection. One goroutine may read and one write at
// the same time; Close may be called by any.
type Conn struct{}

// Options configure one end of a connection.
type Options struct {
	MaxMessage int      // bytes, after inflation; 0: no limit
	Deflate    *Deflate // permessage-deflate to offer or accept; nil: none
	Protocols  []string // subprotocols, in order of preference
	Header     http.Header
}

// Deflate configures permessage-deflate. Contexts are never taken over from
// one message to the next, so a compressed frame can be shared.
type Deflate struct {
	Threshold int // bytes below which a message is sent as it is; default 1024
	Level     int // of compress/flate; 0: the fastest
}

// A HandshakeError says why a request cannot be upgraded and with which status
// it should be refused. Nothing has been written yet.
type HandshakeError struct {
	Status int
	Reason string
	Header http.Header // to send with the refusal; may be nil
}

// Error returns the reason.
func (e *HandshakeError) Error() string { return "ws: " + e.Reason }

// A CloseError says that the peer closed the connection, or why it has to be closed.
type CloseError struct {
	Code   int // RFC 6455 section 7.4; 1005: the peer gave none
	Reason string
	Remote bool // sent by the peer; else a violation found here, which Code should tell the peer
}

// Error describes the close.
func (e *CloseError) Error() string { return "ws: " + e.Reason }

// Accept upgrades r. Its error is a *[HandshakeError] as long as w is unused.
// o.Header is added to the response.
func Accept(w http.ResponseWriter, r *http.Request, o *Options) (*Conn, error) { panic("todo") }

// Dial connects to url, ws or wss. client makes the handshake request (its
// transport, proxy, TLS, jar and timeout count); nil: http.DefaultClient. The
// response is returned with the error when the server answered.
func Dial(ctx context.Context, url string, client *http.Client, o *Options) (*Conn, *http.Response, error) {
	panic("todo")
}

// Serve reads until the connection ends and hands each message to h. While it
// waits, the connection holds no read buffer where the platform allows it.
func (c *Conn) Serve(h Handler) error { panic("todo") }

// CanTryWrite reports whether TryWrite can write at all: a plain TCP or Unix
// connection, but not TLS or a foreign kind of connection.
func (c *Conn) CanTryWrite() bool { panic("todo") }

// TryWrite writes as much of b, whole frames, as the kernel takes at once, and
// never waits. n < len(b) with a nil error: the kernel would block.
func (c *Conn) TryWrite(b []byte) (n int, err error) { panic("todo") }

// Write writes all of b, waiting as long as the write deadline allows.
func (c *Conn) Write(b []byte) error { panic("todo") }

// SetWriteDeadline bounds Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { panic("todo") }

// Compress reports whether permessage-deflate was negotiated.
func (c *Conn) Compress() bool { panic("todo") }

// Client reports whether this end dialled, and must mask what it sends.
func (c *Conn) Client() bool { panic("todo") }

// NetConn returns the connection below.
func (c *Conn) NetConn() net.Conn { panic("todo") }

// Close closes the connection below. Serve returns soon after.
func (c *Conn) Close() error { panic("todo") }

// An Opcode is the kind of a frame.
type Opcode byte

// The opcodes of RFC 6455 section 5.2.
const (
	OpContinuation Opcode = 0
	OpText         Opcode = 1
	OpBinary       Opcode = 2
	OpClose        Opcode = 8
	OpPing         Opcode = 9
	OpPong         Opcode = 10
)

// AppendFrame appends a whole, final, unmasked frame to dst.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte { panic("todo") }

// AppendMasked is AppendFrame for a client.
func AppendMasked(dst []byte, op Opcode, payload []byte) []byte { panic("todo") }

// AppendDeflated appends a whole frame with payload compressed, masked if masked is set.
func AppendDeflated(dst []byte, op Opcode, payload []byte, level int, masked bool) []byte {
	panic("todo")
}

// AppendClose appends a close frame, masked if masked is set. Code 1005 gives an empty one.
func AppendClose(dst []byte, code int, reason string, masked bool) []byte { panic("todo") }
