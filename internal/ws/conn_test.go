package ws_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// pair returns both ends of a connection; the client's end is bare TCP.
func pair(t testing.TB, o *ws.Options) (*ws.Conn, *net.TCPConn) {
	t.Helper()
	accepted := make(chan *ws.Conn, 1)
	header := ""
	if o != nil && o.Deflate != nil {
		header = deflateExtension
	}
	s := serveOne(t, o, func(c *ws.Conn) { accepted <- c })
	nc, _ := dialRaw(t, s, header)
	c := <-accepted
	t.Cleanup(func() { _ = c.Close() })
	return c, nc
}

func TestCloseFromWithinAHandlerEndsServe(t *testing.T) {
	c, nc := pair(t, nil)
	_, err := io.WriteString(nc, text("a")+text("b"))
	must(t, err)
	calls := 0
	err = c.Serve(funcs{message: func(bool, []byte) error {
		calls++
		return c.Close() // must not wait for the Serve it is called from
	}})
	if !errors.Is(err, net.ErrClosed) || calls != 1 {
		t.Errorf("%d messages, then %v", calls, err)
	}
	if err := c.NetConn().SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is still open: %v", err)
	}
	if err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if _, err := c.TryWrite([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("TryWrite after Close: %v", err)
	}
	if err := c.Serve(funcs{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve after Close: %v", err)
	}
}

func TestCloseWakesAReaderThatWaits(t *testing.T) {
	c, nc := pair(t, nil)
	_, err := io.WriteString(nc, text("a"))
	must(t, err)
	idle := make(chan struct{})
	served := make(chan error)
	go func() { served <- c.Serve(funcs{idle: func() { close(idle) }}) }()
	<-idle
	must(t, c.Close())
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if b, err := io.ReadAll(nc); len(b) != 0 || err != nil {
		t.Errorf("the peer reads %q, %v", b, err)
	}
}

func TestPeerLearnsOfACloseWhileAHandlerIsStillBusy(t *testing.T) {
	c, nc := pair(t, nil)
	_, err := io.WriteString(nc, text("a"))
	must(t, err)
	release := make(chan struct{})
	served := make(chan error)
	go func() {
		served <- c.Serve(funcs{message: func(bool, []byte) error {
			must(t, c.Close())
			<-release
			return nil
		}})
	}()
	if b, err := io.ReadAll(nc); len(b) != 0 || err != nil {
		t.Errorf("the peer reads %q, %v", b, err)
	}
	close(release)
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestEndThatArrivesTogetherWithTheLastBytesIsNoticed(t *testing.T) {
	for _, reset := range []bool{false, true} {
		c, nc := pair(t, nil)
		_, err := io.WriteString(nc, text("a"))
		must(t, err)
		if reset {
			must(t, nc.SetLinger(0))
		}
		must(t, nc.Close()) // both are there before the first read
		var rec recorder
		if err := c.Serve(&rec); !errors.Is(err, io.EOF) && !reset {
			t.Errorf("got %v", err)
		}
		if !reset { // a reset may throw the message away
			equal(t, rec.lines, []string{"text a"})
		}
		must(t, c.Close())
	}
}

func TestErrorOfAHandlerEndsServe(t *testing.T) {
	c, nc := pair(t, nil)
	_, err := io.WriteString(nc, text("a")+text("b")+ping("c"))
	must(t, err)
	want := errors.New("enough")
	var lines int
	if err := c.Serve(funcs{message: func(bool, []byte) error { lines++; return want }}); err != want || lines != 1 {
		t.Errorf("%d messages, then %v", lines, err)
	}
	if err := c.Serve(funcs{}); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("second Serve: %v", err)
	}
	must(t, c.Write([]byte("last words")))
}

func TestIdleFollowsTheMessagesOfABatch(t *testing.T) {
	c, nc := pair(t, nil)
	_, err := io.WriteString(nc, strings.Repeat(text("a"), 50)+bye)
	must(t, err)
	must(t, nc.CloseWrite())
	var rec recorder
	_ = c.Serve(&rec)
	if rec.idles > 1 || len(rec.lines) != 50 { // the batch ended by a close needs none
		t.Errorf("%d messages, %d times idle", len(rec.lines), rec.idles)
	}
}

func TestTryWriteStopsWhereTheKernelWouldBlock(t *testing.T) {
	c, nc := pair(t, nil)
	if !c.CanTryWrite() {
		t.Skip("not on this platform")
	}
	if n, err := c.TryWrite(nil); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
	must(t, c.Write(nil))
	b := bytes.Repeat([]byte("0123456789"), 100_000)
	var sent int
	for n := len(b); n == len(b); {
		var err error
		n, err = c.TryWrite(b)
		must(t, err)
		sent += n
	}
	must(t, c.SetWriteDeadline(time.Unix(1, 0)))
	if err := c.Write(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write after its deadline: %v", err)
	}
	if n, err := c.TryWrite(b); n != 0 || err != nil {
		t.Errorf("full and after a deadline: %d, %v", n, err)
	}
	must(t, c.SetWriteDeadline(time.Time{}))
	rest := make(chan error)
	go func() { rest <- c.Write(b[sent%len(b):]) }()
	got, want := make([]byte, sent+len(b)-sent%len(b)), byte('0')
	_, err := io.ReadFull(nc, got)
	must(t, err)
	must(t, <-rest)
	for i, v := range got {
		if want = byte('0' + i%10); v != want {
			t.Fatalf("byte %d is %q", i, v)
		}
	}
	must(t, nc.SetLinger(0))
	must(t, nc.Close())
	for err = nil; err == nil; _, err = c.TryWrite(b) {
		runtime.Gosched()
	}
	var oe *net.OpError
	if !errors.As(err, &oe) || oe.Op != "write" {
		t.Errorf("after a reset: %v", err)
	}
}

func TestCloseServeAndWriteAtTheSameTime(t *testing.T) {
	for i := range 100 {
		c, nc := pair(t, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = c.Serve(funcs{message: func(_ bool, data []byte) error {
				if i%3 == 0 {
					return c.Close()
				}
				return nil
			}})
		})
		wg.Go(func() {
			for b := bytes.Repeat([]byte("x"), 10_000); ; {
				n, err := c.TryWrite(b)
				if err == nil && n < len(b) {
					err = c.Write(b[n:])
				}
				if err != nil {
					return
				}
			}
		})
		wg.Go(func() {
			for range i {
				_, _ = io.WriteString(nc, text("a"))
			}
			_ = c.Close()
			_ = c.Close()
		})
		if i%2 == 0 {
			wg.Go(func() { _, _ = io.Copy(io.Discard, nc) })
		}
		wg.Wait()
	}
}

