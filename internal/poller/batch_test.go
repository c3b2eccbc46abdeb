//go:build linux

package poller_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/internal/poller"
	"github.com/roomwire/roomwire/internal/uring"
)

// batch returns a batch of p, or skips the test where there is none.
func batch(t *testing.T, p *poller.Poller) *poller.Batch {
	t.Helper()
	b := p.Batch()
	if b == nil {
		r, err := uring.New(poller.BatchSize)
		if err == nil {
			r.Close()
			t.Fatal("there is no batch")
		}
		t.Skip("this kernel does not allow io_uring: ", err)
	}
	return b
}

func wantRead(t *testing.T, peer net.Conn, what string) {
	t.Helper()
	got := make([]byte, len(what))
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != what {
		t.Errorf("received %q, %v, want %q", got, err, what)
	}
}

func TestBatchWritesToAll(t *testing.T) {
	var p poller.Poller
	batch(t, &p).Release()
	var conns [poller.BatchSize]*poller.Conn
	var peers [poller.BatchSize]net.Conn
	for i := range conns {
		conns[i], peers[i] = pair(t, &p)
		echo(conns[i])
	}
	for round := range 3 {
		b := batch(t, &p)
		for i, c := range conns {
			if !b.Plan(c, fmt.Appendf(nil, "%d %d", round, i)) {
				t.Fatal("not planned")
			}
		}
		if err := b.Write(); err != nil {
			t.Fatal(err)
		}
		for i := range conns {
			what := fmt.Sprintf("%d %d", round, i)
			if n, err := b.Result(i); n != len(what) || err != nil {
				t.Errorf("write %d: %d, %v", i, n, err)
			}
			wantRead(t, peers[i], what)
		}
		b.Release()
	}
	for _, c := range conns {
		_ = c.Close()
	}
	p.Wait()
}

// A descriptor is not closed, and its number not used again, while a batch is
// about to write to it.
func TestPlannedWriteKeepsTheDescriptor(t *testing.T) {
	var p poller.Poller
	b := batch(t, &p)
	c, peer := pair(t, &p)
	h := echo(c)
	if !b.Plan(c, []byte("farewell")) {
		t.Fatal("not planned")
	}
	_ = c.Close()
	<-h.ended
	if b.Plan(c, []byte("late")) {
		t.Error("planned after Close")
	}
	if err := b.Write(); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Result(0); n != len("farewell") || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	b.Release()
	if got, err := io.ReadAll(peer); string(got) != "farewell" || err != nil {
		t.Errorf("received %q, %v", got, err)
	}
	p.Wait()
}

func TestFailedWriteOfABatchTellsItsAddress(t *testing.T) {
	var p poller.Poller
	b := batch(t, &p)
	c, peer := pair(t, &p)
	h := echo(c)
	_ = peer.SetLinger(0)
	_ = peer.Close()
	<-h.ended
	b.Plan(c, []byte("x"))
	if err := b.Write(); err != nil {
		t.Fatal(err)
	}
	var op *net.OpError
	if _, err := b.Result(0); !errors.As(err, &op) || op.Op != "write" || op.Addr != c.RemoteAddr() {
		t.Errorf("%v", err)
	}
	b.Release()
	_ = c.Close()
	p.Wait()
}

func TestBatchesAreBounded(t *testing.T) {
	var p poller.Poller
	taken := []*poller.Batch{batch(t, &p)}
	for b := p.Batch(); b != nil; b = p.Batch() {
		taken = append(taken, b)
	}
	if len(taken) != runtime.GOMAXPROCS(0) {
		t.Errorf("%d batches", len(taken))
	}
	taken[0].Release()
	if p.Batch() != taken[0] {
		t.Error("a batch that is free was not taken again")
	}
	for _, b := range taken {
		b.Release()
	}
	p.Wait()
	if p.Batch() != nil {
		t.Error("there is a batch after Wait")
	}
}

// Batches that nobody uses leave no descriptor behind, and there are new ones
// for who comes later.
func TestBatchesGoWhenNobodyUsesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := len(ringFiles(t))
		var p poller.Poller
		first := batch(t, &p)
		first.Release()
		for range 5 {
			time.Sleep(900 * time.Millisecond)
			b := batch(t, &p)
			if b != first {
				t.Error("it was made anew while it was used")
			}
			b.Release()
		}
		held := batch(t, &p)
		time.Sleep(time.Minute)
		if n := len(ringFiles(t)) - before; n != 1 {
			t.Errorf("%d rings while one is in use", n)
		}
		held.Release()
		time.Sleep(3 * time.Second)
		if n := len(ringFiles(t)) - before; n != 0 {
			t.Errorf("%d rings are left", n)
		}
		for range runtime.GOMAXPROCS(0) + 1 { // those that went do not count
			batch(t, &p).Release()
			time.Sleep(3 * time.Second)
			if n := len(ringFiles(t)) - before; n != 0 {
				t.Errorf("%d rings are left of a later one", n)
			}
		}
		p.Wait()
	})
}

// A process that is out of descriptors has batches as soon as it has some again.
func TestBatchesComeWhenThereAreDescriptors(t *testing.T) {
	var first poller.Poller
	batch(t, &first).Release()
	first.Wait()
	synctest.Test(t, func(t *testing.T) {
		var p poller.Poller
		restore := noDescriptors(t)
		b := p.Batch()
		restore()
		if b != nil {
			t.Fatal("a ring was made without a descriptor")
		}
		if p.Batch() != nil {
			t.Error("the kernel was asked again at once")
		}
		time.Sleep(3 * time.Second)
		batch(t, &p).Release()
		p.Wait()
	})
}

// noDescriptors has no descriptor be opened any more, until restore is called.
func noDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := syscall.Rlimit{Cur: 0, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
	}
}

// ringFiles returns the descriptors of all rings of the process.
func ringFiles(t *testing.T) (fds []int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if name, _ := os.Readlink("/proc/self/fd/" + e.Name()); name == "anon_inode:[io_uring]" {
			fd, _ := strconv.Atoi(e.Name())
			fds = append(fds, fd)
		}
	}
	return fds
}

// After an error nobody tries again.
func TestBrokenBatchIsTheLast(t *testing.T) {
	var p poller.Poller
	b := batch(t, &p)
	c, _ := pair(t, &p)
	h := echo(c)
	for _, fd := range ringFiles(t) {
		_ = syscall.Close(fd)
	}
	b.Plan(c, []byte("x"))
	if b.Write() == nil {
		t.Error("no error")
	}
	if n, err := b.Result(0); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	b.Release()
	if p.Batch() != nil {
		t.Error("there is another")
	}
	_ = c.Close()
	<-h.ended
	p.Wait()
}
