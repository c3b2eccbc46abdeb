package sio

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// A Handshake tells how a socket came: socket.handshake. Its JSON form is that
// of Node.js, without what the client sent to authenticate.
type Handshake struct {
	Headers http.Header `json:"-"`       // Host is among them
	Time    time.Time   `json:"-"`       // when the connection was opened
	Address string      `json:"address"` // IP of the network peer, which may be a proxy
	XDomain bool        `json:"xdomain"` // the request had an Origin header
	Secure  bool        `json:"secure"`  // over TLS
	URL     string      `json:"url"`
	Query   url.Values  `json:"-"`
}

// Handshake describes the request that opened the connection.
func (s *Socket) Handshake() Handshake {
	r := s.eng.Request()
	if r.Host != "" {
		r.Header.Set("Host", r.Host)
	}
	address := r.RemoteAddr
	if ap, err := netip.ParseAddrPort(address); err == nil {
		address = ap.Addr().Unmap().String()
	}
	return Handshake{
		Headers: r.Header,
		Time:    s.conn.opened,
		Address: address,
		XDomain: r.Header.Get("Origin") != "",
		Secure:  r.TLS != nil,
		URL:     r.RequestURI,
		Query:   r.URL.Query(),
	}
}

// MarshalJSON writes the handshake as Node.js does: names of headers in lower
// case, each value a string; in the query a list where a name comes twice.
func (h Handshake) MarshalJSON() ([]byte, error) {
	type plain Handshake
	headers := make(map[string]string, len(h.Headers))
	for name, values := range h.Headers {
		sep := ", "
		if name == "Cookie" {
			sep = "; "
		}
		headers[strings.ToLower(name)] = strings.Join(values, sep)
	}
	query := make(map[string]any, len(h.Query))
	for name, values := range h.Query {
		query[name] = values
		if len(values) == 1 {
			query[name] = values[0]
		}
	}
	return json.Marshal(struct {
		Headers map[string]string `json:"headers"`
		Time    string            `json:"time"`
		Issued  int64             `json:"issued"`
		Query   map[string]any    `json:"query"`
		plain
	}{
		Headers: headers,
		Time:    h.Time.Format("Mon Jan 02 2006 15:04:05 GMT-0700 (MST)"),
		Issued:  h.Time.UnixMilli(),
		Query:   query,
		plain:   plain(h),
	})
}

func (s *Socket) handshakeJSON() json.RawMessage {
	b, err := json.Marshal(s.Handshake())
	if err != nil {
		return nil
	}
	return b
}

func (s *Socket) dataJSON() json.RawMessage {
	data := s.Data()
	if data == nil {
		return json.RawMessage("{}")
	}
	b, err := json.Marshal(data)
	if err != nil {
		s.conn.srv.log.Warn("sio: values of a socket cannot be encoded", "error", err)
		return json.RawMessage("{}")
	}
	return b
}
