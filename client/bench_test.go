package client_test

import (
	"bytes"
	"net"
	"net/http"
	"testing"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/ws"
)

// BenchmarkCall is an event and its acknowledgement over the loopback
// interface, with a server that does as little as it can.
func BenchmarkCall(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(acknowledge)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = srv.Serve(l)
	}()
	c := client.New("http://"+l.Addr().String(), &client.Options{Engine: engine.DialOptions{Transports: []string{"websocket"}}})
	defer func() { // the server waits for the connection
		_ = c.Close()
		_ = srv.Close()
		<-stopped
	}()
	s := c.Of("/")
	if err := s.Connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := client.Call[string](b.Context(), s, "echo", "hello"); err != nil || v != "hello" {
			b.Fatal(v, err)
		}
	}
}

// acknowledge answers every event with its first argument, "hello".
func acknowledge(w http.ResponseWriter, r *http.Request) {
	conn, err := ws.Accept(w, r, nil)
	if err != nil {
		return
	}
	a := &acknowledger{conn: conn}
	a.send(fakeOpen)
	_ = conn.Serve(a)
	_ = conn.Close()
}

type acknowledger struct {
	conn *ws.Conn
	buf  []byte
}

func (a *acknowledger) send(text string) {
	a.buf = ws.AppendFrame(a.buf[:0], ws.OpText, []byte(text))
	_ = a.conn.Write(a.buf)
}

// Message implements ws.Handler.
func (a *acknowledger) Message(_ bool, data []byte) error {
	id, ok := bytes.CutSuffix(data, []byte(`["echo","hello"]`))
	if !ok {
		if string(data) == "40" {
			a.send(`40{"sid":"S"}`)
		}
		return nil
	}
	id = id[len("42"):]
	frame := append(a.buf[:0], 0x81, byte(2+len(id)+len(`["hello"]`)))
	a.buf = append(append(append(frame, "43"...), id...), `["hello"]`...)
	return a.conn.Write(a.buf)
}
func (*acknowledger) Ping([]byte) {}
func (*acknowledger) Pong([]byte) {}
func (*acknowledger) Idle()       {}