func TestSmallMessagesAreReadAndAnsweredWithoutAllocating(t *testing.T) {
	if raceDetector {
		t.Skip("pools do not keep everything under the race detector")
	}
	c, nc := pair(t, nil)
	served := make(chan error)
	go func() {
		var out []byte
		served <- c.Serve(funcs{
			message: func(_ bool, data []byte) error {
				out = ws.AppendFrame(out, ws.OpText, data)
				return nil
			},
			idle: func() {
				if n, err := c.TryWrite(out); n != len(out) || err != nil {
					t.Errorf("wrote %d of %d: %v", n, len(out), err)
				}
				out = out[:0]
			},
		})
	}()
	in := []byte(text("hello") + text(strings.Repeat("w", 300)) + text("x")[:3])
	more := []byte(text("x")[3:]) // a frame that comes in two pieces
	b := make([]byte, 2+5+4+300+2+1)
	allocs := testing.AllocsPerRun(500, func() {
		_, _ = nc.Write(in)
		_, _ = io.ReadFull(nc, b[:2+5+4+300])
		_, _ = nc.Write(more)
		_, _ = io.ReadFull(nc, b[:3])
	})
	if allocs > 0 {
		t.Errorf("%v allocations for three messages", allocs)
	}
	_ = nc.Close()
	<-served
}

func TestWaitingConnectionHoldsNoReadBuffer(t *testing.T) {
	const n = 200
	var wg, idle sync.WaitGroup
	idle.Add(n)
	conns := make([]*ws.Conn, 0, n)
	accepted := make(chan *ws.Conn, n)
	s := serveOne(t, nil, func(c *ws.Conn) { accepted <- c })
	peers := make([]*net.TCPConn, 0, n)
	for range n {
		nc, _ := dialRaw(t, s, "")
		peers, conns = append(peers, nc), append(conns, <-accepted)
	}
	before := heap()
	for i, c := range conns {
		var once sync.Once
		wg.Go(func() { _ = c.Serve(funcs{idle: func() { once.Do(idle.Done) }}) })
		_, err := io.WriteString(peers[i], text("a"))
		must(t, err)
	}
	idle.Wait()
	per := (int64(heap()) - int64(before)) / n
	for _, c := range conns {
		must(t, c.Close())
	}
	wg.Wait()
	if per > 1500 {
		t.Errorf("%d bytes of heap for a waiting connection", per)
	}
}

// heap is what lives after the pools have been emptied.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAnnouncedLengthAllocatesNothing(t *testing.T) {
	c, nc := pair(t, nil) // no limit on messages
	before := heap()
	idle, served := make(chan struct{}), make(chan error)
	go func() { served <- c.Serve(funcs{idle: func() { idle <- struct{}{} }}) }()
	_, err := io.WriteString(nc, "\x82\xff\x00\x00\x00\xff\x00\x00\x00\x00\x00\x00\x00\x00some")
	must(t, err)
	<-idle
	if grown := int64(heap()) - int64(before); grown > 64<<10 {
		t.Errorf("%d bytes for a message of which 4 have come", grown)
	}
	_ = nc.Close()
	<-served
}

func TestHugeMessageLeavesNoBufferBehind(t *testing.T) {
	c, nc := pair(t, nil)
	before := heap()
	seen, served := make(chan int, 1), make(chan error)
	go func() {
		served <- c.Serve(funcs{message: func(_ bool, data []byte) error {
			seen <- len(data)
			return nil
		}})
	}()
	huge := ws.AppendMasked(nil, ws.OpBinary, make([]byte, 32<<20))
	_, err := nc.Write(huge)
	must(t, err)
	huge = nil
	if n := <-seen; n != 32<<20 {
		t.Errorf("got %d bytes", n)
	}
	_, err = io.WriteString(nc, text("a"))
	must(t, err)
	<-seen
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("%d bytes are still held", grown)
	}
	_ = nc.Close()
	<-served
}
