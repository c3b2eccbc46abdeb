// Package poller reads many connections on few goroutines.
//
// A goroutine that waits for each connection costs a stack, the place of the
// runtime's poller that it waits in, and with each message a switch and a read
// that finds nothing. Here a goroutine waits for many connections, and reads
// those that have something one after the other.
//
// The one that does so is the leader. Work that takes long, or has to wait,
// holds up nobody: when it says so, with [Conn.Block], or is found to, another
// goroutine becomes the leader, and the one before ends with its connection.
//
// It also writes to many connections with one system call, see [Batch].
//
// Poller is for Linux; elsewhere it adopts nothing.
package poller

// BatchSize is how many writes a [Batch] takes.
const BatchSize = 64

// A Handler receives what a connection reads. Its calls never overlap.
type Handler interface {
	// Receive handles what was read, until it returns. An error ends the
	// reading.
	Receive(b []byte) error
	// End tells, once and after the last Receive, why nothing more will be
	// read: [io.EOF], what Receive returned, [net.ErrClosed] after Close, or
	// an error of the network. It has a goroutine of its own.
	End(err error)
}
