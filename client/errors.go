package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/parser"
)

// The states in which something cannot be done.
var (
	// ErrClosed is returned once the [Client] is closed.
	ErrClosed = errors.New("client: closed")
	// ErrNotConnected is returned for a socket that is neither connected nor
	// on its way: it was never told to, or the server refused or
	// disconnected it, or reconnecting was given up.
	ErrNotConnected = errors.New("client: socket is not connected")
	// ErrDisconnected is what waiting for an acknowledgement ends with when
	// the connection over which the event went is lost.
	ErrDisconnected = errors.New("client: socket has been disconnected")
	// ErrBufferFull is returned for an event that comes while the socket is
	// disconnected and as much as may wait is waiting.
	ErrBufferFull = errors.New("client: buffer of the disconnected socket is full")
	// ErrDropped is returned for a volatile event that could not be sent at once.
	ErrDropped = errors.New("client: volatile event dropped")
	// ErrReserved is returned for the name of an event that Socket.IO keeps for itself.
	ErrReserved = errors.New("client: reserved event name")
	// ErrAckTimeout is what waiting for an acknowledgement ends with when
	// [Options.AckTimeout] or [Sender.Timeout] has passed. It is a
	// [context.DeadlineExceeded].
	ErrAckTimeout = fmt.Errorf("client: no acknowledgement in time: %w", context.DeadlineExceeded)
)

// errOldServer is what a server of Socket.IO 2 gets.
var errOldServer = errors.New("client: the server speaks an older protocol: its CONNECT has no sid")

// A Reason says why a socket was disconnected, in the words of Socket.IO.
type Reason string

// The reasons. After the first two the socket is not connected again by itself.
const (
	ServerDisconnect Reason = "io server disconnect" // the server disconnected it
	ClientDisconnect Reason = "io client disconnect" // [Socket.Disconnect] or [Client.Close]
	PingTimeout      Reason = "ping timeout"         // no heartbeat came in time
	TransportClose   Reason = "transport close"      // the connection was closed or lost
	TransportError   Reason = "transport error"      // the connection broke
	ParseError       Reason = "parse error"          // the server sent something invalid
)

// reasonOf finds the word for the error with which a connection ended.
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, errProtocol), errors.Is(err, engine.ErrParse), isParse(err):
		return ParseError
	case errors.Is(err, engine.ErrPingTimeout):
		return PingTimeout
	case errors.Is(err, engine.ErrTransport):
		return TransportError
	case errors.Is(err, engine.ErrClosed):
		return ClientDisconnect
	}
	return TransportClose
}

// errProtocol is wrapped by what this package finds wrong with a packet.
var errProtocol = errors.New("client: protocol violation")

func isParse(err error) bool {
	for _, e := range []error{parser.ErrInvalid, parser.ErrReserved, parser.ErrAttachments, parser.ErrDepth, parser.ErrTooLarge} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// reserved reports whether Socket.IO keeps the name of an event for itself.
func reserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
