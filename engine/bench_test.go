package engine_test

import (
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/roomwire/roomwire/engine"
)

// mute is a handler whose sessions cost nothing.
type mute struct{ opened chan struct{} }

func (m mute) Open(*engine.Conn) engine.Session { m.opened <- struct{}{}; return m }
func (mute) Message(bool, []byte) error         { return nil }
func (mute) Closed(error)                       {}

// connOf is a handler that hands its one connection out.
type connOf chan *engine.Conn

func (h connOf) Open(c *engine.Conn) engine.Session { h <- c; return mute{} }

// BenchmarkSend is one delivery of a fan-out, written at once or coalesced.
func BenchmarkSend(b *testing.B) {
	for name, burst := range map[string]int{"inline": 1, "bursts of 16": 16} {
		b.Run(name, func(b *testing.B) {
			h := make(connOf, 1)
			srv := engine.NewServer(h, &engine.Options{Overflow: engine.OverflowRefuse})
			hs := httptest.NewServer(srv)
			defer hs.Close()
			defer srv.Close()
			client, err := net.Dial("tcp", hs.Listener.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			_, _ = io.WriteString(client, upgradeRequest("EIO=4&transport=websocket"))
			go func() { _, _ = io.Copy(io.Discard, client) }()
			c := <-h
			p := engine.Prepare(text("0123456789012345678901234567890123456789012345678901234567890123"))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m := engine.Mode(0)
				if i%burst != burst-1 {
					m = engine.Later
				}
				for err = c.Send(p, m); errors.Is(err, engine.ErrFull); err = c.Send(p, m) {
					_ = c.Wait(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
