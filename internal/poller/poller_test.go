//go:build linux

package poller_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/internal/poller"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// funcs is a handler. What it reads goes to receive, its end to ended.
type funcs struct {
	receive func(b []byte) error
	ended   chan error
}

func (f *funcs) Receive(b []byte) error { return f.receive(b) }

func (f *funcs) End(err error) { f.ended <- err; close(f.ended) }

func handler(receive func(b []byte) error) *funcs { return &funcs{receive, make(chan error, 1)} }

// pair returns both ends of a connection, the first of which p has.
func pair(t *testing.T, p *poller.Poller) (*poller.Conn, *net.TCPConn) {
	t.Helper()
	nc, peer := tcp(t)
	c := p.Adopt(nc)
	if c == nil {
		t.Fatal("a TCP connection was not adopted")
	}
	return c, peer
}

func tcp(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	nc, peer := connect(t, "tcp")
	return nc.(*net.TCPConn), peer.(*net.TCPConn)
}

func connect(t *testing.T, network string) (here, there net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, map[string]string{"tcp": "127.0.0.1:0", "unix": t.TempDir() + "/s"}[network])
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	there, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = there.Close() })
	here, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return here, there
}

// echo starts a connection that sends back what comes.
func echo(c *poller.Conn) *funcs {
	h := handler(func(b []byte) error { _, err := c.Write(b); return err })
	c.Start(h, nil)
	return h
}

func ask(t *testing.T, peer net.Conn, what string) {
	t.Helper()
	if _, err := peer.Write([]byte(what)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(what))
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != what {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestWhatComesIsRead(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		var p poller.Poller
		nc, peer := connect(t, network)
		c := p.Adopt(nc)
		h := echo(c)
		for i := range 100 {
			ask(t, peer, fmt.Sprint("message ", i))
		}
		_ = peer.Close()
		if err := <-h.ended; err != io.EOF {
			t.Errorf("%s: it ended with %v", network, err)
		}
		_ = c.Close()
		p.Wait()
	}
}

// The end of the stream comes together with the last bytes, and is told once.
func TestEndThatComesWithBytesIsNotMissed(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn) error{
		"closed": (*net.TCPConn).Close,
		"reset":  func(nc *net.TCPConn) error { return errors.Join(nc.SetLinger(0), nc.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			var p poller.Poller
			busy, other := pair(t, &p)
			held, release := make(chan struct{}), make(chan struct{})
			bh := handler(func([]byte) error { close(held); <-release; return nil })
			busy.Start(bh, nil)
			_, _ = other.Write([]byte("x"))
			<-held // the leader reads nothing else meanwhile, unless there are more
			c, peer := pair(t, &p)
			var got []byte
			h := handler(func(b []byte) error { got = append(got, b...); return nil })
			_, _ = peer.Write([]byte("last words"))
			if err := leave(peer); err != nil {
				t.Fatal(err)
			}
			close(release)
			c.Start(h, nil)
			err := <-h.ended
			if name == "closed" && (err != io.EOF || string(got) != "last words") ||
				name == "reset" && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("it ended with %v after %q", err, got)
			}
			_, _ = c.Close(), busy.Close()
			<-bh.ended
			p.Wait()
		})
	}
}

func TestEarlyBytesComeFirst(t *testing.T) {
	var p poller.Poller
	c, peer := pair(t, &p)
	_, _ = peer.Write([]byte("world"))
	var got []byte
	all := make(chan struct{})
	h := handler(func(b []byte) error {
		if got = append(got, b...); len(got) == len("hello world") {
			close(all)
		}
		return nil
	})
	c.Start(h, []byte("hello "))
	<-all
	if string(got) != "hello world" {
		t.Errorf("got %q", got)
	}
	_ = c.Close()
	<-h.ended
	p.Wait()
}

func TestErrorOfTheHandlerEndsTheReading(t *testing.T) {
	var p poller.Poller
	for _, early := range []string{"", "x"} {
		c, peer := pair(t, &p)
		want := errors.New("enough")
		h := handler(func([]byte) error { return want })
		c.Start(h, []byte(early))
		_, _ = peer.Write([]byte("x"))
		if err := <-h.ended; err != want {
			t.Errorf("it ended with %v", err)
		}
		_ = c.Close()
	}
	p.Wait()
}

// A client that never stops sending does not keep others from being read, and
// a large amount arrives as it was sent.
func TestMuchIsReadBesideOthers(t *testing.T) {
	var p poller.Poller
	const size, floods = 8 << 20, 8 // as many as there are loops, and more
	var running sync.WaitGroup
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	for range floods {
		c, peer := pair(t, &p)
		var got bytes.Buffer
		h := handler(func(b []byte) error { got.Write(b); return nil })
		c.Start(h, nil)
		running.Go(func() {
			_, _ = peer.Write(sent)
			_ = peer.Close()
			if err := <-h.ended; err != io.EOF || !bytes.Equal(got.Bytes(), sent) {
				t.Errorf("%d bytes arrived, or others, and %v", got.Len(), err)
			}
			_ = c.Close()
		})
	}
	c, peer := pair(t, &p)
	h := echo(c)
	for range 100 {
		ask(t, peer, "are you there?")
	}
	running.Wait()
	_ = c.Close()
	<-h.ended
	p.Wait()
}

