package sio

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Handshake tells how a socket came: socket.handshake. Its JSON form is that
// of Node.js, without what the client sent to authenticate.
type Handshake struct {
	Headers http.Header `json:"-"`
	Time    time.Time   `json:"-"` // when the connection was opened
	Address string      `json:"address"`
	XDomain bool        `json:"xdomain"` // the request had an Origin header
	Secure  bool        `json:"secure"`  // over TLS
	URL     string      `json:"url"`
	Query   url.Values  `json:"-"`
}

// Handshake describes the request that opened the connection.
func (s *Socket) Handshake() Handshake {
	r := s.eng.Request()
	return Handshake{
		Headers: r.Header,
		Time:    s.conn.opened,
		Address: r.RemoteAddr,
		XDomain: r.Header.Get("Origin") != "",
		Secure:  r.TLS != nil,
		URL:     r.URL.RequestURI(),
		Query:   r.URL.Query(),
	}
}

// MarshalJSON writes the handshake as Node.js does: single values as strings,
// names of headers in lower case.
func (h Handshake) MarshalJSON() ([]byte, error) {
	type plain Handshake
	return json.Marshal(struct {
		Headers map[string]string `json:"headers"`
		Time    string            `json:"time"`
		Issued  int64             `json:"issued"`
		Query   map[string]string `json:"query"`
		plain
	}{
		Headers: flatten(h.Headers, ", "),
		Time:    h.Time.Format("Mon Jan 02 2006 15:04:05 GMT-0700 (MST)"),
		Issued:  h.Time.UnixMilli(),
		Query:   flatten(h.Query, ","),
		plain:   plain(h),
	})
}

func flatten(m map[string][]string, sep string) map[string]string {
	flat := make(map[string]string, len(m))
	for k, v := range m {
		if sep == ", " {
			k = strings.ToLower(k)
		}
		flat[k] = strings.Join(v, sep)
	}
	return flat
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
