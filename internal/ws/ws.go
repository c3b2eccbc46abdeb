// Package ws speaks RFC 6455 and RFC 7692 over a connection that was upgraded
// by net/http or dialled.
//
// It frames and unframes, and never decides when to write: whoever owns a
// [Conn] appends frames to its own buffers and writes them with [Conn.TryWrite]
// or [Conn.Write], so that frames of different origin cannot tear each other.
package ws

import (
	"net/http"
	"strconv"

	"github.com/roomwire/roomwire/internal/poller"
)

// A Handler receives what a peer sends. The calls for one Conn never overlap.
type Handler interface {
	// Message takes a whole message, reassembled, inflated and, if it is
	// text, checked to be UTF-8. data is valid until Message returns, and
	// Message may write to it. An error ends [Conn.Serve] with that error.
	Message(binary bool, data []byte) error
	// Ping takes the payload of a ping; the owner should send a pong. data is
	// valid until Ping returns.
	Ping(data []byte)
	// Pong takes the payload of a pong. data is valid until Pong returns.
	Pong(data []byte)
	// Idle tells that everything which was read has been handled and the
	// reader is about to look, and then wait, for more. It is the moment to
	// write the answers to one batch at once.
	Idle()
}

// Options configure one end of a connection. They are read by Accept and Dial
// only. A nil *Options is the zero Options.
type Options struct {
	MaxMessage int         // bytes, after inflation; 0: no limit
	Deflate    *Deflate    // permessage-deflate to offer or accept; nil: none
	Protocols  []string    // subprotocols, in order of preference
	Header     http.Header // added to the response of Accept, to the request of Dial

	// Poller reads the connection if it can, so that it takes no goroutine
	// of its own; nil: never. NetConn is then not the one of net/http, which
	// has been closed without the peer noticing.
	Poller *poller.Poller

	// Defer lets the goroutine that reads the connection do what [Conn.Defer]
	// is given, if it is one of its own that reads the descriptor.
	Defer bool
}

// Deflate configures permessage-deflate. Contexts are never taken over from
// one message to the next, so a compressed frame can be shared. The owner, who
// chooses between [AppendFrame] and [AppendDeflated], applies both fields.
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
func (e *CloseError) Error() string {
	s := "ws: close " + strconv.Itoa(e.Code)
	if e.Remote {
		s = "ws: peer closed with " + strconv.Itoa(e.Code)
	}
	if e.Reason != "" {
		s += ": " + strconv.Quote(e.Reason)
	}
	return s
}

// The close codes this package finds reasons for.
const (
	closeProtocol    = 1002
	closeNoStatus    = 1005
	closeInvalidData = 1007
	closePolicy      = 1008
	closeTooBig      = 1009
)

func violation(code int, reason string) *CloseError {
	return &CloseError{Code: code, Reason: reason}
}

// validCloseCode reports whether a close frame may carry code: RFC 6455
// section 7.4 and what was registered with IANA since.
func validCloseCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1014:
		return code != 1004 && code != 1005 && code != 1006
	default:
		return code >= 3000 && code <= 4999
	}
}
