package parser

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// JSON is the format of the default parser of Socket.IO: text, and binary
// values as attachments.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

// Wire numbers of packets with attachments.
const (
	wireBinaryEvent = 5
	wireBinaryAck   = 6
)

// AppendHeader appends <type>[<attachments>-][<namespace>,][<id>][<data>].
func (jsonCodec) AppendHeader(dst []byte, p *Packet) []byte {
	if n := len(p.Payload.Attachments); n > 0 && (p.Type == Event || p.Type == Ack) {
		dst = append(dst, '0'+byte(p.Type)+(wireBinaryEvent-byte(Event)))
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, '-')
	} else {
		dst = append(dst, '0'+byte(p.Type))
	}
	if p.Namespace != "/" && p.Namespace != "" {
		dst = append(dst, p.Namespace...)
		dst = append(dst, ',')
	}
	if p.ID >= 0 {
		dst = strconv.AppendInt(dst, p.ID, 10)
	}
	return append(dst, p.Payload.Data...)
}

func (jsonCodec) BinaryHeader() bool { return false }

func (jsonCodec) NewDecoder(l Limits) Decoder {
	return &jsonDecoder{limits: l.withDefaults()}
}

// AppendArg keeps the array in place when its capacity suffices.
func (jsonCodec) AppendArg(p Payload, arg string) Payload {
	end := len(p.Data) - 1
	for end >= 0 && p.Data[end] != ']' {
		end--
	}
	if end < 0 {
		return p // no array: nothing can be appended to it
	}
	empty := skipSpace(p.Data, skipSpace(p.Data, 0)+1) >= end
	data := p.Data[:end]
	if !empty {
		data = append(data, ',')
	}
	p.Data = append(appendQuoted(data, arg), ']')
	return p
}

// Event returns the text between the quotes when there is no escape in it.
func (jsonCodec) Event(p Payload) ([]byte, error) {
	b := p.Data
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '[' {
		return nil, fmt.Errorf("%w: the payload of an event is an array", ErrInvalid)
	}
	name, err := eventName(b, skipSpace(b, i+1))
	if err != nil {
		return nil, err
	}
	if name[0] != '"' {
		return name, nil
	}
	return unquote(name)
}

// eventName returns the encoded name, a string or number, that starts at i.
func eventName(b []byte, i int) ([]byte, error) {
	if i < len(b) {
		end := scanSyntax
		switch c := b[i]; {
		case c == '"':
			end = scanString(b, i+1)
		case c == '-' || c-'0' <= 9:
			end = scanNumber(b, i)
		}
		if end > 0 {
			return b[i:end:end], nil
		}
	}
	return nil, fmt.Errorf("%w: an event has a name, a string or number", ErrInvalid)
}

// reserved reports whether an encoded event name is one of those that Socket.IO keeps for itself.
func reserved(name []byte) bool {
	const longest = len("removeListener") * len(`\u0000`)
	if name[0] != '"' || len(name) > longest+2 {
		return false
	}
	text, err := unquote(name)
	if err != nil {
		return false
	}
	switch string(text) {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

func (jsonCodec) Args(p Payload) int {
	n := 0
	for e := (elements{text: p.Data}); e.next() != nil; {
		n++
	}
	return n
}

func (jsonCodec) MarshalValue(dst []byte, v any) (Payload, error) {
	if v == nil {
		return Payload{}, nil
	}
	e := encoder{dst: dst}
	if err := e.value(v); err != nil {
		return Payload{}, fmt.Errorf("parser: %w", err)
	}
	if len(e.attachments) > 0 {
		return Payload{}, fmt.Errorf("%w: binary is only allowed in events and acknowledgements", ErrAttachments)
	}
	return Payload{Data: e.dst[len(dst):]}, nil
}

func (jsonCodec) UnmarshalValue(p Payload, out any) error {
	if len(p.Data) == 0 || out == nil {
		return nil
	}
	if err := json.Unmarshal(p.Data, out); err != nil {
		return fmt.Errorf("parser: %w", err)
	}
	return nil
}
