package engine

import (
	"encoding/base64"
	"encoding/binary"
	"sync"

	"github.com/roomwire/roomwire/internal/ws"
)

// A Message is one Engine.IO message.
type Message struct {
	Binary bool
	Data   []byte
}

// A Prepared is a run of messages, encoded once for any number of
// connections and kept together on each. It must not change after it was sent.
type Prepared struct {
	plain []byte // WebSocket frames, one after the other: one write sends them
	size  int
	n     int

	// The other forms are made when the first connection needs them.
	deflateOnce sync.Once
	pollOnce    sync.Once
	textOnce    sync.Once
	deflated    []byte
	poll        []byte
	texts       []byte
}

// Prepare encodes messages; their data is copied.
func Prepare(ms ...Message) *Prepared {
	p := &Prepared{n: len(ms)}
	room := 0
	for i := range ms {
		p.size += len(ms[i].Data)
		room += maxFrameHeader + 1 + len(ms[i].Data)
	}
	p.plain = make([]byte, 0, room)
	for i := range ms {
		p.plain = appendMessage(p.plain, ms[i].Binary, ms[i].Data)
	}
	return p
}

// Size returns the bytes of the messages.
func (p *Prepared) Size() int { return p.size }

// compressed returns the frames with those of at least threshold bytes
// deflated. The options of the server that asks first hold for all.
func (p *Prepared) compressed(o *Compression) []byte {
	p.deflateOnce.Do(func() {
		p.deflated = p.plain
		var out []byte
		walk(p.plain, func(start int, op ws.Opcode, payload []byte) {
			switch {
			case len(payload) >= o.Threshold:
				if out == nil {
					out = append(make([]byte, 0, len(p.plain)), p.plain[:start]...)
				}
				out = ws.AppendDeflated(out, op, payload, o.Level, false)
			case out != nil:
				out = ws.AppendFrame(out, op, payload)
			}
		})
		if out != nil {
			p.deflated = out
		}
	})
	return p.deflated
}

// text returns the frames with binary messages as base64 in text frames.
func (p *Prepared) text() []byte {
	p.textOnce.Do(func() {
		walk(p.plain, func(_ int, op ws.Opcode, payload []byte) {
			if op == ws.OpBinary {
				op, payload = ws.OpText, base64.StdEncoding.AppendEncode([]byte{'b'}, payload)
			}
			p.texts = ws.AppendFrame(p.texts, op, payload)
		})
	})
	return p.texts
}

// polling returns the packets as a polling payload has them.
func (p *Prepared) polling() []byte {
	p.pollOnce.Do(func() {
		out := make([]byte, 0, len(p.plain)+8)
		walk(p.plain, func(_ int, op ws.Opcode, payload []byte) {
			if len(out) > 0 {
				out = append(out, separator)
			}
			if op == ws.OpBinary {
				out = append(out, 'b')
				out = base64.StdEncoding.AppendEncode(out, payload)
			} else {
				out = append(out, payload...)
			}
		})
		p.poll = out
	})
	return p.poll
}

// maxFrameHeader is the longest header of a frame without a mask.
const maxFrameHeader = 10

// appendMessage appends the frame of one message. The type digit of a text
// message goes between header and data, so the data is copied only once.
func appendMessage(dst []byte, isBinary bool, data []byte) []byte {
	if isBinary {
		return ws.AppendFrame(dst, ws.OpBinary, data)
	}
	return appendText(dst, '4', data)
}

func appendText[T string | []byte](dst []byte, typ byte, data T) []byte {
	const final = 0x80 | byte(ws.OpText)
	switch n := len(data) + 1; {
	case n < 126:
		dst = append(dst, final, byte(n), typ)
	case n < 1<<16:
		dst = append(dst, final, 126, byte(n>>8), byte(n), typ)
	default:
		dst = append(dst, final, 127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
		dst = append(dst, typ)
	}
	return append(dst, data...)
}

// walk calls f for every frame of b, which was made here.
func walk(b []byte, f func(start int, op ws.Opcode, payload []byte)) {
	for at := 0; at < len(b); {
		head, n := at+2, int(b[at+1])
		switch n {
		case 126:
			n = int(binary.BigEndian.Uint16(b[head:]))
			head += 2
		case 127:
			n = int(binary.BigEndian.Uint64(b[head:]))
			head += 8
		}
		f(at, ws.Opcode(b[at]&0x0f), b[head:head+n])
		at = head + n
	}
}
