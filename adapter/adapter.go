// Package adapter keeps the rooms of a namespace and carries broadcasts to them.
//
// [Memory] is the adapter of a single node. An adapter of a cluster keeps its
// own sockets in the same way and passes messages to the other nodes.
package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/roomwire/roomwire/parser"
)

// A Member is a socket of this node as its namespace knows it. An adapter
// keeps what it was given and hands it back to [Local]; two Members are the
// same socket if and only if they are equal.
type Member interface {
	// ID is the socket's public ID, which is also the name of a room that
	// the socket is in from the start. It never changes. Adapters call it
	// with their locks held.
	ID() string
}

// A Selector says which sockets an operation is for: those in any of Rooms and
// in none of Except. A socket in several of the rooms is meant once.
type Selector struct {
	Rooms  []string // none: every socket of the namespace
	Except []string
	Local  bool // this node only
}

// Flags say how a broadcast travels.
type Flags struct {
	Volatile   bool          // may be dropped by a connection that cannot take it now
	NoCompress bool          // the transport should not compress it
	Later      bool          // more follows at once: may be queued to be written together with it
	Timeout    time.Duration // of acknowledgements; 0: until ctx is done
}

// An Adapter serves one namespace. All methods may be called by many
// goroutines at once. No method calls back into user code but
// [Adapter.ServerEmit].
type Adapter interface {
	// Add makes m known, in the room of its own ID and in rooms. When
	// another member has the same ID it returns [ErrTaken].
	Add(ctx context.Context, m Member, rooms ...string) error
	// Join adds rooms to m. It does nothing when m is not known (any more).
	Join(ctx context.Context, m Member, rooms ...string) error
	// Leave takes rooms from m. When it has returned, nothing that is sent to
	// those rooms reaches m, not even by a broadcast that had begun.
	Leave(ctx context.Context, m Member, rooms ...string) error
	// Remove forgets m, with the promise of Leave for all its rooms.
	Remove(ctx context.Context, m Member) error
	// Rooms returns the rooms of m, its own ID first; nil when m is not known.
	Rooms(m Member) []string
	// AllRooms returns the names of the rooms that have a member on this
	// node, those of sockets' own IDs included.
	AllRooms(ctx context.Context) ([]string, error)

	// Broadcast sends p to the sockets chosen.
	Broadcast(ctx context.Context, p *parser.Packet, to Selector, f Flags) error
	// BroadcastCall sends p with an acknowledgement ID to the sockets chosen
	// and yields their acknowledgements as they come, until all are in. When
	// the time is up it yields [ErrTimeout] once and ends.
	BroadcastCall(ctx context.Context, p *parser.Packet, to Selector, f Flags) iter.Seq2[Reply, error]
	// Sockets yields the sockets chosen, of every node. An error means that
	// a part of the answer is missing.
	Sockets(ctx context.Context, to Selector) iter.Seq2[Socket, error]
	// JoinAll makes the sockets chosen join rooms.
	JoinAll(ctx context.Context, to Selector, rooms ...string) error
	// LeaveAll makes the sockets chosen leave rooms.
	LeaveAll(ctx context.Context, to Selector, rooms ...string) error
	// DisconnectAll disconnects the sockets chosen.
	DisconnectAll(ctx context.Context, to Selector, closeConn bool) error
	// ServerEmit sends an event to the other nodes and yields their answers
	// when p.ID is not negative.
	ServerEmit(ctx context.Context, p *parser.Packet) iter.Seq2[Reply, error]
	// Nodes counts the nodes of the cluster, this one included.
	Nodes(ctx context.Context) (int, error)
	// Close frees what the adapter holds. The namespace has no sockets any more.
	Close(ctx context.Context) error
}

// A Factory makes the adapter of a namespace.
type Factory func(namespace string, local Local) (Adapter, error)

// Local is what an adapter may ask of the namespace on its own node. It never
// calls the adapter back before it returns, and never blocks on a connection.
type Local interface {
	// Deliver sends p to members, which come in groups. It ranges over groups
	// before it returns, and is done with a group before it takes the next
	// one: the promise of [Adapter.Leave] is kept by a lock that the adapter
	// holds meanwhile. Several goroutines may range at once, to share the
	// work: each group goes to one of them. It may stop early.
	Deliver(groups iter.Seq[[]Member], p *parser.Packet, f Flags)
	// Call sends p to members, each with an acknowledgement ID of its own. It
	// ranges over groups before it returns their number; their
	// acknowledgements reach reply, from any goroutine, each at most once,
	// the first maybe before Call returns. reply never blocks. When ctx is
	// done the rest is forgotten. Groups are used as by Deliver.
	Call(ctx context.Context, groups iter.Seq[[]Member], p *parser.Packet, f Flags, reply func(Reply)) (n int)
	// Describe says what other nodes may know of m. Rooms and Node are left to the adapter.
	Describe(m Member) Socket
	// Disconnect disconnects m. It returns before that is done.
	Disconnect(m Member, closeConn bool)
	// RoomEvent tells what became of a room. It is called after the change,
	// in order for one room; see [RoomWatcher] for sparing it.
	RoomEvent(e RoomEvent)
	// ServerEvent hands over an event from another node; the answer is nil
	// when none was asked for.
	ServerEvent(ctx context.Context, p *parser.Packet) (answer *parser.Payload, err error)
}

// A Reply is one acknowledgement of a broadcast, or one answer of a node.
type Reply struct {
	SocketID string // empty in an answer of a node
	Payload  parser.Payload
}

// A Socket describes a socket on any node.
type Socket struct {
	ID, Node  string // Node is empty on a single node
	Member    Member // on this node; nil for a socket of another
	Rooms     []string
	Handshake json.RawMessage
	Data      json.RawMessage
}

// A RoomEvent is a change of a room: Socket.IO's create-room, join-room,
// leave-room and delete-room.
type RoomEvent struct {
	Kind   RoomEventKind
	Room   string
	Member Member // nil for RoomCreated and RoomDeleted
}

// A RoomEventKind is the kind of a [RoomEvent].
type RoomEventKind uint8

// The kinds of [RoomEvent].
const (
	RoomCreated RoomEventKind = iota
	RoomJoined
	RoomLeft
	RoomDeleted
)

// Errors of an adapter.
var (
	// ErrTimeout ends a broadcast whose acknowledgements did not all come in
	// time. Its text is Socket.IO's own.
	ErrTimeout = errors.New("operation has timed out")
	// ErrTaken is returned by Add when another member has the same ID.
	ErrTaken = errors.New("adapter: another member has this ID")
	// ErrAlone says that there is no other node.
	ErrAlone = errors.New("adapter: this adapter does not support emitting to other nodes")
)
