package load

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
)

// socketIO is Socket.IO protocol 5 in Engine.IO 4 messages, main namespace, text.
type socketIO struct {
	ev            Events
	payload       string // quoted
	delivery      string // what a counted event begins with
	connect, pong *packet
}

func (d *socketIO) path(u *url.URL) string {
	if u.Path == "" || u.Path == "/" {
		return "/socket.io/"
	}
	return u.EscapedPath()
}

func (d *socketIO) query() string { return "EIO=4&transport=websocket" }

func (d *socketIO) greet() *packet { return nil }

func (d *socketIO) read(s *session, msg []byte) {
	if len(msg) == 0 {
		return
	}
	switch msg[0] {
	case '0':
		s.send(d.connect)
	case '1':
		s.lose(fmt.Errorf("load: the server closed the session"))
	case '2':
		s.send(d.pong)
	case '4':
		d.packet(s, msg)
	}
}

// packet reads a Socket.IO packet, msg[0] being Engine.IO's '4'.
func (d *socketIO) packet(s *session, msg []byte) {
	if len(msg) < 2 {
		return
	}
	if bytes.HasPrefix(msg[2:], nowherePrefix) {
		d.pinged(s, msg)
		return
	}
	switch msg[1] {
	case '0':
		s.connectedNow()
	case '1', '4':
		s.lose(fmt.Errorf("load: the namespace refused or closed: %.80q", msg[1:]))
	case '2':
		if n := len(d.delivery); len(msg) > n && string(msg[:n]) == d.delivery {
			s.delivered()
		}
	case '3':
		if id, ok := leadingNumber(msg[2:]); ok {
			s.acked(id)
		}
	}
}

// nowherePrefix begins the names of namespaces that no server has.
var nowherePrefix = []byte("/roomwire-bench-")

func (d *socketIO) ping(slot int) *packet {
	return newPacket("40" + string(nowherePrefix) + strconv.Itoa(slot) + ",")
}

// pinged reads the answer to a ping. A server that takes every namespace is
// told at once that this one is left.
func (d *socketIO) pinged(s *session, msg []byte) {
	slot, ok := leadingNumber(msg[2+len(nowherePrefix):])
	if !ok || msg[1] != '0' && msg[1] != '4' {
		return
	}
	if msg[1] == '0' {
		s.send(newPacket("41" + string(nowherePrefix) + strconv.Itoa(slot) + ","))
	}
	s.acked(slot)
}

func (d *socketIO) echo(slot int) *packet {
	return d.event(strconv.Itoa(slot), strconv.Quote(d.ev.Echo), d.payload)
}

func (d *socketIO) fanout() *packet {
	return d.event("", strconv.Quote(d.ev.Fanout), d.payload)
}

func (d *socketIO) join(room string) *packet {
	return d.event("0", strconv.Quote(d.ev.Join), strconv.Quote(room))
}

func (d *socketIO) roomcast(room, except string) *packet {
	if except == "" {
		return d.event("", strconv.Quote(d.ev.Roomcast), strconv.Quote(room), d.payload)
	}
	return d.event("", strconv.Quote(d.ev.RoomcastExcept), strconv.Quote(room), strconv.Quote(except), d.payload)
}

func (d *socketIO) event(id string, args ...string) *packet {
	text := "42" + id + "["
	for i, a := range args {
		if i > 0 {
			text += ","
		}
		text += a
	}
	return newPacket(text + "]")
}

// leadingNumber reads the decimal digits at the start of b, at most seven.
func leadingNumber(b []byte) (n int, ok bool) {
	for i, c := range b {
		if c < '0' || c > '9' {
			return n, i > 0
		}
		if i == 7 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(b) > 0
}
