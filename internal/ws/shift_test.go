package ws_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// A job tells what becomes of it.
type job struct {
	do   func()
	pass func()
}

func (j job) Do()   { j.do() }
func (j job) Pass() { j.pass() }

// A desk is a connection whose messages become jobs.
type desk struct {
	t     *testing.T
	c     *ws.Conn
	nc    *net.TCPConn
	lines chan string // of messages and of jobs that begin
	free  chan bool   // each job waits for one
	ended chan error
}

// newDesk serves a connection for which take is asked about each message; nil
// has each be a job, or else tells that it was refused.
func newDesk(t *testing.T, take func(d *desk, text string)) *desk {
	c, nc := pair(t, &ws.Options{Defer: true})
	d := &desk{t: t, c: c, nc: nc, lines: make(chan string, 100), free: make(chan bool, 100), ended: make(chan error, 1)}
	if take == nil {
		take = func(d *desk, text string) {
			if !c.Defer(d.job(text)) {
				d.lines <- "refused " + text
			}
		}
	}
	c.Start(funcs{message: func(_ bool, data []byte) error {
		d.lines <- string(data)
		take(d, string(data))
		return nil
	}}, func(err error) { d.ended <- err })
	return d
}

func (d *desk) job(text string) job {
	return job{
		do:   func() { d.lines <- "do " + text; <-d.free; d.lines <- "done " + text },
		pass: func() { d.lines <- "pass " + text },
	}
}

func (d *desk) send(frames ...string) {
	d.t.Helper()
	if _, err := io.WriteString(d.nc, strings.Join(frames, "")); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) expect(lines ...string) {
	d.t.Helper()
	for _, want := range lines {
		if got := receive(d.t, d.lines); got != want {
			d.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// end takes back the connection when no job is under way.
func (d *desk) end(want error) {
	d.t.Helper()
	_ = d.nc.Close()
	if err := receive(d.t, d.ended); !errors.Is(err, want) {
		d.t.Errorf("ended with %v, want %v", err, want)
	}
}

func TestJobsFollowAllThatWasRead(t *testing.T) {
	d := newDesk(t, nil)
	d.free <- true
	d.send(text("a"), text("b"), text("c"))
	d.expect("a", "b", "refused b", "c", "refused c", "do a", "done a")
	d.free <- true
	d.send(text("d"))
	d.expect("d", "do d", "done d")
	d.end(io.EOF)
}

func TestJobsAreOnlyTakenWhereTheyMayBe(t *testing.T) {
	c, nc := pair(t, nil)
	_, err := io.WriteString(nc, text("a")+bye)
	must(t, err)
	must(t, nc.CloseWrite())
	_ = c.Serve(funcs{message: func(bool, []byte) error {
		if c.Defer(job{}) {
			t.Error("a job was taken")
		}
		return nil
	}})
}

// While a job takes long somebody else reads, and no other job is taken for a
// while.
func TestLongJobDoesNotKeepOthersWaiting(t *testing.T) {
	for name, wait := range map[string]func(d *desk){
		"by the clock": func(*desk) {},
		"at once":      func(d *desk) { d.c.Relieve() },
		"told often":   func(d *desk) { d.c.Block(); d.c.Block(); d.c.Relieve() },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			d.send(text("a"))
			d.expect("a", "do a")
			wait(d)
			d.send(text("b"), text("c"))
			d.expect("b", "refused b", "c", "refused c")
			d.free <- true
			d.expect("done a")
			for range 3 {
				d.send(text("d"))
				d.expect("d", "refused d")
			}
			for i := range 1000 {
				d.send(text("e"))
				d.expect("e")
				if line := receive(t, d.lines); line == "do e" {
					if i < 900 {
						t.Errorf("job %d was taken", i)
					}
					d.free <- true
					d.expect("done e")
					break
				} else if i == 999 {
					t.Error("no job is taken any more")
				}
			}
			d.end(io.EOF)
		})
	}
}

func TestJobThatHasNotBegunIsPassedOn(t *testing.T) {
	d := newDesk(t, func(d *desk, text string) {
		if !d.c.Defer(d.job(text)) {
			d.lines <- "refused " + text
		}
		if text == "b" {
			d.c.Block()
		}
	})
	d.send(text("a"), text("b"), text("c"))
	d.expect("a", "b", "refused b", "pass a", "c", "refused c")
	d.end(io.EOF)
}

// The end is told while a job goes on, whoever makes it, and what the
// connection holds is given back after the job.
func TestEndIsToldDuringAJob(t *testing.T) {
	violation := "\x81\x01a" // not masked
	// standIn has somebody read, who waits for more when do is called.
	standIn := func(do func(d *desk)) func(d *desk) {
		return func(d *desk) {
			d.c.Relieve()
			d.send(text("b"))
			d.expect("b", "refused b")
			do(d)
		}
	}
	for name, c := range map[string]struct {
		do   func(d *desk)
		want string
	}{
		"peer leaves":      {func(d *desk) { _ = d.nc.Close() }, "network"},
		"peer says bye":    {func(d *desk) { d.send(bye) }, "peer 1000"},
		"violation":        {func(d *desk) { d.send(violation) }, "violation 1002 frame has the wrong masking"},
		"closed here":      {func(d *desk) { must(d.t, d.c.Close()) }, "closed"},
		"closed before it": {func(d *desk) { must(d.t, d.c.Close()); d.send(text("b")) }, "closed"},
		"peer leaves then": {standIn(func(d *desk) { _ = d.nc.Close() }), "network"},
		"closed then":      {standIn(func(d *desk) { must(d.t, d.c.Close()) }), "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			d.send(text("a"))
			d.expect("a", "do a")
			c.do(d)
			d.c.Relieve()
			err := receive(t, d.ended)
			var ce *ws.CloseError
			switch got := describe(err); {
			case c.want == "network" && errors.As(err, &ce), c.want == "closed" && !errors.Is(err, net.ErrClosed),
				c.want != "network" && c.want != "closed" && !strings.HasPrefix(got, c.want):
				t.Errorf("ended with %v, want %s", err, c.want)
			}
			d.c.Linger(time.Millisecond) // must not wait for the job
			must(t, d.c.Close())
			d.free <- true
			d.expect("done a")
			for d.c.NetConn().SetDeadline(time.Time{}) == nil { // until it has been closed
				runtime.Gosched()
			}
		})
	}
}

