package engine

import "github.com/roomwire/roomwire/internal/ws"

// few is the number of connections that are not worth a look ahead.
const few = 2

// fetch looks at what send will look at of up to [Group] connections, which
// changes nothing, so that it is in the cache by then. It lies in places that
// point to one another, far apart: one connection after the other, send would
// wait for each of them; here the processor waits for those of many
// connections at the same time. With 10,000 connections that halves our own
// share of a broadcast.
//
// It returns how many of them a poller reads, or 0 if they are too few to look.
func fetch(conns []*Conn) (polled int) {
	if len(conns) <= few {
		return 0
	}
	var next [Group]*ws.Conn
	n := 0
	for _, c := range conns {
		c.state.Load() // in the first of the lines that hold all of it
		c.traffic.packetsIn.Load()
		if w := c.ahead.Load(); w != nil {
			next[n] = w
			n++
		}
	}
	return ws.Fetch(next[:n])
}
