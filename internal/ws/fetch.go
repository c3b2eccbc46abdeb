package ws

// Fetch looks at what TryWrite will look at of connections, which changes
// nothing; see Broadcast of package engine. What package net keeps of those that no poller
// reads is out of reach.
func Fetch(conns []*Conn) {
	for _, c := range conns {
		c.state.Load()
	}
	for _, c := range conns {
		if c.fd != nil {
			c.fd.Fetch()
		}
	}
}
