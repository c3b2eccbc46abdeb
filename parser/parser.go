// Package parser turns Socket.IO packets into messages of the transport and back.
//
// Work is split in three so that nothing is done for a packet that nobody
// wants: a [Decoder] yields a [Packet] whose payload is checked but still
// encoded, [Codec.Event] reads the event's name, and [Codec.Unmarshal] decodes
// arguments when their type is known.
//
// The wire format is that of the Socket.IO protocol, version 5.
package parser

import "errors"

// A Type is the kind of a packet.
type Type uint8

// The kinds of packet. A decoded BINARY_EVENT or BINARY_ACK is an Event or an
// Ack with attachments, as in Socket.IO; the wire numbers 5 and 6 exist only in
// frames.
const (
	Connect Type = iota
	Disconnect
	Event
	Ack
	ConnectError
)

// A Packet is one Socket.IO packet. Its payload stays encoded until it is asked for.
type Packet struct {
	Type      Type
	Namespace string // with its leading slash; "/" is the main one
	ID        int64  // of the acknowledgement; negative: none
	Payload   Payload
}

// A Payload is the data of a packet as it is on the wire. For Event and Ack,
// Data is a JSON array; for Connect and ConnectError a JSON value or empty.
// Binary values stand in Data as placeholders for Attachments.
type Payload struct {
	Data        []byte
	Attachments [][]byte
}

// A Codec is one wire format. It has no state and may be used by many
// goroutines at once.
type Codec interface {
	// AppendHeader appends the first message of p to dst. The attachments
	// of the payload follow it as binary messages of their own, in order.
	// p is used again by the caller, so the codec must not keep it.
	AppendHeader(dst []byte, p *Packet) []byte
	// BinaryHeader reports whether that first message is a binary one.
	BinaryHeader() bool
	// NewDecoder returns a decoder for one connection.
	NewDecoder(l Limits) Decoder

	// Marshal appends the payload of an event, or of an acknowledgement when
	// name is empty, to dst: an array of the name and the arguments. Data of
	// the result is what was appended. A []byte at any depth becomes an
	// attachment, which aliases the argument; errors are an [ArgumentError]
	// or wrap ErrAttachments.
	Marshal(dst []byte, name string, args ...any) (Payload, error)
	// MarshalValue encodes the one value of a Connect or ConnectError; nil is none.
	MarshalValue(dst []byte, v any) (Payload, error)
	// AppendArg returns p with one more string argument at the end; p.Data may be overwritten.
	AppendArg(p Payload, arg string) Payload

	// Splice is Marshal for arguments that are encoded already: args is a
	// payload as it comes from Rest or from an acknowledgement.
	Splice(dst []byte, name string, args Payload) Payload

	// Rest returns the arguments of an event without its name. It may
	// overwrite p.Data, which the result aliases, but not the name.
	Rest(p Payload) Payload

	// Event returns the name of an event, or its digits when the name is a
	// number. It may alias p.Data.
	Event(p Payload) (name []byte, err error)
	// Args yields the number of elements of the array in p.
	Args(p Payload) int
	// Unmarshal decodes the elements of the array after the first skip into
	// out, pointers, one for each. Missing elements leave their pointer's
	// value as it is. Binary values arrive as []byte, also in an any.
	// A *json.RawMessage receives the encoded element. A nil in out passes
	// over its element.
	Unmarshal(p Payload, skip int, out ...any) error
	// UnmarshalValue decodes the one value of a Connect or ConnectError.
	UnmarshalValue(p Payload, out any) error
}

// A Decoder joins the messages of one connection to packets. It is not safe
// for concurrent use.
type Decoder interface {
	// Decode takes the next message. It reports true when p is complete, and
	// false when attachments are still missing; Type and Namespace of p are
	// set in either case. The payload of a complete packet may alias data
	// and is valid until the next call. p itself is another's after Decode,
	// which must not keep it. Any error is final: the connection must be closed.
	Decode(p *Packet, binary bool, data []byte) (complete bool, err error)
	// Reset forgets a packet whose attachments are still missing.
	Reset()
}

// Limits bound what a peer may send. A zero field is its default.
type Limits struct {
	MaxAttachments     int // of one packet; default 10, at most 1<<24 - 1
	MaxAttachmentBytes int // of one packet, together; default 1e6
	MaxDepth           int // of nested arrays and objects, the payload's array is the first; default 512
}

// The ways in which a peer breaks the protocol. Errors of a [Decoder] wrap one of them.
var (
	ErrInvalid     = errors.New("parser: invalid packet")
	ErrReserved    = errors.New("parser: reserved event name")
	ErrAttachments = errors.New("parser: illegal attachments")
	ErrDepth       = errors.New("parser: nested too deeply")
	ErrTooLarge    = errors.New("parser: attachments too large")
)
