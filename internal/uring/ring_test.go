//go:build linux && !android

package uring_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/internal/uring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newRing returns a ring, or skips the test where there is none.
func newRing(t *testing.T, n int) *uring.Ring {
	t.Helper()
	r, err := uring.New(n)
	if errors.Is(err, uring.ErrUnsupported) {
		t.Skip("this kernel does not allow io_uring: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sockets returns both ends of a stream, the first of which does not block.
func sockets(t *testing.T) (fd int32, peer *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	peer = os.NewFile(uintptr(fds[1]), "peer")
	t.Cleanup(func() { _, _ = syscall.Close(fds[0]), peer.Close() })
	return int32(fds[0]), peer
}

func wantResult(t *testing.T, r *uring.Ring, i, n int, err error) {
	t.Helper()
	if gotN, gotErr := r.Result(i); gotN != n || gotErr != err {
		t.Errorf("send %d: %d, %v, want %d, %v", i, gotN, gotErr, n, err)
	}
}

// More rounds than the queues have places, of different sizes.
func TestSendsGoOutTogether(t *testing.T) {
	const size = 8
	r := newRing(t, size)
	defer r.Close()
	var fds [size]int32
	var peers [size]*os.File
	for i := range size {
		fds[i], peers[i] = sockets(t)
	}
	for round := range 100 {
		n := round % (size + 1)
		what := make([][]byte, n)
		for i := range n {
			what[i] = fmt.Appendf(nil, "round %d to %d", round, i)
			r.Send(fds[i], what[i])
		}
		if err := r.Submit(); err != nil {
			t.Fatal(err)
		}
		for i, b := range what {
			wantResult(t, r, i, len(b), nil)
			got := make([]byte, len(b))
			if _, err := io.ReadFull(peers[i], got); err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%d received %q, %v, want %q", i, got, err, b)
			}
		}
		r.Reset()
	}
}

func TestEachSendHasItsOwnResult(t *testing.T) {
	r := newRing(t, 8)
	defer r.Close()
	open, peer := sockets(t)
	full, _ := sockets(t)
	gone, other := sockets(t)
	_ = other.Close()
	big := make([]byte, 4<<20)

	r.Send(full, big)
	if err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Result(0); n == 0 || n >= len(big) || err != nil {
		t.Errorf("of a large one the kernel took %d, %v", n, err)
	}
	r.Reset()

	r.Send(full, big)
	r.Send(gone, []byte("a"))
	r.Send(open, []byte("bc"))
	r.Send(1<<30, []byte("d"))
	if err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	wantResult(t, r, 0, 0, nil)
	wantResult(t, r, 1, 0, syscall.EPIPE)
	wantResult(t, r, 2, 2, nil)
	wantResult(t, r, 3, 0, syscall.EBADF)
	got := make([]byte, 2)
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != "bc" {
		t.Errorf("received %q, %v", got, err)
	}
}

// What a broken ring did not do can be done in another way.
func TestBrokenRingSaysWhatItHasNotDone(t *testing.T) {
	r := newRing(t, 4)
	uring.Break(r)
	fd, _ := sockets(t)
	r.Send(fd, []byte("a"))
	r.Send(fd, []byte("b"))
	if err := r.Submit(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("submitted: %v", err)
	}
	wantResult(t, r, 0, 0, nil)
	wantResult(t, r, 1, 0, nil)
	r.Close()
}

func TestNoRingIsAnErrorOfItsOwn(t *testing.T) {
	if r, err := uring.New(0); r != nil || !errors.Is(err, uring.ErrUnsupported) {
		t.Errorf("%v, %v", r, err)
	}
}
