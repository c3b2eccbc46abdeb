package ws

import (
	"net/http"
	"strconv"
	"strings"
)

// deflateOffer is what Dial sends; nothing else of RFC 7692 is of use without
// context takeover.
const deflateOffer = deflateName + "; " + serverNoTake + "; " + clientNoTake

// windowBits is the only window that compress/flate can write.
const windowBits = 15

// A deflateParams is one offer or answer of permessage-deflate.
type deflateParams struct {
	serverNoTake, clientNoTake bool
	serverBits, clientBits     int // 0: absent; -1: without a value
}

// parseDeflate reads one element of Sec-WebSocket-Extensions. ok is false if it
// is not permessage-deflate or not well-formed: RFC 7692 section 7.1 wants an
// offer declined that has a parameter which is unknown, wrong or there twice.
func parseDeflate(element string) (p deflateParams, ok bool) {
	name, rest := cutUnquoted(element, ';')
	if !strings.EqualFold(trim(name), deflateName) {
		return p, false
	}
	for rest != "" {
		var param string
		param, rest = cutUnquoted(rest, ';')
		key, value, hasValue := strings.Cut(param, "=")
		value = trim(value)
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if !p.set(strings.ToLower(trim(key)), value, hasValue) {
			return p, false
		}
	}
	return p, true
}

func (p *deflateParams) set(key, value string, hasValue bool) bool {
	switch key {
	case serverNoTake:
		return once(&p.serverNoTake) && !hasValue
	case clientNoTake:
		return once(&p.clientNoTake) && !hasValue
	case serverWindow:
		return hasValue && setBits(&p.serverBits, value)
	case clientWindow:
		if !hasValue && p.clientBits == 0 {
			p.clientBits = -1
			return true
		}
		return hasValue && setBits(&p.clientBits, value)
	default:
		return false
	}
}

func once(set *bool) bool {
	was := *set
	*set = true
	return !was
}

func setBits(bits *int, value string) bool {
	n, err := strconv.Atoi(value)
	if err != nil || n < 8 || n > windowBits || value[0] < '1' || *bits != 0 {
		return false
	}
	*bits = n
	return true
}

// acceptDeflate answers the first offer that can be met; "" if none can.
func acceptDeflate(h http.Header) string {
	for element := range list(h, headerExtensions) {
		p, ok := parseDeflate(element)
		if !ok || p.serverBits != 0 && p.serverBits < windowBits {
			continue
		}
		if p.serverBits == windowBits {
			return deflateOffer + "; " + serverWindow + "=15"
		}
		return deflateOffer
	}
	return ""
}

// agreedDeflate reads the server's answer to deflateOffer, which was sent if
// offered is set. ok is false if the answer is not one to it.
func agreedDeflate(h http.Header, offered bool) (on, ok bool) {
	for element := range list(h, headerExtensions) {
		p, ok := parseDeflate(element)
		// Without serverNoTake its messages could not be read, and a window
		// of ours must not be bounded unless we offered that.
		if !ok || on || !offered || !p.serverNoTake || p.clientBits != 0 || p.serverBits < 0 {
			return false, false
		}
		on = true
	}
	return on, true
}
