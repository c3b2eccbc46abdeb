// Package engine is Engine.IO, version 4: one ordered stream of messages per
// client, whatever transport carries it.
//
// A [Server] is an http.Handler. It opens a [Conn] for each client, over HTTP
// long-polling or WebSocket, moves it from the first to the second when the
// client asks, keeps it alive with heartbeats, and tells the [Session] that
// its owner made for the Conn of each message.
package engine

// Protocol is the version of Engine.IO spoken here.
const Protocol = 4

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
	// closes the connection with that error. One goroutine reads for many
	// connections: a Message that waits calls [Conn.Block] first.
	Message(binary bool, data []byte) error
	// Closed tells that the connection has ended, and why.
	Closed(why error)
}
