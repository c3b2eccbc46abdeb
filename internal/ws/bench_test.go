package ws_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/internal/ws"
)

func BenchmarkEcho(b *testing.B) {
	for _, batch := range []int{1, 16} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			c, nc := pair(b, nil)
			served := make(chan error)
			go func() {
				var out []byte
				served <- c.Serve(funcs{
					message: func(_ bool, data []byte) error {
						out = ws.AppendFrame(out, ws.OpText, data)
						return nil
					},
					idle: func() {
						if len(out) > 0 {
							_, _ = c.TryWrite(out)
							out = out[:0]
						}
					},
				})
			}()
			in := []byte(strings.Repeat(text(strings.Repeat("x", 64)), batch))
			buf := make([]byte, batch*66)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = nc.Write(in)
				_, _ = io.ReadFull(nc, buf)
			}
			b.StopTimer()
			_ = nc.Close()
			<-served
		})
	}
}

// BenchmarkRead is of messages that come without a pause.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{64, 4096, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c, nc := pair(b, nil)
			in := []byte(data(strings.Repeat("x", size)))
			many := bytes.Repeat(in, max(1, 60_000/len(in)))
			b.SetBytes(int64(len(in)))
			n, done := 0, make(chan struct{})
			go func() {
				_ = c.Serve(funcs{message: func(bool, []byte) error { n++; return nil }})
				close(done)
			}()
			b.ReportAllocs()
			for sent := 0; sent < b.N; sent += len(many) / len(in) {
				_, _ = nc.Write(many)
			}
			_ = nc.Close()
			<-done
		})
	}
}

func BenchmarkTryWrite(b *testing.B) {
	c, nc := pair(b, nil)
	f := ws.AppendFrame(nil, ws.OpText, bytes.Repeat([]byte("x"), 64))
	drained := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, nc)
		close(drained)
	}()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.TryWrite(f)
	}
	_ = c.Close()
	<-drained
}

func BenchmarkAppend(b *testing.B) {
	payload := bytes.Repeat([]byte(`{"k": "some json"}`), 60)
	dst := make([]byte, 0, 2048)
	b.Run("frame", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = ws.AppendFrame(dst[:0], ws.OpText, payload)
		}
	})
	b.Run("masked", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = ws.AppendMasked(dst[:0], ws.OpText, payload)
		}
	})
	b.Run("deflated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = ws.AppendDeflated(dst[:0], ws.OpText, payload, 0, false)
		}
	})
}
