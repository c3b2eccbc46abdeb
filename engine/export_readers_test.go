package engine

// Polled reports whether c shares a reader.
func Polled(c *Conn) bool { return c.ahead.Load().Polled() }