// Handlers that wait, whether they say so or not, hold up nobody.
func TestHandlersThatWait(t *testing.T) {
	for name, says := range map[string]bool{"and say so": true, "and say nothing": false} {
		t.Run(name, func(t *testing.T) {
			var p poller.Poller
			release := make(chan struct{})
			var stuck []*poller.Conn
			var ends []*funcs
			for range 20 {
				c, peer := pair(t, &p)
				inside := make(chan struct{})
				h := handler(func([]byte) error {
					if says {
						c.Block()
						c.Block() // more than once does no harm
						if poller.Leads(c) {
							t.Error("nobody else became the leader")
						}
					}
					close(inside)
					<-release
					return nil
				})
				c.Start(h, nil)
				_, _ = peer.Write([]byte("x"))
				<-inside
				stuck, ends = append(stuck, c), append(ends, h)
			}
			var free []*poller.Conn
			for range 20 {
				c, peer := pair(t, &p)
				ends = append(ends, echo(c))
				free = append(free, c)
				ask(t, peer, "hello")
			}
			close(release)
			for _, c := range append(stuck, free...) {
				_ = c.Close()
			}
			for _, h := range ends {
				if err := <-h.ended; err != net.ErrClosed {
					t.Errorf("it ended with %v", err)
				}
			}
			p.Wait()
		})
	}
}

