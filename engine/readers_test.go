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

// A work is a job that tells where it was done.
type work struct{ done, passed chan bool }

func (w work) Do()   { w.done <- true }
func (w work) Pass() { w.passed <- true }

// Only a reader of its own takes jobs of a session.
func TestReaderOfItsOwnTakesJobs(t *testing.T) {
	for name, c := range map[string]struct {
		readers int
		polling bool
		want    bool
	}{
		"its own": {8, false, true},
		"shared":  {-1, false, false},
		"polling": {8, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := work{make(chan bool, 1), make(chan bool, 1)}
			took := make(chan bool, 10)
			f := newFixture(t, &engine.Options{Readers: c.readers})
			f.message = func(s *session, _ bool, data []byte) error {
				took <- s.c.Defer(w)
				if string(data) == "wait" {
					s.c.Block()
				}
				return nil
			}
			var send func(text string)
			if c.polling {
				sid, _ := f.open()
				send = func(text string) { f.post(sid, text) }
			} else {
				r, _ := f.connect()
				send = func(text string) { r.send(maskedFrame(0x81, text)) }
			}
			send("4hello")
			if got := <-took; got != c.want {
				t.Fatalf("took the job: %v, want %v", got, c.want)
			}
			if !c.want {
				return
			}
			<-w.done
			send("4wait")
			if !<-took {
				t.Fatal("a second job was refused")
			}
			<-w.passed
		})
	}
}
