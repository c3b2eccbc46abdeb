package ws

// Fetch looks at what TryWrite will look at of connections, which changes
// nothing; see Broadcast of package engine. It returns how many of them a poller
// reads: what package net keeps of the others is out of reach.
func Fetch(conns []*Conn) (polled int) {
	for _, c := range conns {
		c.state.Load()
	}
	for _, c := range conns {
		if c.fd != nil {
			c.fd.Fetch()
			polled++
		}
	}
	return polled
}
