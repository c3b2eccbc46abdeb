//go:build linux

package poller

// Leads reports whether the leader is with c.
func Leads(c *Conn) bool {
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	return c.loop.leader.with == c
}
