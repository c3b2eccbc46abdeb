package ws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/internal/ws"
)

func frame(c *ws.Conn, deflate bool, op ws.Opcode, data []byte) []byte {
	switch {
	case deflate:
		return ws.AppendDeflated(nil, op, data, 0, c.Client())
	case c.Client():
		return ws.AppendMasked(nil, op, data)
	default:
		return ws.AppendFrame(nil, op, data)
	}
}

func opcode(binary bool) ws.Opcode {
	if binary {
		return ws.OpBinary
	}
	return ws.OpText
}

// echo serves c by sending back what comes.
func echo(c *ws.Conn) {
	_ = c.Serve(funcs{message: func(binary bool, data []byte) error {
		return c.Write(frame(c, c.Compress(), opcode(binary), data))
	}})
	_ = c.Close()
}

// messages are of all sizes around the ones where a header or a buffer changes.
func messages() [][]byte {
	var out [][]byte
	for _, n := range []int{0, 1, 2, 7, 125, 126, 127, 511, 512, 513, 4095, 4096, 16383, 16384, 16385, 65535, 65536, 70000, 1 << 20} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + i%23)
		}
		out = append(out, b)
	}
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	return append(out, noise)
}

func exchangeAll(t *testing.T, c *ws.Conn) {
	t.Helper()
	want := messages()
	i := 0
	err := c.Serve(funcs{
		message: func(binary bool, data []byte) error {
			if !binary || !bytes.Equal(data, want[i]) {
				t.Errorf("message %d came back as %d bytes", i, len(data))
			}
			if i++; i == len(want) {
				return io.ErrNoProgress // any error ends Serve
			}
			return c.Write(frame(c, c.Compress(), ws.OpBinary, want[i]))
		},
		idle: func() {},
	})
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("served %d messages, then %v", i, err)
	}
	must(t, c.Close())
}

func TestClientAndServerExchangeMessagesOfAllSizes(t *testing.T) {
	for _, tls := range []bool{false, true} {
		for _, deflate := range []bool{false, true} {
			t.Run(fmt.Sprintf("tls=%v,deflate=%v", tls, deflate), func(t *testing.T) {
				o := &ws.Options{}
				if deflate {
					o.Deflate = &ws.Deflate{}
				}
				var wg serving
				s := httptest.NewUnstartedServer(acceptor(t, o, &wg, echo))
				if tls {
					s.StartTLS()
				} else {
					s.Start()
				}
				defer wg.wait()
				defer s.Close()
				c, resp, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL, "http"), s.Client(), o)
				must(t, err)
				if resp.StatusCode != http.StatusSwitchingProtocols || !c.Client() || c.Compress() != deflate || c.CanTryWrite() == tls {
					t.Errorf("status %d, client %v, compress %v, raw %v", resp.StatusCode, c.Client(), c.Compress(), c.CanTryWrite())
				}
				must(t, c.Write(frame(c, c.Compress(), ws.OpBinary, messages()[0])))
				exchangeAll(t, c)
			})
		}
	}
}

// A bodyOnly transport hides what httptrace would tell of the connection.
type bodyOnly struct{ http.RoundTripper }

func (b bodyOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	return b.RoundTripper.RoundTrip(r.WithContext(context.Background()))
}

func TestDialMakesDoWithTheBodyOfTheResponse(t *testing.T) {
	s := serveOne(t, nil, echo)
	c, _, err := ws.Dial(t.Context(), s.URL, &http.Client{Transport: bodyOnly{s.Client().Transport}}, nil)
	must(t, err)
	if _, ok := c.NetConn().(*net.TCPConn); ok {
		t.Error("the transport did not hide the connection")
	}
	must(t, c.Write(frame(c, false, ws.OpBinary, nil)))
	exchangeAll(t, c)
}
