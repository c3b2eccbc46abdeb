package load

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
)

// centrifuge is the JSON client protocol of centrifuge: replies and pushes, one
// JSON object per line. Command 1 connects, command slot+2 is an echo.
type centrifuge struct {
	payload string // quoted
}

const firstCommand = 2

var (
	centrifugePush  = []byte(`{"push":`)
	centrifugeReply = []byte(`{"id":`)
	centrifugePong  = newPacket("{}")
)

func (d *centrifuge) path(u *url.URL) string {
	if u.Path == "" || u.Path == "/" {
		return "/connection/websocket"
	}
	return u.EscapedPath()
}

func (d *centrifuge) query() string { return "" }

func (d *centrifuge) greet() *packet { return newPacket(`{"id":1,"connect":{}}`) }

func (d *centrifuge) read(s *session, msg []byte) {
	for len(msg) > 0 {
		line := msg
		if i := bytes.IndexByte(msg, '\n'); i >= 0 {
			line, msg = msg[:i], msg[i+1:]
		} else {
			msg = nil
		}
		d.line(s, line)
	}
}

func (d *centrifuge) line(s *session, line []byte) {
	switch {
	case len(line) == 2:
		s.send(centrifugePong)
	case bytes.HasPrefix(line, centrifugePush):
		s.delivered()
	case bytes.HasPrefix(line, centrifugeReply):
		id, ok := leadingNumber(line[len(centrifugeReply):])
		switch {
		case !ok || bytes.Contains(line, []byte(`"error":`)):
			s.lose(fmt.Errorf("load: the server refused: %.120q", line))
		case id < firstCommand:
			s.connectedNow()
		default:
			s.acked(id - firstCommand)
		}
	}
}

func (d *centrifuge) echo(slot int) *packet {
	id := strconv.Itoa(slot + firstCommand)
	return newPacket(`{"id":` + id + `,"rpc":{"method":"echo","data":` + d.payload + `}}`)
}

func (d *centrifuge) ping(int) *packet { return nil }

func (d *centrifuge) fanout() *packet {
	return newPacket(`{"send":{"data":` + d.payload + `}}`)
}

func (d *centrifuge) join(string) *packet { return nil }

func (d *centrifuge) roomcast(string, string) *packet { return nil }
