package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// handshakeTimeout bounds the writing of the response, which a connection that
// just sent its request takes at once.
const handshakeTimeout = 10 * time.Second

// Accept upgrades r. Its error is a *[HandshakeError] as long as w is unused;
// after that, with any other error, the connection has been closed. o.Header
// is added to the response, but for what belongs to the handshake.
//
// The Conn refers to nothing of net/http. To let go of it as well, the caller
// returns from its handler and serves the Conn elsewhere.
func Accept(w http.ResponseWriter, r *http.Request, o *Options) (*Conn, error) {
	c, response, err := Upgrade(w, r, o)
	if err != nil {
		return nil, err
	}
	if err := c.writeResponse(response); err != nil {
		_ = c.nc.Close()
		return nil, err
	}
	return c, nil
}

// Upgrade is Accept but for the response, which the caller has to write before
// anything else: frames may follow it in the same write.
func Upgrade(w http.ResponseWriter, r *http.Request, o *Options) (c *Conn, response []byte, err error) {
	if o == nil {
		o = &Options{}
	}
	if err := checkRequest(r); err != nil {
		return nil, nil, err
	}
	protocol := chooseProtocol(r.Header, o.Protocols)
	extension := ""
	if o.Deflate != nil {
		extension = acceptDeflate(r.Header)
	}
	response = switchingProtocols(r.Header.Get(headerKey), protocol, extension, o.Header)

	nc, early, err := hijack(w)
	if err != nil {
		return nil, nil, err
	}
	if err := nc.SetDeadline(time.Time{}); err != nil { // those of the http.Server
		_ = nc.Close()
		return nil, nil, err
	}
	return newConn(nc, o, false, extension != "", early), response, nil
}

// A taker gives its connection away without buffers, as nothing is in them.
type taker interface{ Take() (net.Conn, error) }

// hijack takes the connection over, and what was read of it already.
func hijack(w http.ResponseWriter) (nc net.Conn, early []byte, err error) {
	var rw *bufio.ReadWriter
	if t, ok := innermost(w).(taker); ok {
		nc, err = t.Take()
	} else {
		nc, rw, err = http.NewResponseController(w).Hijack()
	}
	if err != nil {
		reason := "connection cannot be hijacked"
		if !errors.Is(err, http.ErrNotSupported) {
			reason += ": " + err.Error()
		}
		return nil, nil, &HandshakeError{Status: http.StatusInternalServerError, Reason: reason}
	}
	if rw == nil || rw.Reader.Buffered() == 0 {
		return nc, nil, nil
	}
	early = make([]byte, rw.Reader.Buffered())
	if _, err := io.ReadFull(rw.Reader, early); err != nil {
		_ = nc.Close()
		return nil, nil, err
	}
	return nc, early, nil
}

// innermost returns what w wraps, unless a wrapper has a Hijack of its own.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		if _, ok := w.(http.Hijacker); ok {
			return w
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

func (c *Conn) writeResponse(b []byte) error {
	n, err := c.TryWrite(b)
	if err != nil || n == len(b) {
		return err
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	if err := c.Write(b[n:]); err != nil {
		return err
	}
	return c.nc.SetWriteDeadline(time.Time{})
}

// checkRequest checks the client's opening handshake, RFC 6455 section 4.2.1.
func checkRequest(r *http.Request) error {
	refuse := func(status int, reason string, header http.Header) error {
		return &HandshakeError{Status: status, Reason: reason, Header: header}
	}
	switch {
	case r.Method != http.MethodGet:
		return refuse(http.StatusMethodNotAllowed, "method is not GET", http.Header{"Allow": {http.MethodGet}})
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refuse(http.StatusBadRequest, "protocol is not HTTP/1.1", nil)
	case !hasToken(r.Header, "Connection", "upgrade"):
		return refuse(http.StatusBadRequest, "header Connection has no token Upgrade", nil)
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return refuse(http.StatusBadRequest, "header Upgrade has no token websocket", nil)
	case r.ContentLength != 0:
		// The body would be taken for frames.
		return refuse(http.StatusBadRequest, "request has a body", nil)
	case len(r.Header[headerVersion]) != 1 || r.Header.Get(headerVersion) != version:
		return refuse(http.StatusUpgradeRequired, "version is not 13", http.Header{headerVersion: {version}})
	case len(r.Header[headerKey]) != 1 || !validKey(r.Header.Get(headerKey)):
		return refuse(http.StatusBadRequest, "key is not 16 bytes of base64", nil)
	}
	return nil
}

// Protocols returns the subprotocols that the client offers, in its order.
func Protocols(r *http.Request) []string {
	if r.Header[headerProtocol] == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Collect(list(r.Header, headerProtocol)), func(p string) bool { return !IsToken(p) })
}

// IsToken reports whether s is a token of HTTP, RFC 9110 section 5.6.2.
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// chooseProtocol returns the first of ours that the client offers, or "".
func chooseProtocol(h http.Header, ours []string) string {
	if len(ours) == 0 {
		return ""
	}
	theirs := slices.Collect(list(h, headerProtocol))
	for _, p := range ours {
		if slices.Contains(theirs, p) {
			return p
		}
	}
	return ""
}

func switchingProtocols(key, protocol, extension string, more http.Header) []byte {
	b := make([]byte, 0, 512)
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = append(b, acceptKey(key)...)
	if protocol != "" {
		b = append(b, "\r\nSec-WebSocket-Protocol: "...)
		b = append(b, protocol...)
	}
	if extension != "" {
		b = append(b, "\r\nSec-WebSocket-Extensions: "...)
		b = append(b, extension...)
	}
	b = append(b, "\r\n"...)
	if len(more) > 0 {
		buf := bytes.NewBuffer(b)
		_ = more.WriteSubset(buf, handshakeHeaders) // cleans the values; a buffer cannot fail
		b = buf.Bytes()
	}
	return append(b, "\r\n"...)
}
