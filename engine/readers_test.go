package engine_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/roomwire/roomwire/engine"
)

// The first connections have a goroutine each that reads them, and the next one
// after one of those has left; all others share.
func TestFewConnectionsHaveAReaderEach(t *testing.T) {
	f := newFixture(t, &engine.Options{Readers: 2})
	var shared []bool
	connect := func() (*raw, *session) {
		r, s := f.connect()
		r.send(maskedFrame(0x81, "4hello"))
		<-s.got // it is being read
		shared = append(shared, engine.Polled(s.c))
		return r, s
	}
	first, s := connect()
	for range 3 {
		connect()
	}
	_ = first.Conn.Close()
	<-s.closed
	connect()
	connect()
	can := runtime.GOOS == "linux"
	if want := []bool{false, false, can, can, false, can}; !slices.Equal(shared, want) {
		t.Errorf("shared: %v, want %v", shared, want)
	}
}
