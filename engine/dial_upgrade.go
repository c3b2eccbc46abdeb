package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

var errUpgradeTimeout = errors.New("engine: upgrade timeout")

// upgradable reports whether the connection may move to WebSocket.
func (c *ClientConn) upgradable() bool {
	return !c.d.o.NoUpgrade && c.d.wants("websocket") && slices.Contains(c.hs.Upgrades, "websocket")
}

// upgrade probes WebSocket beside polling. If it works, polling falls silent,
// the connection moves, and the goroutine becomes its reader; if it does not,
// polling goes on as if nothing had been.
func (c *ClientConn) upgrade() {
	ctx, cancel := context.WithTimeoutCause(c.ctx, c.d.o.UpgradeTimeout, errUpgradeTimeout)
	defer cancel()
	conn, err := c.connectWebSocket(ctx)
	if err != nil {
		c.upgradeFailed(err)
		return
	}
	c.mu.Lock()
	if c.closing || c.closed {
		c.mu.Unlock()
		_ = conn.Close()
		return
	}
	c.probe = conn
	c.mu.Unlock()

	// A probe that is not answered in time ends its own connection alone.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	r := &frameReader{c: c, conn: conn, state: readProbing}
	r.probed = func() error { return c.move(ctx, conn, stop) }
	_ = conn.SetWriteDeadline(time.Now().Add(c.d.o.WriteTimeout))
	if err = conn.Write(ws.AppendMasked(nil, ws.OpText, []byte("2probe"))); err == nil {
		err = conn.Serve(r)
	}
	if r.state == readOpen && !c.revert(conn, r) {
		c.serveEnded(conn, err)
		return
	}
	stop()
	_ = conn.Close()
	if ctx.Err() != nil && c.ctx.Err() == nil {
		err = errUpgradeTimeout
	}
	c.resume()
	c.upgradeFailed(err)
}

func (c *ClientConn) upgradeFailed(err error) {
	if c.ctx.Err() != nil {
		return
	}
	if err == nil {
		err = errors.New("engine: the probe was closed")
	}
	c.d.o.Logger.Debug("engine: upgrade failed, staying on polling", "err", err)
	if h := c.d.o.Hooks.UpgradeError; h != nil {
		h(c, err)
	}
}

// move waits until nothing is on its way over polling and makes conn the
// transport. The server sends nothing over conn before it has read the "5", so
// blocking its reader here is harmless and keeps the order of messages.
func (c *ClientConn) move(ctx context.Context, conn *ws.Conn, stop func() bool) error {
	c.mu.Lock()
	c.paused = true
	still := make(chan struct{})
	c.still = still
	c.settleLocked()
	c.mu.Unlock()
	select {
	case <-still:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if !stop() {
		return errUpgradeTimeout
	}
	_ = conn.SetWriteDeadline(time.Now().Add(c.d.o.WriteTimeout))
	if err := conn.Write(ws.AppendMasked(nil, ws.OpText, []byte{'5'})); err != nil {
		return fmt.Errorf("engine: upgrade: %w", err)
	}
	c.mu.Lock()
	c.ws, c.probe, c.paused = conn, nil, false
	if len(c.queue) > 0 {
		c.startWriterLocked()
	}
	c.settleLocked()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if h := c.d.o.Hooks.Upgrade; h != nil {
		h(c)
	}
	return nil
}

// revert goes back to polling when conn ended right after the "5": a server that
// is closing the session drops the probe and waits for a poll that takes what
// it still has to say. If the server has moved after all, the poll tells. What
// was sent over conn cannot be taken back, so nothing must have been.
func (c *ClientConn) revert(conn *ws.Conn, r *frameReader) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != conn || r.heard || c.wrote || c.closing || c.closed {
		return false
	}
	c.ws, c.paused, c.reverted = nil, true, true // until resume and the next poll
	return true
}

// resume goes on with polling after an upgrade that came to nothing.
func (c *ClientConn) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probe, c.still = nil, nil
	if !c.paused || c.closed {
		return
	}
	c.paused = false
	if !c.polling {
		c.polling = true
		c.spawnLocked(func() { c.poll(nil) })
	}
	if len(c.queue) > 0 && !c.writing {
		c.startWriterLocked()
	}
	c.settleLocked()
}
