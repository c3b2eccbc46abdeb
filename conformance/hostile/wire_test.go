package hostile_test

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

// patience is how long an answer may take.
const patience = 15 * time.Second

// A raw is one TCP connection.
type raw struct {
	net.Conn
	r *bufio.Reader
}

func (s *server) dial() (*raw, error) {
	c, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return &raw{c, bufio.NewReaderSize(c, 4096)}, nil
}

// An answer is an HTTP response that has been read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	closed bool // the server wants to close the connection
}

func (r *raw) answer(method string) (a answer, err error) {
	_ = r.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(r.r, &http.Request{Method: method})
	if err != nil {
		return a, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return answer{status: resp.StatusCode, header: resp.Header}, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body), resp.Close}, err
}

// do sends text, a whole request, on a new connection and reads the answer.
func (s *server) do(text string) (a answer, err error) {
	r, err := s.dial()
	if err != nil {
		return a, err
	}
	defer r.Close()
	if _, err := io.WriteString(r, text); err != nil {
		return a, err
	}
	method, _, _ := strings.Cut(text, " ")
	return r.answer(method)
}

const (
	poll = "/socket.io/?EIO=4&transport=polling"
	wsp  = "/socket.io/?EIO=4&transport=websocket"
)

// request is the text of a request.
func request(method, target, body string, lines ...string) string {
	var b strings.Builder
	b.WriteString(method + " " + target + " HTTP/1.1\r\nHost: example.test\r\n")
	if body != "" || method == "POST" {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

func upgrade(target string, lines ...string) string {
	return request("GET", target, "", append([]string{
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, lines...)...)
}

// A frame is one WebSocket frame of the server.
type frame struct {
	op      byte
	payload string
}

// code is the code of a close frame; 1005 if it has none.
func (f frame) code() int {
	if len(f.payload) < 2 {
		return 1005
	}
	return int(binary.BigEndian.Uint16([]byte(f.payload)))
}

func (r *raw) frame() (f frame, err error) {
	_ = r.SetReadDeadline(time.Now().Add(patience))
	var h [2]byte
	if _, err := io.ReadFull(r.r, h[:]); err != nil {
		return f, err
	}
	n := uint64(h[1] & 0x7f)
	if n >= 126 {
		ext := make([]byte, 2)
		if n == 127 {
			ext = make([]byte, 8)
		}
		if _, err := io.ReadFull(r.r, ext); err != nil {
			return f, err
		}
		n = 0
		for _, b := range ext {
			n = n<<8 | uint64(b)
		}
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r.r, b)
	return frame{h[0], string(b)}, err
}

// masked is a frame of a client; its first byte has FIN, RSV and the opcode.
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

func text(payload string) string { return masked(0x81, payload) }

// A wsSession is a session that began over WebSocket.
type wsSession struct {
	*raw
	sid string
}

// webSocket opens W.
func (s *server) webSocket(lines ...string) (*wsSession, error) {
	r, err := s.dial()
	if err != nil {
		return nil, err
	}
	w := &wsSession{raw: r}
	if err := w.begin(lines...); err != nil {
		r.Close()
		return nil, err
	}
	return w, nil
}

func (w *wsSession) begin(lines ...string) error {
	if _, err := io.WriteString(w, upgrade(wsp, lines...)); err != nil {
		return err
	}
	if a, err := w.answer("GET"); err != nil || a.status != http.StatusSwitchingProtocols {
		return fmt.Errorf("WebSocket: %v, %w", a, errors.Join(err, errRefused))
	}
	p, err := w.next()
	if err != nil {
		return err
	}
	w.sid, err = sidOf(p)
	return err
}

var errRefused = errors.New("refused")

// sidOf reads an open packet.
func sidOf(packet string) (string, error) {
	var h struct{ SID string }
	if !strings.HasPrefix(packet, "0") {
		return "", fmt.Errorf("got %.200q, want an open packet", packet)
	}
	err := json.Unmarshal([]byte(packet[1:]), &h)
	return h.SID, err
}

func (w *wsSession) send(packets ...string) error {
	for _, p := range packets {
		_ = w.SetWriteDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(w, text(p)); err != nil {
			return err
		}
	}
	return nil
}

// errClosed is a close frame of the server.
type errClosed struct{ code int }

func (e errClosed) Error() string { return "closed with " + strconv.Itoa(e.code) }

func (w *wsSession) next() (string, error) {
	for {
		f, err := w.frame()
		switch {
		case err != nil:
			return "", err
		case f.op == 0x88:
			return "", errClosed{f.code()}
		case f.op == 0x81 && f.payload == "2":
			if err := w.send("3"); err != nil {
				return "", err
			}
		case f.op == 0x81 || f.op == 0x82:
			return f.payload, nil
		}
	}
}

func (w *wsSession) join(namespace string) error { return joinOver(w, namespace) }
func (w *wsSession) echo(text string) error      { return echoOver(w, text) }
func (w *wsSession) close()                      { w.Close() }

// closeCode reads until the server closes. Without a close frame it is 0.
func (w *raw) closeCode() (int, error) {
	for {
		f, err := w.frame()
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return 0, errors.New("the connection stays open")
			}
			return 0, nil
		}
		if f.op == 0x88 {
			return f.code(), nil
		}
	}
}

// A pollSession is a session over polling.
type pollSession struct {
	s     *server
	sid   string
	hc    *http.Client
	queue []string
}

func (s *server) polls() (*pollSession, error) {
	p := &pollSession{s: s, hc: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxConnsPerHost: 1}, Timeout: time.Minute}}
	packet, err := p.next()
	if err != nil {
		return nil, err
	}
	p.sid, err = sidOf(packet)
	return p, err
}

func (p *pollSession) target() string {
	if p.sid == "" {
		return poll
	}
	return poll + "&sid=" + p.sid
}

func (p *pollSession) request(method, body string) (string, int, error) {
	req, err := http.NewRequest(method, "http://"+p.s.addr+p.target(), strings.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	resp, err := p.hc.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp.StatusCode, err
}

func (p *pollSession) send(packets ...string) error {
	body, status, err := p.request("POST", strings.Join(packets, "\x1e"))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("POST was answered with %d %q", status, body)
	}
	return err
}

func (p *pollSession) next() (string, error) {
	for {
		for len(p.queue) > 0 {
			packet := p.queue[0]
			p.queue = p.queue[1:]
			switch packet {
			case "6":
			case "1":
				return "", errClosed{}
			case "2":
				if err := p.send("3"); err != nil {
					return "", err
				}
			default:
				return packet, nil
			}
		}
		body, status, err := p.request("GET", "")
		if err != nil {
			return "", err
		}
		if status != http.StatusOK {
			return "", errClosed{status}
		}
		p.queue = strings.Split(body, "\x1e")
	}
}

func (p *pollSession) join(namespace string) error { return joinOver(p, namespace) }
func (p *pollSession) echo(text string) error      { return echoOver(p, text) }

// close ends the session, if it still lives.
func (p *pollSession) close() {
	_, _, _ = p.request("POST", "1")
	p.hc.CloseIdleConnections()
}

func openSession(s *server, webSocket bool) (session, error) {
	if webSocket {
		return s.webSocket()
	}
	return s.polls()
}
