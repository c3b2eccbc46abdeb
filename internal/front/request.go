package front

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/roomwire/roomwire/internal/ws"
)

// maxHead is the longest head of a request that is looked at, in bytes.
const maxHead = 4 << 10

// parse reads a request whose head is all of s. It takes nothing but a
// handshake of HTTP/1.1 without anything unusual, however valid, and reports
// false for the rest, so that what needs judgement has one judge: net/http.
func parse(s string) (r *http.Request, ok bool) {
	line, fields, _ := strings.Cut(s, "\r\n")
	target, ok := strings.CutPrefix(line, "GET ")
	if !ok {
		return nil, false
	}
	target, ok = strings.CutSuffix(target, " HTTP/1.1")
	if !ok || !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, notInTarget) {
		return nil, false
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, false
	}
	r = &http.Request{
		Method: http.MethodGet, URL: u, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, 12), Body: http.NoBody,
	}
	if !parseFields(r, fields) || r.Host == "" || !wantsWebSocket(r.Header) {
		return nil, false
	}
	return r, true
}

func notInTarget(c rune) bool { return c <= ' ' || c > '~' || c == '#' }

// parseFields adds the header fields of r, up to the empty line.
func parseFields(r *http.Request, fields string) (ok bool) {
	values := make([]string, 0, 16) // one array for the most of them
	for {
		var line string
		if line, fields, ok = strings.Cut(fields, "\r\n"); !ok {
			return false
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !ws.IsToken(name) || strings.ContainsFunc(value, notInValue) {
			return false
		}
		switch name = textproto.CanonicalMIMEHeaderKey(name); name {
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Http2-Settings":
			return false
		case "Host":
			if r.Host != "" || strings.ContainsFunc(value, notInHost) {
				return false
			}
			r.Host = value
			continue
		}
		if had := r.Header[name]; had != nil {
			r.Header[name] = append(had, value)
			continue
		}
		values = append(values, value)
		n := len(values)
		r.Header[name] = values[n-1 : n : n]
	}
	if p := r.Header["Pragma"]; len(p) > 0 && p[0] == "no-cache" && r.Header["Cache-Control"] == nil {
		r.Header["Cache-Control"] = []string{"no-cache"} // as net/http has it
	}
	for _, v := range r.Header["Connection"] {
		for token := range strings.SplitSeq(v, ",") {
			r.Close = r.Close || strings.EqualFold(strings.TrimSpace(token), "close")
		}
	}
	return fields == ""
}

func notInValue(c rune) bool { return c < ' ' && c != '\t' || c > '~' }

func notInHost(c rune) bool {
	return (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && !strings.ContainsRune(".-:[]_", c)
}

// wantsWebSocket reports whether the connection is to become a WebSocket and
// nothing else.
func wantsWebSocket(h http.Header) bool {
	u := h["Upgrade"]
	return len(u) == 1 && strings.EqualFold(u[0], "websocket") && len(h["Sec-Websocket-Key"]) == 1
}
