package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// separator stands between the packets of a polling payload.
const separator = 0x1e

// dialPolling opens the connection over HTTP long-polling.
func (c *ClientConn) dialPolling(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.d.o.RequestTimeout)
	defer cancel()
	body, err := c.get(ctx, min(maxHandshakeBody, c.d.o.MaxPayload))
	if err != nil {
		return err
	}
	first, rest, more := bytes.Cut(body, []byte{separator})
	if len(first) == 0 || first[0] != '0' {
		return c.d.dialError("polling", http.StatusOK, nil, errors.New("this is no Engine.IO 4 server"))
	}
	if err := c.opened(first[1:]); err != nil {
		return c.d.dialError("polling", http.StatusOK, nil, err)
	}
	if !more {
		rest = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.d.dialError("polling", 0, nil, ErrClosed)
	}
	c.polling = true
	c.spawnLocked(func() { c.poll(rest) })
	if c.upgradable() {
		c.spawnLocked(c.upgrade)
	}
	return nil
}

// poll asks for messages until the connection ends or an upgrade pauses it.
// body is what is at hand already.
func (c *ClientConn) poll(body []byte) {
	empty := 0
	for {
		if body != nil {
			c.pollCame()
			useful, err := c.payload(body)
			if err != nil {
				c.ended(err)
				return
			}
			if empty++; useful {
				empty = 0
			}
			body = nil
		}
		if !c.breathe(empty) || !c.keepPolling() {
			return
		}
		var err error
		if body, err = c.get(c.ctx, c.d.o.MaxPayload); err != nil {
			c.pollFailed(err)
			return
		}
	}
}

func (c *ClientConn) pollCame() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reverted = false
}

func (c *ClientConn) pollFailed(err error) {
	c.mu.Lock()
	kind := ErrTransport
	if c.reverted { // it had ended with the WebSocket already
		kind = ErrTransportClose
	}
	c.mu.Unlock()
	c.fail(fmt.Errorf("%w: %w", kind, err))
}

// keepPolling reports whether another request is due.
func (c *ClientConn) keepPolling() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && !c.paused {
		return true
	}
	c.polling = false
	c.settleLocked()
	return false
}

// breathe waits before the next request to a server that keeps answering with
// nothing at all.
func (c *ClientConn) breathe(empty int) bool {
	if empty <= 5 {
		return true
	}
	t := time.NewTimer(min(time.Duration(empty)*10*time.Millisecond, time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// payload handles the packets of one response.
func (c *ClientConn) payload(body []byte) (useful bool, err error) {
	if !utf8.Valid(body) {
		return false, fmt.Errorf("%w: a payload that is not UTF-8", ErrTransport)
	}
	for {
		data, rest, more := bytes.Cut(body, []byte{separator})
		if err := c.packet(data); err != nil {
			return false, err
		}
		useful = useful || data[0] != '6'
		if !more {
			return useful, nil
		}
		body = rest
	}
}

func (c *ClientConn) deliverBase64(data []byte) error {
	b := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(b, data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTransport, err)
	}
	return c.deliver(true, b[:n])
}

// get makes a request that waits for messages.
func (c *ClientConn) get(ctx context.Context, limit int) ([]byte, error) {
	return c.request(ctx, http.MethodGet, nil, limit)
}

// post sends a payload.
func (c *ClientConn) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.d.o.RequestTimeout)
	defer cancel()
	_, err := c.request(ctx, http.MethodPost, body, 4<<10)
	return err
}

func (c *ClientConn) request(ctx context.Context, method string, body []byte, limit int) ([]byte, error) {
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 36) + "." + strconv.FormatInt(c.stamp.Add(1), 36)
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.d.url("polling", c.hs.SID, stamp).String(), r)
	if err != nil {
		return nil, c.d.dialError("polling", 0, nil, err)
	}
	req.Header = c.d.header("polling")
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if body != nil {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	resp, err := c.d.http.Do(req)
	if err != nil {
		return nil, c.d.dialError("polling", 0, nil, hideQuery(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		start, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, c.d.dialError("polling", resp.StatusCode, start, nil)
	}
	data, err := readLimited(resp, limit)
	if err != nil {
		return nil, c.d.dialError("polling", resp.StatusCode, nil, err)
	}
	return data, nil
}

// readLimited reads a response that must not be larger than limit, after
// decompression.
func readLimited(resp *http.Response, limit int) ([]byte, error) {
	if resp.ContentLength > int64(limit) {
		return nil, fmt.Errorf("a response of %d bytes is too large", resp.ContentLength)
	}
	var b bytes.Buffer
	if resp.ContentLength > 0 {
		b.Grow(int(resp.ContentLength) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(resp.Body, int64(limit)+1))
	if err == nil && n > int64(limit) {
		err = fmt.Errorf("a response of more than %d bytes is too large", limit)
	}
	return b.Bytes(), err
}
