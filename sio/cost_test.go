//go:build !race

package sio_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/roomwire/roomwire/internal/ws"
	"github.com/roomwire/roomwire/sio"
)

// A bare connection reads and writes bytes, and allocates nothing for that.
type bare struct {
	net.Conn
	r    *bufio.Reader
	head [2]byte
}

// bare opens a WebSocket and joins the main namespace.
func (w *world) bare() *bare {
	w.t.Helper()
	u, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	nc, err := net.Dial("tcp", u.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	b := &bare{Conn: nc, r: bufio.NewReader(nc)}
	_, _ = io.WriteString(nc, "GET "+u.RequestURI()+" HTTP/1.1\r\nHost: "+u.Host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	resp, err := http.ReadResponse(b.r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		w.t.Fatalf("%v, %v", resp, err)
	}
	b.skip(w.t) // the handshake of Engine.IO
	_, _ = nc.Write(ws.AppendMasked(nil, ws.OpText, []byte("40")))
	b.skip(w.t)
	return b
}

// skip reads a short frame.
func (b *bare) skip(t *testing.T) {
	t.Helper()
	if _, err := io.ReadFull(b.r, b.head[:]); err != nil {
		t.Fatal(err)
	}
	size := int(b.head[1])
	if size == 126 {
		_, _ = io.ReadFull(b.r, b.head[:])
		size = int(b.head[0])<<8 | int(b.head[1])
	}
	if _, err := b.r.Discard(size); err != nil {
		t.Fatal(err)
	}
}

// An event whose arguments nobody decodes costs no memory, nor does the
// acknowledgement that sends them back.
func TestEchoAllocatesNothing(t *testing.T) {
	for name, text := range map[string]string{"text": `420["echo","hello"]`, "of a namespace": `42/on,1["echo",[1,2]]`} {
		t.Run(name, func(t *testing.T) {
			w := serve(t, nil)
			for _, ns := range []*sio.Namespace{w.srv.Of("/"), w.srv.Of("/on")} {
				ns.Handle("echo", func(_ context.Context, r *sio.Request) (any, error) { return r.Args(), nil })
			}
			b := w.bare()
			_, _ = b.Write(ws.AppendMasked(nil, ws.OpText, []byte("40/on,")))
			b.skip(t)
			request := ws.AppendMasked(nil, ws.OpText, []byte(text))
			n := testing.AllocsPerRun(1000, func() {
				_, _ = b.Write(request)
				b.skip(t)
			})
			if n >= 1 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
