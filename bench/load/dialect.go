package load

import (
	"net/url"
	"strconv"
	"strings"
)

// packet is one prebuilt message: its text for polling, its frame for WebSocket.
type packet struct {
	text  string
	frame []byte
}

func newPacket(text string) *packet {
	return &packet{text: text, frame: appendFrame(nil, opText, []byte(text))}
}

// dialect is a protocol as the clients speak it. It holds no state of a client.
type dialect interface {
	// path is the request path without a query; query what a WebSocket adds.
	path(u *url.URL) string
	query() string
	// greet is sent as soon as a WebSocket is open, nil for nothing.
	greet() *packet
	// read takes one message of the server.
	read(s *session, msg []byte)

	echo(slot int) *packet
	ping(slot int) *packet // nil: not spoken
	fanout() *packet       // nil: not spoken
	join(room string) *packet
	roomcast(room, except string) *packet // except may be empty
}

func newDialect(c *Config) dialect {
	payload := strings.Repeat("x", c.Payload)
	if c.Protocol == Centrifuge {
		return &centrifuge{payload: strconv.Quote(payload)}
	}
	return &socketIO{
		ev: c.Events, payload: strconv.Quote(payload),
		connect:  newPacket("40"),
		pong:     newPacket("3"),
		delivery: `42[` + strconv.Quote(c.Events.Delivery) + `,`,
	}
}
