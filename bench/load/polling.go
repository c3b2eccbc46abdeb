package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// pollTransport is a session over two keep-alive connections: one holds the
// pending poll, one carries what the client sends. With upgrade it opens a
// WebSocket as the official client does: probe, wait for the poll to return,
// upgrade packet, and from then on the WebSocket alone. The probe leaves once the
// namespace is connected and the next poll waits, which is the order that the
// round trips of any real network give.
type pollTransport struct {
	s         *session
	get, post *httpLink
	poll      []byte // the poll request once the session id is known
	target    string
	sid       string
	out       []byte // packets waiting for the POST under way
	upgrade   bool
	probing   bool
	paused    bool // no new poll: the probe was answered
	ws        *wsTransport
	dirty     bool
}

var (
	probeFrame   = newPacket("2probe").frame
	upgradeFrame = newPacket("5").frame
	recordMark   = []byte{0x1e}
	errOpen      = errors.New("load: the first packet opens no session")
)

func newPollTransport(s *session, upgrade bool) *pollTransport {
	r := s.run
	t := &pollTransport{s: s, upgrade: upgrade}
	t.target = r.path + "?EIO=4&transport=polling"
	lost := func(err error) {
		if s.t == t { // after the upgrade the server may close idle connections
			s.lose(err)
		}
	}
	t.get = &httpLink{run: r, answer: t.polled, failed: lost}
	t.post = &httpLink{run: r, answer: t.posted, failed: lost}
	return t
}

func (t *pollTransport) open() {
	r := t.s.run
	t.get.l = r.loop.dial(t.get)
	t.get.request([]byte("GET " + t.target + " HTTP/1.1\r\n" + r.headers + "\r\n"))
}

// A polling client is never paused: Config forbids it.
func (t *pollTransport) pause() {}

func (t *pollTransport) resume() {}

func (t *pollTransport) close() {
	t.get.l.close()
	if t.post.l != nil {
		t.post.l.close()
	}
	if t.ws != nil && t.ws.l != nil {
		t.ws.l.close()
	}
}

func (t *pollTransport) send(p *packet) {
	if len(t.out) > 0 {
		t.out = append(t.out, recordMark...)
	}
	t.out = append(t.out, p.text...)
	if !t.dirty {
		t.dirty = true
		t.s.run.dirty = append(t.s.run.dirty, t)
	}
}

func (t *pollTransport) flush() {
	t.dirty = false
	if len(t.out) == 0 || t.post.busy || t.sid == "" {
		return
	}
	r := t.s.run
	b := append(r.scratch[:0], "POST "...)
	b = append(b, t.target...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = append(b, r.headers...)
	b = append(b, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(t.out)), 10)
	b = append(b, headEnd...)
	b = append(b, t.out...)
	r.scratch, t.out = b, t.out[:0]
	if t.post.l == nil {
		t.post.l = r.loop.dial(t.post)
	}
	t.post.request(b)
}

func (t *pollTransport) posted(status int, _ []byte) {
	if status != 200 {
		t.s.lose(fmt.Errorf("load: a POST was answered %d", status))
		return
	}
	if t.s.over {
		return
	}
	t.flush()
	t.finishUpgrade()
}

func (t *pollTransport) polled(status int, body []byte) {
	if status != 200 {
		t.s.lose(fmt.Errorf("load: a poll was answered %d: %.80q", status, body))
		return
	}
	if t.sid == "" && !t.begin(body) {
		t.s.lose(errOpen)
		return
	}
	// The next poll leaves before the packets are read, so that what they make
	// the client send meets a server that has a poll to answer on.
	if !t.paused && !t.s.over {
		t.get.request(t.poll)
	}
	for msg := range bytes.SplitSeq(body, recordMark) {
		if t.s.over {
			return
		}
		t.s.run.dialect.read(t.s, msg)
	}
	t.startProbe()
	t.finishUpgrade()
}

// begin takes the session id out of the handshake and starts the upgrade.
func (t *pollTransport) begin(body []byte) bool {
	_, after, ok := bytes.Cut(body, []byte(`"sid":"`))
	sid, _, closed := bytes.Cut(after, []byte(`"`))
	if !ok || !closed || len(sid) == 0 || len(sid) > 256 {
		return false
	}
	r := t.s.run
	t.sid = string(sid)
	t.target += "&sid=" + t.sid
	t.poll = []byte("GET " + t.target + " HTTP/1.1\r\n" + r.headers + "\r\n")
	if !t.upgrade {
		t.s.upgraded = true
		return true
	}
	t.ws = &wsTransport{s: t.s, request: r.upgradeRequest("&sid=" + t.sid), probe: t.probed, switchedTo: t.startProbe}
	t.ws.l = r.loop.dial(t.ws)
	return true
}

// startProbe probes as soon as it may: it is called after either condition came true.
func (t *pollTransport) startProbe() {
	if t.ws == nil || !t.ws.switched || !t.s.connected || t.probing {
		return
	}
	t.probing = true
	t.ws.l.write(probeFrame)
}

func (t *pollTransport) probed(msg []byte) {
	if string(msg) != "3probe" {
		t.s.lose(fmt.Errorf("load: the probe was answered %.40q", msg))
		return
	}
	t.paused = true
	t.finishUpgrade()
}

// finishUpgrade switches once neither a poll nor a POST is under way.
func (t *pollTransport) finishUpgrade() {
	if !t.paused || t.get.busy || t.post.busy || len(t.out) > 0 || t.s.over || t.s.t != t {
		return
	}
	t.ws.probe = nil
	t.s.t = t.ws
	t.ws.l.write(upgradeFrame)
	t.s.upgradedNow()
}
