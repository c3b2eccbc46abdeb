package engine

import (
	"errors"
	"net/http"
)

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
