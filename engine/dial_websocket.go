package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// connectWebSocket makes the WebSocket connection that a handshake or a probe
// then uses.
func (c *ClientConn) connectWebSocket(ctx context.Context) (*ws.Conn, error) {
	o := &ws.Options{MaxMessage: c.d.o.MaxPayload, Protocols: c.d.o.Protocols, Header: c.d.header("websocket")}
	if z := c.d.o.Compression; z != nil {
		o.Deflate = &ws.Deflate{Threshold: z.Threshold, Level: z.Level}
	}
	conn, resp, err := ws.Dial(ctx, c.d.url("websocket", c.hs.SID, "").String(), c.d.http, o)
	if err == nil {
		return conn, nil
	}
	status, start := 0, []byte(nil)
	if resp != nil {
		status = resp.StatusCode
		if resp.Body != nil && status != http.StatusSwitchingProtocols {
			start, _ = io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		}
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
	}
	return nil, c.d.dialError("websocket", status, start, hideQuery(err))
}

// dialWebSocket opens the connection over WebSocket.
func (c *ClientConn) dialWebSocket(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.d.o.RequestTimeout)
	defer cancel()
	conn, err := c.connectWebSocket(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.ws = conn
	c.mu.Unlock()
	r := &frameReader{c: c, conn: conn, state: readOpening, opened: make(chan struct{})}
	c.spawn(func() { c.serveEnded(conn, conn.Serve(r)) })
	select {
	case <-r.opened:
		return nil
	case <-c.done:
		err = c.why
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return c.d.dialError("websocket", 0, nil, err)
}

// The states of a frameReader.
const (
	readOpening = iota // the open packet is next
	readProbing        // the answer to a probe is next
	readOpen
)

// A frameReader receives the messages of one WebSocket connection.
type frameReader struct {
	c      *ClientConn
	conn   *ws.Conn
	state  int
	heard  bool // something came while it was open
	opened chan struct{}
	probed func() error // called when the probe was answered
}

// Message implements [ws.Handler].
func (r *frameReader) Message(binary bool, data []byte) error {
	r.heard = r.state == readOpen
	switch {
	case r.state == readOpen && binary:
		if h := r.c.d.o.Hooks.Packet; h != nil {
			h(r.c, false, '4', len(data))
		}
		return r.c.deliver(true, data)
	case r.state == readOpen:
		return r.c.packet(data)
	case r.state == readOpening:
		if binary || len(data) == 0 || data[0] != '0' {
			return fmt.Errorf("%w: this is no Engine.IO 4 server", ErrTransport)
		}
		if err := r.c.opened(data[1:]); err != nil {
			return fmt.Errorf("%w: %w", ErrTransport, err)
		}
		r.state = readOpen
		close(r.opened)
		return nil
	default:
		if binary || string(data) != "3probe" {
			return errors.New("engine: the probe was not answered")
		}
		if err := r.probed(); err != nil {
			return err
		}
		r.state = readOpen
		return nil
	}
}

// Ping implements [ws.Handler].
func (r *frameReader) Ping(data []byte) {
	if r.state == readProbing {
		// Nobody else writes yet.
		_ = r.conn.SetWriteDeadline(time.Now().Add(r.c.d.o.WriteTimeout))
		_ = r.conn.Write(ws.AppendMasked(nil, ws.OpPong, data))
		return
	}
	r.heard = true
	r.c.control('P', data)
}

// Pong implements [ws.Handler].
func (r *frameReader) Pong(data []byte) {
	r.heard = r.state == readOpen
	r.c.pong(data)
}

// Idle implements [ws.Handler].
func (r *frameReader) Idle() {}

// serveEnded handles the end of the WebSocket that is the transport.
func (c *ClientConn) serveEnded(conn *ws.Conn, err error) {
	var own sessionError
	var end *ws.CloseError
	switch {
	case errors.As(err, &own), errors.Is(err, ErrTransport), errors.Is(err, ErrTransportClose):
	case errors.As(err, &end) && !end.Remote:
		c.writeClose(conn, end.Code, end.Reason)
		err = fmt.Errorf("%w: %w", ErrTransport, err)
	case err == nil:
		err = ErrTransportClose
	default:
		err = fmt.Errorf("%w: %w", ErrTransportClose, err)
	}
	c.ended(err)
}

// writeClose writes a close frame unless somebody else is in the middle of a
// frame; then the server has to do without.
func (c *ClientConn) writeClose(conn *ws.Conn, code int, reason string) {
	c.mu.Lock()
	if c.writing || c.closed || len(c.rest) > 0 {
		c.mu.Unlock()
		return
	}
	c.writing = true
	c.mu.Unlock()
	_ = conn.SetWriteDeadline(time.Now().Add(min(c.d.o.WriteTimeout, time.Second)))
	_ = conn.Write(ws.AppendClose(nil, code, reason, true))
	c.mu.Lock()
	c.writing = false
	c.mu.Unlock()
}

// hideQuery takes the URL, whose query may hold secrets, out of an error.
func hideQuery(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
