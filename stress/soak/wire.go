package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// patience is how long an answer may take before it counts as none.
const patience = 90 * time.Second

const (
	poll = "/socket.io/?EIO=4&transport=polling"
	wsp  = "/socket.io/?EIO=4&transport=websocket"
)

// A link is one TCP connection.
type link struct {
	net.Conn
	r *bufio.Reader
}

func dial(addr string) (*link, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return &link{c, bufio.NewReaderSize(c, 1024)}, nil
}

// reset ends the connection as a network that breaks does.
func (l *link) reset() {
	if tcp, ok := l.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = l.Close()
}

// ask sends a request and reads the answer.
func (l *link) ask(method, target, body string, lines ...string) (status int, answer string, err error) {
	_ = l.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(l, request(method, target, body, lines...)); err != nil {
		return 0, "", err
	}
	return l.answer(method)
}

func (l *link) answer(method string) (status int, body string, err error) {
	resp, err := http.ReadResponse(l.r, &http.Request{Method: method})
	if err != nil {
		return 0, "", err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, "", nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func request(method, target, body string, lines ...string) string {
	head := method + " " + target + " HTTP/1.1\r\nHost: soak.test\r\n"
	for _, line := range lines {
		head += line + "\r\n"
	}
	if method == "POST" {
		head += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return head + "\r\n" + body
}

var upgradeLines = []string{
	"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// masked is a frame of a client; first has FIN and the opcode.
func masked(first byte, payload string) string {
	b := []byte{first, 0x80}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return string(append(b, 0, 0, 0, 0)) + payload // a key of zeros changes nothing
}

func text(packet string) string { return masked(0x81, packet) }

// frame reads one frame of the server.
func (l *link) frame() (op byte, payload string, err error) {
	var h [2]byte
	if _, err := io.ReadFull(l.r, h[:]); err != nil {
		return 0, "", err
	}
	n := uint64(h[1])
	if n >= 126 {
		ext := make([]byte, 2)
		if n == 127 {
			ext = make([]byte, 8)
		}
		if _, err := io.ReadFull(l.r, ext); err != nil {
			return 0, "", err
		}
		n = 0
		for _, b := range ext {
			n = n<<8 | uint64(b)
		}
	}
	if n > 8<<20 {
		return 0, "", fmt.Errorf("a frame of %d bytes", n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(l.r, b)
	return h[0] & 15, string(b), err
}

// A session speaks Engine.IO over one connection: polling until it is upgraded.
type session struct {
	*link
	addr  string
	sid   string
	ws    *link // nil while polling
	queue []string
}

// open begins a session.
func open(addr string, websocket bool) (*session, error) {
	l, err := dial(addr)
	if err != nil {
		return nil, err
	}
	s := &session{link: l, addr: addr}
	if websocket {
		s.ws = l
		err = l.takeUp(wsp)
	}
	var packet string
	if err == nil {
		packet, err = s.next()
	}
	if err == nil {
		s.sid, err = sidOf(packet)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return s, nil
}

// takeUp makes the connection a WebSocket.
func (l *link) takeUp(target string) error {
	status, body, err := l.ask("GET", target, "", upgradeLines...)
	if err == nil && status != http.StatusSwitchingProtocols {
		err = fmt.Errorf("upgrade: %d %.100q", status, body)
	}
	return err
}

func sidOf(packet string) (string, error) {
	var h struct{ SID string }
	if !strings.HasPrefix(packet, "0") {
		return "", fmt.Errorf("%.100q is no open packet", packet)
	}
	err := json.Unmarshal([]byte(packet[1:]), &h)
	return h.SID, err
}

func (s *session) target() string {
	if s.sid == "" {
		return poll
	}
	return poll + "&sid=" + s.sid
}

func (s *session) send(packet string) error {
	if s.ws != nil {
		_ = s.ws.SetDeadline(time.Now().Add(patience))
		_, err := io.WriteString(s.ws, text(packet))
		return err
	}
	status, body, err := s.ask("POST", s.target(), packet)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("POST: %d %.100q", status, body)
	}
	return err
}

// errEnd is the end of a session, by the server.
var errEnd = errors.New("the server ended the session")

// next returns the next packet that is not of the heartbeat.
func (s *session) next() (string, error) {
	for {
		if len(s.queue) == 0 {
			if err := s.receive(); err != nil {
				return "", err
			}
		}
		packet := s.queue[0]
		s.queue = s.queue[1:]
		switch packet {
		case "6":
		case "1":
			return "", errEnd
		case "2":
			if err := s.send("3"); err != nil {
				return "", err
			}
		default:
			return packet, nil
		}
	}
}

func (s *session) receive() error {
	if s.ws != nil {
		_ = s.ws.SetDeadline(time.Now().Add(patience))
		op, payload, err := s.ws.frame()
		if op == 8 {
			err = errEnd
		}
		s.queue = append(s.queue, payload)
		return err
	}
	status, body, err := s.ask("GET", s.target(), "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET: %d %.100q", status, body)
	}
	s.queue = strings.Split(body, "\x1e")
	return err
}

// await returns the next packet that begins with prefix; what a room hears
// meanwhile is passed over.
func (s *session) await(prefix string) (string, error) {
	for {
		p, err := s.next()
		if err != nil || strings.HasPrefix(p, prefix) {
			return p, err
		}
		if !strings.HasPrefix(p, `42["msg",`) {
			return p, fmt.Errorf("got %.100q, want %q", p, prefix)
		}
	}
}

// ack sends an event and waits until it is acknowledged with want.
func (s *session) ack(id int, event, want string) error {
	n := strconv.Itoa(id)
	if err := s.send("42" + n + event); err != nil {
		return err
	}
	p, err := s.await("43" + n)
	if err == nil && p != "43"+n+want {
		err = fmt.Errorf("%.60q was acknowledged with %.100q", event, p)
	}
	return err
}

func (s *session) join() error {
	if err := s.send("40"); err != nil {
		return err
	}
	_, err := s.await(`40{"sid":"`)
	return err
}

// upgrade moves the session to WebSocket.
func (s *session) upgrade() error {
	l, err := dial(s.addr)
	if err != nil {
		return err
	}
	if err := l.takeUp(wsp + "&sid=" + s.sid); err != nil {
		l.Close()
		return err
	}
	_, err = io.WriteString(l, text("2probe"))
	if err == nil {
		var answer string
		if _, answer, err = l.frame(); err == nil && answer != "3probe" {
			err = fmt.Errorf("the probe was answered with %.100q", answer)
		}
	}
	if err == nil {
		_, err = io.WriteString(l, text("5"))
	}
	if err != nil {
		l.Close()
		return err
	}
	s.ws = l
	return nil
}

// leave ends the session politely.
func (s *session) leave() {
	if s.ws != nil {
		_, _ = io.WriteString(s.ws, text("41")+masked(0x88, "\x03\xe8"))
	} else {
		_ = s.send("1")
	}
	s.close()
}

func (s *session) close() {
	s.Close()
	if s.ws != nil {
		s.ws.Close()
	}
}

// cut ends the session as a network that breaks does.
func (s *session) cut() {
	s.reset()
	if s.ws != nil {
		s.ws.reset()
	}
}
