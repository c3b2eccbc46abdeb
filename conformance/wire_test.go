package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// base is the URL of the fixture server.
var base string

func TestMain(m *testing.M) {
	code, err := withServer(m.Run)
	if err != nil {
		_, _ = os.Stderr.WriteString("conformance: " + err.Error() + "\n")
		code = 1
	}
	os.Exit(code)
}

// withServer builds and starts the fixture as a process of its own.
func withServer(run func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "server")
	if out, err := exec.Command("go", "build", "-race", "-o", bin, "./server").CombinedOutput(); err != nil {
		return 1, errors.New(string(out))
	}
	cmd := exec.Command(bin, "-addr", "127.0.0.1:0", "-debug", "")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return 1, err
	}
	base, _, _ = strings.Cut(line, " ")
	code = run()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		return 1, err
	}
	return code, cmd.Wait() // with the race detector, an exit code tells of a race
}

// A wire is a raw Engine.IO connection that has read its handshake.
type wire interface {
	send(m message)
	next() (m message, ok bool) // false: the server ended the connection
}

const patience = 10 * time.Second

func dial(t *testing.T, transport string) wire {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	if transport == "polling" {
		return dialPolling(t, ctx)
	}
	return dialWebSocket(t, ctx)
}

type webSocket struct {
	t        *testing.T
	conn     *ws.Conn
	messages chan message
}

func dialWebSocket(t *testing.T, ctx context.Context) wire {
	url := "ws" + strings.TrimPrefix(base, "http") + "/socket.io/?EIO=4&transport=websocket"
	c, _, err := ws.Dial(ctx, url, nil, &ws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &webSocket{t, c, make(chan message, 100)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer close(w.messages)
		_ = c.Serve(w) // why it ends is of no interest, that it ends is
	}()
	t.Cleanup(func() { c.Close(); <-served })
	checkHandshake(t, w)
	return w
}

func (w *webSocket) Message(binary bool, data []byte) error {
	w.messages <- message{binary, string(data)}
	return nil
}
func (w *webSocket) Ping([]byte) {}
func (w *webSocket) Pong([]byte) {}
func (w *webSocket) Idle()       {}

func (w *webSocket) send(m message) {
	op := ws.OpText
	if m.binary {
		op = ws.OpBinary
	}
	_ = w.conn.Write(ws.AppendMasked(nil, op, []byte(m.data))) // next tells when the server has closed
}

func (w *webSocket) next() (message, bool) {
	select {
	case m, ok := <-w.messages:
		return m, ok
	case <-time.After(patience):
		w.t.Fatal("the server sent nothing")
		return message{}, false
	}
}

type polling struct {
	t     *testing.T
	ctx   context.Context
	url   string
	queue []message
}

func dialPolling(t *testing.T, ctx context.Context) wire {
	p := &polling{t: t, ctx: ctx, url: base + "/socket.io/?EIO=4&transport=polling"}
	p.url += "&sid=" + checkHandshake(t, p)
	return p
}

func (p *polling) do(method string, body []byte) (string, bool) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b), resp.StatusCode == http.StatusOK
}

func (p *polling) send(m message) {
	body := m.data
	if m.binary {
		body = "b" + base64.StdEncoding.EncodeToString([]byte(m.data))
	}
	p.do("POST", []byte(body))
}

func (p *polling) next() (message, bool) {
	for len(p.queue) == 0 {
		body, ok := p.do("GET", nil)
		if !ok {
			return message{}, false
		}
		for packet := range strings.SplitSeq(body, "\x1e") {
			switch {
			case packet == "6":
			case strings.HasPrefix(packet, "b"):
				b, err := base64.StdEncoding.DecodeString(packet[1:])
				if err != nil {
					p.t.Fatal(err)
				}
				p.queue = append(p.queue, message{true, string(b)})
			default:
				p.queue = append(p.queue, message{data: packet})
			}
		}
	}
	m := p.queue[0]
	p.queue = p.queue[1:]
	return m, m.data != "1"
}

// checkHandshake reads the open packet and returns the session ID.
func checkHandshake(t *testing.T, w wire) string {
	t.Helper()
	m, ok := w.next()
	if !ok || !strings.HasPrefix(m.data, "0") {
		t.Fatalf("got %s, want a handshake", m)
	}
	var h struct {
		SID                       string
		Upgrades                  []string
		PingInterval, PingTimeout int
		MaxPayload                int
	}
	if err := json.Unmarshal([]byte(m.data[1:]), &h); err != nil {
		t.Fatal(err)
	}
	if len(h.SID) != 20 || h.Upgrades == nil || h.PingInterval != 25000 || h.PingTimeout != 20000 || h.MaxPayload != 1e6 {
		t.Fatalf("handshake %s", m)
	}
	return h.SID
}
