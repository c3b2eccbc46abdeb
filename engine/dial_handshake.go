package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// A Handshake is what a server says when it opens a connection.
type Handshake struct {
	SID          string        // session ID; a secret
	Upgrades     []string      // transports that the server would change to
	PingInterval time.Duration // between the server's heartbeats
	PingTimeout  time.Duration // how long it waits for the answer to one
	MaxPayload   int           // bytes of a message or request body that it takes; 0: it does not say
}

// Bounds on a handshake. Anything beyond is an error or is cut down to them,
// so that no server can make its client spin, or wait for ever.
const (
	maxHandshake     = 64 << 10 // bytes of the open packet
	maxHandshakeBody = 1 << 20  // bytes of the response that has it
	maxSID           = 1 << 10
	maxHeartbeat     = 24 * time.Hour
)

// parseHandshake reads the open packet without its type.
func parseHandshake(data []byte) (Handshake, error) {
	if len(data) > maxHandshake {
		return Handshake{}, errors.New("the handshake is too large")
	}
	var m struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval float64  `json:"pingInterval"`
		PingTimeout  float64  `json:"pingTimeout"`
		MaxPayload   float64  `json:"maxPayload"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Handshake{}, fmt.Errorf("invalid handshake: %w", err)
	}
	if m.SID == "" || len(m.SID) > maxSID {
		return Handshake{}, fmt.Errorf("invalid handshake: sid of %d bytes", len(m.SID))
	}
	if m.PingInterval < 1 || m.PingTimeout < 1 {
		return Handshake{}, fmt.Errorf("invalid handshake: pingInterval %v, pingTimeout %v", m.PingInterval, m.PingTimeout)
	}
	h := Handshake{
		SID:          m.SID,
		Upgrades:     m.Upgrades,
		PingInterval: heartbeat(m.PingInterval),
		PingTimeout:  heartbeat(m.PingTimeout),
	}
	if m.MaxPayload > 0 {
		h.MaxPayload = int(min(m.MaxPayload, 1<<30))
	}
	return h, nil
}

// heartbeat returns so many milliseconds, of which there may be absurdly many.
func heartbeat(ms float64) time.Duration {
	if ms >= float64(maxHeartbeat/time.Millisecond) {
		return maxHeartbeat
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// A DialError says why a connection could not be opened.
type DialError struct {
	Transport string // that was tried
	Host      string
	Status    int    // of the HTTP response; 0: there was none
	Code      int    // of Engine.IO, as in [ConnectionError]; -1: the server gave none
	Message   string // what the server said; may be empty
	Err       error  // what went wrong otherwise; may be nil
}

// Error describes what was tried and what the server said.
func (e *DialError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "engine: %s to %s: ", e.Transport, e.Host)
	switch {
	case e.Status != 0 && e.Message != "":
		fmt.Fprintf(&b, "the server answered %d: %s", e.Status, e.Message)
	case e.Status != 0 && e.Err != nil:
		fmt.Fprintf(&b, "the server answered %d: %v", e.Status, e.Err)
	case e.Status != 0:
		fmt.Fprintf(&b, "the server answered %d %s", e.Status, http.StatusText(e.Status))
	default:
		fmt.Fprint(&b, e.Err)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *DialError) Unwrap() error { return e.Err }

// dialError makes an error of what is known. body is the start of the response.
func (d *dialer) dialError(transport string, status int, body []byte, err error) *DialError {
	e := &DialError{Transport: transport, Host: d.base.Host, Status: status, Code: -1, Err: err}
	if status == 0 {
		return e
	}
	var m struct {
		Code    *int   `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &m) == nil && m.Code != nil {
		e.Code, e.Message = *m.Code, m.Message
	} else if len(body) > 0 && len(body) < 200 && body[0] != '<' && status >= 400 {
		e.Message = strings.TrimSpace(string(body))
	}
	return e
}
