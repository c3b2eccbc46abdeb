package engine_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/engine"
)

// A tape is a connection whose peer has said everything already.
type tape struct{ r io.Reader }

func (c *tape) Read(b []byte) (int, error)     { return c.r.Read(b) }
func (*tape) Write(b []byte) (int, error)      { return len(b), nil }
func (*tape) Close() error                     { return nil }
func (*tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*tape) SetDeadline(time.Time) error      { return nil }
func (*tape) SetReadDeadline(time.Time) error  { return nil }
func (*tape) SetWriteDeadline(time.Time) error { return nil }

type tapedWriter struct {
	*httptest.ResponseRecorder
	nc net.Conn
}

func (w tapedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(bufio.NewReader(w.nc), bufio.NewWriter(w.nc)), nil
}

// frames sends packets, each in a text frame, to a new session and returns
// what it was told.
func frames(t *testing.T, packets []string) []string {
	t.Helper()
	w := &witness{closed: make(chan error, 1)}
	srv := engine.NewServer(w, &engine.Options{MaxPayload: 1 << 16})
	defer srv.Close()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(upgradeRequest("EIO=4&transport=websocket"))))
	if err != nil {
		t.Fatal(err)
	}
	var in bytes.Buffer
	for _, p := range packets {
		in.WriteString(maskedFrame(0x81, p))
	}
	srv.ServeHTTP(tapedWriter{httptest.NewRecorder(), &tape{&in}}, r)
	<-w.closed
	return w.heard
}

// Packets mean the same in bodies and in frames.
func FuzzPackets(f *testing.F) {
	for _, s := range []string{
		"4a\x1e4b", "4a\x1e2\x1e4b", "4a\x1e1\x1e4b", "bAQID\x1e4x", "b***", "3\x1e3\x1e4x", "5\x1e6\x1e0{}\x1e4x", "", "7", "4größer", "4a\x1e\x1e4b", "b\x1ebQQ==", "1x", "3probe",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, all string) {
		if len(all) > 1<<14 || !valid(all) {
			return // is refused by another layer in each
		}
		packets := strings.Split(all, "\x1e")
		overPolling, _ := posts(t, packets)
		if overWebSocket := frames(t, packets); !slices.Equal(overPolling, overWebSocket) {
			t.Errorf("in bodies %q, in frames %q", overPolling, overWebSocket)
		}
	})
}

// Whatever a server says of itself, a client neither spins nor waits for ever.
func FuzzOpenPacket(f *testing.F) {
	for _, s := range []string{
		`{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`, `{"sid":"S","pingInterval":0.5,"pingTimeout":1}`,
		`{"sid":"S","pingInterval":1e300,"pingTimeout":1e-300,"maxPayload":-1}`, `{"sid":"\r\n","pingInterval":1,"pingTimeout":1,"maxPayload":1e18}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := engine.ParseHandshake(data)
		if err != nil {
			return
		}
		if h.SID == "" || len(h.SID) > 1<<10 || h.PingInterval < time.Millisecond || h.PingTimeout < time.Millisecond ||
			h.PingInterval > 24*time.Hour || h.PingTimeout > 24*time.Hour || h.MaxPayload < 0 || h.MaxPayload > 1<<30 {
			t.Errorf("%q was taken for %+v", data, h)
		}
	})
}
