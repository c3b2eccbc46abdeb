package engine

import "net/http"

// LimitMessages bounds one message of the client, and the body of one request,
// to bytes, from the next one on. What is longer is treated as one above
// Options.MaxPayload; 0, or more than that, means MaxPayload. A session uses
// it in Open for clients that have not said yet who they are.
func (c *Conn) LimitMessages(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = bytes
	if c.ws != nil {
		c.ws.SetLimit(c.maxMessage())
	}
}

// maxMessage returns how long a message may be. mu is held.
func (c *Conn) maxMessage() int {
	if c.limit <= 0 {
		return c.srv.o.MaxPayload
	}
	return min(c.limit, c.srv.o.MaxPayload)
}

// probeLimit bounds the messages of a WebSocket that is not the transport of
// its session yet; they are of six bytes at most.
const probeLimit = 125

// openingSize returns how many bytes of a request a connection keeps.
func openingSize(r *http.Request) int {
	n := len(r.RequestURI) + len(r.URL.Path) + len(r.URL.RawQuery) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + 2
		}
	}
	return n
}
