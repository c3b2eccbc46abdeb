package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"iter"
	"net/http"
	"strings"
)

const (
	acceptGUID   = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	keySize      = 16
	version      = "13"
	deflateName  = "permessage-deflate"
	serverNoTake = "server_no_context_takeover"
	clientNoTake = "client_no_context_takeover"
	serverWindow = "server_max_window_bits"
	clientWindow = "client_max_window_bits"
)

// Canonical names of the headers of the handshake.
const (
	headerKey        = "Sec-Websocket-Key"
	headerAccept     = "Sec-Websocket-Accept"
	headerVersion    = "Sec-Websocket-Version"
	headerProtocol   = "Sec-Websocket-Protocol"
	headerExtensions = "Sec-Websocket-Extensions"
)

// handshakeHeaders are written by this package alone.
var handshakeHeaders = map[string]bool{
	"Connection": true, "Upgrade": true, "Content-Length": true, "Transfer-Encoding": true,
	headerKey: true, headerAccept: true, headerVersion: true, headerProtocol: true, headerExtensions: true,
}

// acceptKey answers a Sec-WebSocket-Key.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// validKey reports whether key is 16 bytes of base64.
func validKey(key string) bool {
	var b [keySize + 2]byte
	if len(key) != base64.StdEncoding.EncodedLen(keySize) {
		return false
	}
	n, err := base64.StdEncoding.Decode(b[:], []byte(key))
	return err == nil && n == keySize
}

// list yields the elements of a header that is a comma separated list, over
// all its lines. Elements that are empty are left out.
func list(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range h[name] {
			for len(line) > 0 {
				var element string
				element, line = cutUnquoted(line, ',')
				if element = trim(element); element != "" && !yield(element) {
					return
				}
			}
		}
	}
}

// hasToken reports whether the list has token, in any case.
func hasToken(h http.Header, name, token string) bool {
	for element := range list(h, name) {
		if strings.EqualFold(element, token) {
			return true
		}
	}
	return false
}

// cutUnquoted cuts s at the first sep that is not within a quoted string.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case quoted && s[i] == '\\':
			i++
		case !quoted && s[i] == sep:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func trim(s string) string { return strings.Trim(s, " \t") }
