//go:build !race

package engine_test

import (
	"io"
	"runtime"
	"testing"

	"github.com/roomwire/roomwire/engine"
)

func TestSendingAllocatesNothing(t *testing.T) {
	f := newFixture(t, nil)
	r, s := f.connect()
	go func() { _, _ = io.Copy(io.Discard, r.r) }()
	p := engine.Prepare(text("hello"), binary("world"))
	data := []byte("hello")
	for name, send := range map[string]func() error{
		"Send":        func() error { return s.c.Send(p, 0) },
		"SendMessage": func() error { return s.c.SendMessage(false, data, 0) },
	} {
		n := testing.AllocsPerRun(1000, func() {
			if err := send(); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestReceivingAllocatesNothing(t *testing.T) {
	f := newFixture(t, nil, func(f *fixture) {
		f.message = func(s *session, _ bool, data []byte) error { return s.c.SendMessage(false, data, 0) }
	})
	r, _ := f.connect()
	request, reply := []byte(maskedFrame(0x81, "4hello")), make([]byte, 8)
	n := testing.AllocsPerRun(1000, func() {
		_, _ = r.Conn.Write(request)
		_, _ = io.ReadFull(r.Conn, reply)
	})
	if n > 0.1 {
		t.Errorf("%v allocations for an echo", n)
	}
}

func TestIdleConnectionIsSmall(t *testing.T) {
	const n = 500
	limit := int64(8 << 10)
	if runtime.GOOS == "linux" {
		limit = 3500 // no goroutine, no stack
	}
	h := mute{make(chan struct{}, n)}
	f := newFixture(t, nil, func(f *fixture) { f.handler = h })
	measure := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := measure()
	for range n {
		r := f.dial()
		r.send(upgradeRequest("EIO=4&transport=websocket"))
		r.head()
		r.frame()
		<-h.opened
		r.r = nil // the client's memory is not what is measured
	}
	after := measure()
	per := (int64(after) - int64(before)) / n
	t.Logf("%d bytes per idle WebSocket", per)
	if per > limit {
		t.Errorf("%d bytes per idle WebSocket, want at most %d", per, limit)
	}
}
