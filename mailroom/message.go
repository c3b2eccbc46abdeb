package mailroom

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/roomwire/roomwire/parser"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

// A message is one on its way to sockets.
type message struct {
	id      string // as clients know it
	stored  string // as the store does
	seq     uint64
	payload sio.Payload // one value
}

var errOneValue = errors.New("mailroom: a message is one value")

// encode returns the payload of a letter: one encoded value.
func encode(payload any) (sio.Payload, error) {
	var p sio.Payload
	if args, ok := payload.(*sio.Payload); ok {
		p = *args
	} else {
		var err error
		if p, err = parser.JSON.Marshal(nil, "", payload); err != nil {
			return p, err
		}
	}
	if parser.JSON.Args(p) != 1 {
		return p, errOneValue
	}
	v := bytes.TrimSpace(p.Data)
	p.Data = bytes.Clone(bytes.TrimSpace(v[1 : len(v)-1])) // without the brackets
	all := p.Attachments
	p.Attachments = nil
	for _, a := range all {
		p.Attachments = append(p.Attachments, bytes.Clone(a))
	}
	return p, nil
}

// wireID is the ID of a message as clients know it: that of its publisher, or
// that of the store.
func wireID(key, stored string) string {
	if key != "" {
		return key
	}
	return stored
}

// fromStore decodes a stored message.
func fromStore(m queue.Message) (message, error) {
	p, err := unpack(m.Header, m.Data)
	return message{wireID(m.Key, m.ID), m.ID, m.Seq, p}, err
}

// argument is what a client gets of the message: {messageID, payload}.
func (m *message) argument() *sio.Payload {
	data := make([]byte, 0, len(m.id)+len(m.payload.Data)+32)
	data = append(data, `[{"messageID":`...)
	data = appendJSON(data, m.id)
	data = append(data, `,"payload":`...)
	data = append(data, m.payload.Data...)
	data = append(data, "}]"...)
	return &sio.Payload{Data: data, Attachments: m.payload.Attachments}
}

// size is what the message weighs in a send buffer, about.
func (m *message) size() int {
	n := len(m.id) + len(m.payload.Data) + 64
	for _, a := range m.payload.Attachments {
		n += len(a)
	}
	return n
}

// appendJSON appends s as a JSON string.
func appendJSON(dst []byte, s string) []byte {
	b, _ := json.Marshal(s) // never fails
	return append(dst, b...)
}
