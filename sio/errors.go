package sio

import (
	"errors"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
)

// Error is an error that the peer may see: what a guard returns becomes the
// message and data of CONNECT_ERROR, what a handler returns the error form of
// the acknowledgement. Any other error is logged and reads "internal error" at
// the peer.
type Error = event.Error

// Errors of this package. The waiting functions also return the error of
// their context.
var (
	// ErrClosed says that the socket, or the server, is closed.
	ErrClosed = errors.New("sio: socket is closed")
	// ErrReserved says that an event has a name that the protocol keeps for
	// itself: connect, connect_error, disconnect, disconnecting, newListener,
	// removeListener.
	ErrReserved = errors.New("sio: event name is reserved")
	// ErrDropped says that a volatile event was not sent because the
	// connection could not take it at once.
	ErrDropped = engine.ErrDropped
	// ErrTimeout ends the acknowledgements of a broadcast that did not all
	// come in time.
	ErrTimeout = adapter.ErrTimeout
	// ErrTooManyAcks says that [Limits].PendingAcks acknowledgements are
	// waited for already.
	ErrTooManyAcks = errors.New("sio: too many pending acknowledgements")
	// ErrTooManyRooms says that the socket is in [Limits].Rooms rooms already.
	ErrTooManyRooms = errors.New("sio: too many rooms")
	// ErrNameTooLong says that the name of a room has more than
	// [Limits].NameBytes bytes.
	ErrNameTooLong = errors.New("sio: name is too long")
	// ErrParent says that an operation has no meaning for a namespace that
	// is only the pattern of others.
	ErrParent = errors.New("sio: not possible on the parent of dynamic namespaces")

	// errProtocol is a violation of the Socket.IO protocol; it closes the connection.
	errProtocol = errors.New("sio: protocol violation")
	// errConnectTimeout closes a connection that joined no namespace in time.
	errConnectTimeout = errors.New("sio: no namespace joined in time")
)

// A Reason says why a socket disconnected, in Socket.IO's own words.
type Reason string

// The reasons of Socket.IO.
const (
	ReasonTransportError   Reason = "transport error"             // the connection broke, or the client read too slowly
	ReasonTransportClose   Reason = "transport close"             // the client went away
	ReasonForcedClose      Reason = "forced close"                // the client broke the protocol
	ReasonPingTimeout      Reason = "ping timeout"                // the client did not answer in time
	ReasonParseError       Reason = "parse error"                 // the client sent an undecodable packet
	ReasonServerShutdown   Reason = "server shutting down"        // Shutdown or Close
	ReasonServerClose      Reason = "forced server close"         // the client joined no namespace in time
	ReasonClientDisconnect Reason = "client namespace disconnect" // the client left the namespace
	ReasonServerDisconnect Reason = "server namespace disconnect" // Disconnect
)

// Recoverable reports whether a socket that disconnected for this reason can
// come back by connection state recovery.
func (r Reason) Recoverable() bool {
	switch r {
	case ReasonTransportError, ReasonTransportClose, ReasonForcedClose, ReasonPingTimeout,
		ReasonServerShutdown, ReasonServerClose:
		return true
	}
	return false
}

// reasonOf translates why an Engine.IO connection ended.
func reasonOf(why error) Reason {
	switch {
	case errors.Is(why, engine.ErrPingTimeout):
		return ReasonPingTimeout
	case errors.Is(why, engine.ErrServerClosed):
		return ReasonServerShutdown
	case errors.Is(why, errProtocol):
		return ReasonForcedClose
	case errors.Is(why, errConnectTimeout):
		return ReasonServerClose
	case errors.Is(why, engine.ErrParse):
		return ReasonParseError
	case errors.Is(why, engine.ErrClosed):
		return ReasonForcedClose
	case errors.Is(why, engine.ErrTransport), errors.Is(why, engine.ErrSlow):
		return ReasonTransportError
	}
	return ReasonTransportClose
}

// reserved reports whether an event may not be called name.
func reserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// privateMessage is what a peer reads of an error that is not an [*Error].
const privateMessage = "internal error"

// public returns the form of err that the peer may see.
func public(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Message: privateMessage}
}
