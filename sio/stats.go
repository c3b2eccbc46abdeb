package sio

import (
	"sync/atomic"

	"github.com/roomwire/roomwire/engine"
)

// Stats are the counters of a [Server] since its start, but for Sockets,
// Namespaces and RecoveryKept, which tell what there is now.
type Stats struct {
	Engine engine.Stats

	Sockets    int // connected
	Namespaces int // without parents

	Connects, Disconnects int64 // of sockets
	Refused               int64 // CONNECTs answered with an error
	ConnectTimeouts       int64 // connections that joined no namespace in time
	EventsIn, EventsOut   int64
	Broadcasts            int64
	AcksIn, AcksOut       int64
	AckTimeouts           int64 // acknowledgements that were given up
	StrayAcks             int64 // acknowledgements that nobody waited for
	Unhandled             int64 // events without a handler
	Panics                int64 // of handlers and hooks, contained
	BadPackets            int64 // violations of the protocol, which close the connection

	AckOverflows, RoomOverflows, NamespaceOverflows int64 // refused by [Limits]
	RateLimited                                     int64 // events and CONNECTs refused by [Limits].EventRate

	Stored          int64 // durable events
	Recovered       int64 // sockets that got their state back
	RecoveryFailed  int64 // sockets that asked for it in vain
	RecoveryTrimmed int64 // events dropped before their time
	RecoveryKept    int   // sessions in memory of connections that were lost
	RecoveryEvicted int64 // of those, dropped before their time
}

// counters are the live form of Stats.
type counters struct {
	connects, disconnects, refused, connectTimeouts    atomic.Int64
	eventsIn, eventsOut, broadcasts                    atomic.Int64
	acksIn, acksOut, ackTimeouts, strayAcks            atomic.Int64
	unhandled, panics, badPackets                      atomic.Int64
	ackOverflows, roomOverflows, namespaceOverflows    atomic.Int64
	rateLimited                                        atomic.Int64
	stored, recovered, recoveryFailed, recoveryTrimmed atomic.Int64
	recoveryEvicted                                    atomic.Int64
}

// Stats returns the counters. It may be called at any time.
func (s *Server) Stats() Stats {
	c := &s.stats
	st := Stats{
		Engine:             s.eng.Stats(),
		Connects:           c.connects.Load(),
		Disconnects:        c.disconnects.Load(),
		Refused:            c.refused.Load(),
		ConnectTimeouts:    c.connectTimeouts.Load(),
		EventsIn:           c.eventsIn.Load(),
		EventsOut:          c.eventsOut.Load(),
		Broadcasts:         c.broadcasts.Load(),
		AcksIn:             c.acksIn.Load(),
		AcksOut:            c.acksOut.Load(),
		AckTimeouts:        c.ackTimeouts.Load(),
		StrayAcks:          c.strayAcks.Load(),
		Unhandled:          c.unhandled.Load(),
		Panics:             c.panics.Load(),
		BadPackets:         c.badPackets.Load(),
		AckOverflows:       c.ackOverflows.Load(),
		RoomOverflows:      c.roomOverflows.Load(),
		NamespaceOverflows: c.namespaceOverflows.Load(),
		RateLimited:        c.rateLimited.Load(),
		Stored:             c.stored.Load(),
		Recovered:          c.recovered.Load(),
		RecoveryFailed:     c.recoveryFailed.Load(),
		RecoveryTrimmed:    c.recoveryTrimmed.Load(),
		RecoveryEvicted:    c.recoveryEvicted.Load(),
	}
	for _, n := range s.Namespaces() {
		st.Namespaces++
		st.Sockets += n.Len()
		if r := n.recovery; r != nil {
			st.RecoveryKept += r.kept()
		}
	}
	return st
}
