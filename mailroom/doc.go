// Package mailroom joins queues to sockets: durable rooms, whose events a client
// gets even when the server was killed meanwhile, and mailboxes that hold what
// a recipient has not yet taken care of.
//
// It works with the clients that people have; nothing is added to the protocol.
package mailroom