// A connection whose handler waited is read on.
func TestReadingGoesOnAfterAWait(t *testing.T) {
	var p poller.Poller
	c, peer := pair(t, &p)
	c2, peer2 := pair(t, &p)
	h2 := echo(c2)
	asked := make(chan struct{})
	h := handler(func(b []byte) error {
		c.Block()
		<-asked
		_, err := c.Write(b)
		return err
	})
	c.Start(h, nil)
	for range 100 {
		_, _ = peer.Write([]byte("a"))
		ask(t, peer2, "b")
		asked <- struct{}{}
		if _, err := io.ReadFull(peer, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = c.Close(), c2.Close()
	<-h.ended
	<-h2.ended
	p.Wait()
}

func TestCloseEndsTheReadingOnce(t *testing.T) {
	for name, closing := range map[string]func(c *poller.Conn, peer net.Conn, start func()){
		"idle":         func(c *poller.Conn, _ net.Conn, start func()) { start(); _ = c.Close() },
		"before Start": func(c *poller.Conn, _ net.Conn, start func()) { _ = c.Close(); start() },
		"by the handler": func(_ *poller.Conn, peer net.Conn, start func()) {
			start()
			_, _ = peer.Write([]byte("x")) // which the handler answers with Close
		},
	} {
		t.Run(name, func(t *testing.T) {
			var p poller.Poller
			c, peer := pair(t, &p)
			h := handler(func([]byte) error { return c.Close() })
			closing(c, peer, func() { c.Start(h, nil) })
			if err := <-h.ended; err != net.ErrClosed {
				t.Errorf("it ended with %v", err)
			}
			if _, err := io.ReadAll(peer); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the peer got %v", err)
			}
			if _, err := c.TryWrite([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("TryWrite after Close: %v", err)
			}
			if err := c.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			p.Wait()
		})
	}
}

// Whatever happens at the same time, each handler is told once, every
// descriptor is closed and every goroutine ends.
func TestManyComeAndGo(t *testing.T) {
	var p poller.Poller
	before := descriptors(t)
	var running sync.WaitGroup
	var ended atomic.Int32
	const clients, rounds = 8, 60
	for range clients {
		running.Go(func() {
			for range rounds {
				c, peer := pair(t, &p)
				h := handler(func(b []byte) error {
					switch rand.IntN(4) {
					case 0:
						c.Block()
					case 1:
						_ = c.Close()
					}
					return nil
				})
				c.Start(h, nil)
				var both sync.WaitGroup
				both.Go(func() { _, _ = peer.Write(make([]byte, rand.IntN(300<<10))); _ = peer.Close() })
				if rand.IntN(2) == 0 {
					both.Go(func() { _ = c.Close() })
				}
				both.Wait()
				<-h.ended
				_ = c.Close()
				ended.Add(1)
			}
		})
	}
	running.Wait()
	p.Wait()
	if n := ended.Load(); n != clients*rounds {
		t.Errorf("%d ended", n)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestWhatCannotBePolledIsLeftAlone(t *testing.T) {
	var p poller.Poller
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	if p.Adopt(here) != nil {
		t.Error("a pipe was adopted")
	}
	nc, peer := tcp(t)
	defer nc.Close()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for spare := range uint64(4) { // without a descriptor for each of those it needs
		few := limit
		few.Cur = uint64(descriptors(t)) + spare
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		c := p.Adopt(nc)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		if c != nil {
			_ = c.Close()
			break
		}
		if spare == 3 {
			t.Error("it was not adopted with enough descriptors")
		}
		_, _ = peer.Write([]byte("x"))
		if _, err := nc.Read(make([]byte, 1)); err != nil {
			t.Errorf("with %d descriptors: %v", spare, err)
		}
	}
	p.Wait()
}

func TestReadingAllocatesNothing(t *testing.T) {
	var p poller.Poller
	c, peer := pair(t, &p)
	h := handler(func(b []byte) error { _, err := c.TryWrite(b); return err })
	c.Start(h, nil)
	b := []byte("hello")
	n := testing.AllocsPerRun(1000, func() {
		_, _ = peer.Write(b)
		_, _ = io.ReadFull(peer, b)
	})
	if n > 0.1 {
		t.Errorf("%v allocations for an echo", n)
	}
	_ = c.Close()
	<-h.ended
	p.Wait()
}

// Here comes what a net.Conn does besides.

func TestWriteWaitsForThePeer(t *testing.T) {
	var p poller.Poller
	c, peer := pair(t, &p)
	h := handler(func([]byte) error { return nil })
	c.Start(h, nil)
	const size = 32 << 20
	wrote := make(chan error, 1)
	go func() {
		n, err := c.Write(make([]byte, size))
		if n != size {
			err = fmt.Errorf("%d bytes and %w", n, err)
		}
		wrote <- errors.Join(err, c.CloseWrite())
	}()
	if n, err := io.Copy(io.Discard, peer); n != size || err != nil {
		t.Errorf("the peer got %d bytes and %v", n, err)
	}
	if err := <-wrote; err != nil {
		t.Errorf("wrote %v", err)
	}
	_ = c.Close()
	<-h.ended
	p.Wait()
}

func TestWriteThatWaitsEnds(t *testing.T) {
	for name, end := range map[string]struct {
		how  func(c *poller.Conn, peer *net.TCPConn)
		want error
	}{
		"by Close":               {func(c *poller.Conn, _ *net.TCPConn) { _ = c.Close() }, net.ErrClosed},
		"by a deadline":          {func(c *poller.Conn, _ *net.TCPConn) { _ = c.SetDeadline(time.Now().Add(time.Millisecond)) }, os.ErrDeadlineExceeded},
		"by a deadline in past":  {func(c *poller.Conn, _ *net.TCPConn) { _ = c.SetWriteDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"when the peer is gone":  {func(_ *poller.Conn, peer *net.TCPConn) { _, _ = peer.SetLinger(0), peer.Close() }, syscall.ECONNRESET},
		"by an earlier deadline": {func(c *poller.Conn, _ *net.TCPConn) {}, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			var p poller.Poller
			c, peer := pair(t, &p)
			for { // until the kernel takes no more
				if n, err := c.TryWrite(make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				} else if n == 0 {
					break
				}
			}
			if name == "by an earlier deadline" {
				_ = c.SetWriteDeadline(time.Now().Add(time.Millisecond))
			}
			wrote := make(chan error, 1)
			go func() { _, err := c.Write([]byte("x")); wrote <- err }()
			end.how(c, peer)
			if err := <-wrote; !errors.Is(err, end.want) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("Write returned %v", err)
			}
			if err := c.SetDeadline(time.Time{}); err != nil && end.want != net.ErrClosed {
				t.Error(err)
			}
			_ = c.Close()
			p.Wait()
		})
	}
}

// Read is what drains a connection whose handler is through with it.
func TestReadAfterTheEnd(t *testing.T) {
	var p poller.Poller
	c, peer := pair(t, &p)
	h := handler(func([]byte) error { return io.ErrUnexpectedEOF })
	c.Start(h, nil)
	_, _ = peer.Write([]byte("x"))
	<-h.ended
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read returned %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	read := make(chan error, 1)
	go func() {
		b, err := io.ReadAll(c)
		if string(b) != "tail" {
			err = fmt.Errorf("read %q and %w", b, err)
		}
		read <- err
	}()
	_, _ = peer.Write([]byte("tail"))
	_ = peer.CloseWrite()
	if err := <-read; err != nil {
		t.Error(err)
	}
	if c.LocalAddr().String() != peer.RemoteAddr().String() || c.RemoteAddr().String() != peer.LocalAddr().String() {
		t.Error("the addresses are not those of the connection")
	}
	_ = c.Close()
	p.Wait()
}