// What a stand-in reads last may be followed by the end at once.
func TestStandInNoticesTheEndThatComesWithTheLastBytes(t *testing.T) {
	sent := make(chan bool)
	d := newDesk(t, func(d *desk, text string) {
		if d.c.Defer(d.job(text)) {
			return
		}
		d.lines <- "refused " + text
		if text == "b" {
			<-sent
		}
	})
	d.send(text("a"))
	d.expect("a", "do a")
	d.c.Relieve()
	d.send(text("b"))
	d.expect("b", "refused b")
	d.send(text("c"))
	must(t, d.nc.CloseWrite())
	sent <- true
	d.expect("c", "refused c")
	if err := receive(t, d.ended); !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v", err)
	}
	d.free <- true
	d.expect("done a")
}

func TestStandInsTakeNoJobs(t *testing.T) {
	d := newDesk(t, nil)
	d.send(text("a"))
	d.expect("a", "do a")
	d.c.Relieve()
	for range 1100 { // more than are refused in any case
		d.send(text("b"))
		d.expect("b", "refused b")
	}
	d.free <- true
	d.expect("done a")
	d.end(io.EOF)
}

// Jobs, stand-ins and ends in all orders: nothing is lost, nothing out of order.
func TestStandInsLoseNothing(t *testing.T) {
	const n = 3000
	got := make(chan byte, n)
	c, nc := pair(t, &ws.Options{Defer: true})
	ended := make(chan error, 1)
	c.Start(funcs{message: func(_ bool, data []byte) error {
		got <- data[0]
		if data[0]%2 == 0 {
			c.Defer(job{do: c.Relieve, pass: func() {}})
		}
		if data[0]%7 == 0 {
			c.Relieve()
		}
		return nil
	}}, func(err error) { ended <- err })
	go func() {
		for i := range n {
			_, _ = io.WriteString(nc, text(string(rune('0'+i%64))))
		}
		_ = nc.CloseWrite()
	}()
	for i := range n {
		if b := receive(t, got); b != byte('0'+i%64) {
			t.Fatalf("message %d is %q", i, b)
		}
	}
	if err := receive(t, ended); !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v", err)
	}
}
