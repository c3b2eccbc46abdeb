package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// A task is work on the connection.
type task struct {
	again bool    // open: the connection was lost, so wait first
	join  *Socket // nil: open the connection
	link  *link   // to join over
}

// run works on the connection.
func (c *Client) run(tasks []task) {
	for _, t := range tasks {
		if t.join != nil {
			c.join(t.join, t.link)
		} else {
			c.open(t.again)
		}
	}
}

// open tries to open the connection until it is open, no attempts are left or
// nobody wants it any more.
func (c *Client) open(again bool) {
	for {
		ctx, cancel := context.WithCancel(c.ctx)
		c.mu.Lock()
		c.stop = cancel
		if !c.anyActiveLocked() {
			cancel()
		}
		c.mu.Unlock()
		err := c.attempts(ctx, again)
		gone := ctx.Err() != nil
		cancel()
		if err == nil {
			return
		}
		c.mu.Lock()
		c.stop = nil
		if c.state == closed {
			c.mu.Unlock()
			return
		}
		if !gone {
			for _, s := range c.sockets {
				s.giveUp(err)
			}
		}
		if !c.anyActiveLocked() {
			c.state = idle
			c.mu.Unlock()
			return
		}
		c.mu.Unlock() // somebody connected while the attempt was being given up
		again = false
	}
}

// attempts makes one attempt after the other.
func (c *Client) attempts(ctx context.Context, again bool) error {
	var err error
	if !again {
		if err = c.attempt(ctx); err == nil || ctx.Err() != nil || c.o.NoReconnection {
			return err
		}
	}
	for n := 1; ; n++ {
		if limit := c.o.ReconnectionAttempts; limit > 0 && n > limit {
			if h := c.o.Hooks.ReconnectFailed; h != nil {
				h()
			}
			return err
		}
		if !c.pause(ctx) {
			return context.Cause(ctx)
		}
		if h := c.o.Hooks.ReconnectAttempt; h != nil {
			h(n)
		}
		err = c.attempt(ctx)
		if err == nil {
			if h := c.o.Hooks.Reconnect; h != nil {
				h(n)
			}
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		if h := c.o.Hooks.ReconnectError; h != nil {
			h(err)
		}
	}
}

// pause waits before an attempt and reports whether it still is wanted.
func (c *Client) pause(ctx context.Context) bool {
	c.mu.Lock()
	d := c.o.delay(c.tries, rand.Float64())
	c.tries++
	c.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// delay returns the time before an attempt, n delays after a connection that
// held. r is random in [0, 1). What would exceed the maximum is mirrored below
// it, or half of the clients of a server that went down would gather there.
func (o *Options) delay(n int, r float64) time.Duration {
	base := float64(o.ReconnectionDelayMax)
	if n < 32 {
		base = min(base, float64(o.ReconnectionDelay)*float64(int64(1)<<n))
	}
	d := base * (1 + o.RandomizationFactor*(2*r-1))
	if most := float64(o.ReconnectionDelayMax); d > most {
		d = max(2*most-d, 0)
	}
	return time.Duration(d)
}

// attempt opens the connection once and joins the namespaces.
func (c *Client) attempt(ctx context.Context) error {
	err := c.dial(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	c.o.Logger.Debug("client: connecting failed", "err", err)
	if h := c.o.Hooks.Error; h != nil {
		h(err)
	}
	c.mu.Lock()
	c.wsGood = false
	for _, s := range c.sockets {
		s.attemptFailed(err)
	}
	c.mu.Unlock()
	return err
}

func (c *Client) dial(ctx context.Context) error {
	if c.bad != nil {
		return c.bad
	}
	timed, cancel := context.WithTimeout(ctx, c.o.ConnectTimeout)
	defer cancel()
	var l *link
	conn, err := engine.Dial(timed, c.url, func(conn *engine.ClientConn) engine.Session {
		l = newLink(c, conn)
		return l
	}, c.engineOptions())
	if err != nil {
		return c.misplaced(err)
	}
	c.mu.Lock()
	if l.ended || ctx.Err() != nil || c.state != connecting {
		c.mu.Unlock()
		conn.Close(nil)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("client: the server hung up at once: %w", l.why)
	}
	c.state, c.link, c.stop = open, l, nil
	c.wsGood = conn.Transport() == "websocket"
	var join []*Socket
	for _, s := range c.sockets {
		if s.Active() {
			join = append(join, s)
		}
	}
	if len(join) == 0 {
		c.releaseLocked()
	}
	c.mu.Unlock()
	if h := c.o.Hooks.Open; h != nil {
		h()
	}
	for _, s := range join {
		c.join(s, l)
	}
	return nil
}

// misplaced adds to the error of an attempt what may be wrong when nobody
// listens at the path of the URL.
func (c *Client) misplaced(err error) error {
	var d *engine.DialError
	u, bad := url.Parse(c.url)
	if bad != nil || u.Path == "/socket.io/" || !errors.As(err, &d) {
		return err
	}
	if d.Status == http.StatusNotFound || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w (the path of the URL, %s, is where Socket.IO should listen; a namespace goes to Of)", err, u.Path)
	}
	return err
}

// engineOptions returns the options of the next connection.
func (c *Client) engineOptions() *engine.DialOptions {
	o := c.o.Engine
	upgraded := o.Hooks.Upgrade
	o.Hooks.Upgrade = func(conn *engine.ClientConn) {
		c.mu.Lock()
		c.wsGood = true
		c.mu.Unlock()
		if upgraded != nil {
			upgraded(conn)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(o.Transports, "websocket"); c.o.RememberUpgrade && c.wsGood && (i > 0 || o.Transports == nil) {
		if o.Transports == nil {
			o.Transports = []string{"websocket", "polling"}
		} else {
			o.Transports = append([]string{"websocket"}, slices.Delete(slices.Clone(o.Transports), i, i+1)...)
		}
	}
	return &o
}

// join sends the CONNECT of a socket, unless one is on its way already.
func (c *Client) join(s *Socket, l *link) {
	auth, err := c.auth(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != l {
		return
	}
	s.mu.Lock()
	if !s.active || s.link != nil {
		s.mu.Unlock()
		return
	}
	if err == nil {
		err = s.sendConnectLocked(l, auth)
	}
	if err != nil {
		s.refusedLocked(err)
	}
	s.mu.Unlock()
	if err != nil {
		c.releaseLocked()
	}
}

// auth asks for the credentials of a socket.
func (c *Client) auth(s *Socket) (v any, err error) {
	if c.o.AuthFunc == nil {
		return c.o.Auth, nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("client: AuthFunc panicked: %v", p)
		}
	}()
	return c.o.AuthFunc(c.ctx, s.namespace)
}

// resume adds the session to be recovered to the credentials.
func resume(auth any, pid, offset string) (any, error) {
	m := map[string]any{"pid": pid}
	if offset != "" {
		m["offset"] = offset
	}
	if auth == nil {
		return m, nil
	}
	data, err := json.Marshal(auth)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return nil, fmt.Errorf("client: auth: %w", err)
	}
	return m, nil
}
