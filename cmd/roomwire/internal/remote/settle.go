package remote

import (
	"context"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// grace is what a server has between reading an event and the end of the
// connection: one in Node.js drops an event whose middleware still waits then.
const grace = 100 * time.Millisecond

// Settle waits until the server has read everything, before the connection is
// closed: one in Node.js does not handle an event that it has read together
// with the end of the connection. The error is that it did not in time. conn is
// nil if there is no connection any more, which is none.
func (t *Target) Settle(ctx context.Context, conn *engine.ClientConn) error {
	if conn == nil {
		return nil
	}
	timed, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	err := conn.Flush(timed)
	switch {
	case err == nil:
	case ctx.Err() == nil && timed.Err() != nil:
		return t.Unread(conn.Transport(), err)
	default:
		return nil // the connection is gone, or nobody wants to wait
	}
	select {
	case <-time.After(grace):
	case <-ctx.Done():
	}
	return nil
}
