package engine_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/roomwire/roomwire/engine"
)

// inBothWays runs a test with io_uring, where the kernel allows that, and without.
func inBothWays(t *testing.T, test func(t *testing.T, o *engine.Options)) {
	t.Run("one write each", func(t *testing.T) { test(t, &engine.Options{NoIOUring: true}) })
	t.Run("io_uring", func(t *testing.T) {
		f := newFixture(t, nil)
		_, conns := crowd(f, 4)
		broadcast(f, conns, text("x"), 0)
		if rings() == 0 {
			t.Skip("this kernel does not allow io_uring")
		}
		test(t, &engine.Options{})
	})
}

// rings returns how many rings the process has.
func rings() (n int) {
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, e := range fds {
		if name, _ := os.Readlink("/proc/self/fd/" + e.Name()); name == "anon_inode:[io_uring]" {
			n++
		}
	}
	return n
}

// crowd connects n clients.
func crowd(f *fixture, n int) (clients []*raw, conns []*engine.Conn) {
	f.t.Helper()
	for range n {
		r, s := f.connect()
		clients, conns = append(clients, r), append(conns, s.c)
	}
	return clients, conns
}

func broadcast(f *fixture, conns []*engine.Conn, m engine.Message, mode engine.Mode) []error {
	errs := make([]error, len(conns))
	for i := range errs {
		errs[i] = errors.New("not set")
	}
	f.srv.Broadcast(conns, engine.Prepare(m), mode, errs)
	return errs
}

func wantErrors(t *testing.T, got []error, want ...error) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Whatever state a connection is in, it gets what Send would have given it.
func TestBroadcastIsSendToEach(t *testing.T) {
	inBothWays(t, func(t *testing.T, o *engine.Options) {
		f := newFixture(t, o)
		idle, a := f.connect()
		queued, b := f.connect()
		large, c := f.connect()
		stuck, d, n := stall(t, f)
		sid, e := f.open()
		away, gone := f.connect()
		_ = away.Conn.Close()
		<-gone.closed
		conns := []*engine.Conn{a.c, b.c, c.c, d.c, e.c, gone.c, a.c}

		_ = b.c.SendMessage(false, []byte("before"), engine.Later)
		_ = c.c.SendMessage(false, []byte(strings.Repeat("y", 100_000)), engine.Later)
		wantErrors(t, broadcast(f, conns, text("one"), 0), nil, nil, nil, nil, nil, engine.ErrClosed, nil)
		wantErrors(t, broadcast(f, conns, text("two"), engine.Volatile), nil, nil, nil, engine.ErrDropped, engine.ErrDropped, engine.ErrClosed, nil)
		wantErrors(t, broadcast(f, conns, text("three"), engine.Later), nil, nil, nil, nil, nil, engine.ErrClosed, nil)
		wantErrors(t, broadcast(f, conns, binary("four"), 0), nil, nil, nil, nil, nil, engine.ErrClosed, nil)

		for _, what := range []string{"one", "one", "two", "two", "three", "three"} {
			idle.wantFrame(1, "4"+what)
		}
		idle.wantFrame(2, "four")
		for _, what := range []string{"before", "one", "two", "three"} {
			queued.wantFrame(1, "4"+what)
		}
		large.wantFrame(1, "4"+strings.Repeat("y", 100_000))
		for _, what := range []string{"one", "two", "three"} {
			large.wantFrame(1, "4"+what)
		}
		for range n {
			stuck.wantFrame(2, strings.Repeat("x", 32<<10))
		}
		stuck.wantFrame(1, "4one")
		stuck.wantFrame(1, "4three")
		wantAnswer(t, "poll", f.get(sid), 200, "4one\x1e4three\x1ebZm91cg==")
		if dropped := f.srv.Stats().Dropped; dropped != 2 {
			t.Errorf("%d dropped", dropped)
		}
	})
}

// What the kernel takes in part is completed, in order.
func TestBroadcastsToOneThatReadsSlowlyAreComplete(t *testing.T) {
	inBothWays(t, func(t *testing.T, o *engine.Options) {
		f := newFixture(t, o)
		clients, conns := crowd(f, 5)
		filler := strings.Repeat("z", 3000)
		n := 0
		for ; conns[0].Buffered() < 100_000; n++ {
			for i, err := range broadcast(f, conns, text(fmt.Sprint(n, filler)), 0) {
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					clients[i].wantFrame(1, fmt.Sprint("4", n, filler))
				}
			}
		}
		for i := range n {
			clients[0].wantFrame(1, fmt.Sprint("4", i, filler))
		}
	})
}

// A small message waits, and a large one follows it.
func TestBroadcastThatDoesNotFitFollowsWhatDoes(t *testing.T) {
	inBothWays(t, func(t *testing.T, o *engine.Options) {
		f := newFixture(t, o)
		clients, conns := crowd(f, 5)
		large := strings.Repeat("w", 100_000)
		for range 20 { // as a writer may be faster
			for _, c := range conns {
				_ = c.SendMessage(false, []byte("small"), engine.Later)
			}
			broadcast(f, conns, text(large), 0)
			for _, r := range clients {
				r.wantFrame(1, "4small")
				r.wantFrame(1, "4"+large)
			}
		}
	})
}

// Broadcasts that meet each other, with members in different orders, and sends
// to single connections: each sender's messages arrive in its order.
func TestBroadcastsKeepTheOrderOfEachSender(t *testing.T) {
	const clients, messages = 12, 300
	inBothWays(t, func(t *testing.T, o *engine.Options) {
		f := newFixture(t, o)
		raws, conns := crowd(f, clients)
		backwards := slices.Clone(conns)
		slices.Reverse(backwards)
		var senders sync.WaitGroup
		for who, to := range [][]*engine.Conn{conns, backwards, append(conns[6:], conns[:6]...)} {
			senders.Go(func() {
				for i := range messages {
					mode := engine.Mode(0)
					if i%4 == who {
						mode = engine.Later
					}
					for _, err := range broadcast(f, to, text(fmt.Sprint(who, " ", i)), mode) {
						if err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		senders.Go(func() {
			for i := range messages {
				for _, c := range conns {
					if err := c.SendMessage(false, fmt.Append(nil, 3, " ", i), 0); err != nil {
						t.Error(err)
					}
				}
			}
		})
		for _, r := range raws {
			var next [4]int
			for range 4 * messages {
				var who, i int
				_, p := r.frame()
				if _, err := fmt.Sscanf(p, "4%d %d", &who, &i); err != nil {
					t.Fatalf("%q: %v", p, err)
				}
				if i != next[who] {
					t.Fatalf("of %d came %d, want %d", who, i, next[who])
				}
				next[who]++
			}
		}
		senders.Wait()
	})
}

func TestBroadcastsToThoseWhoLeave(t *testing.T) {
	inBothWays(t, func(t *testing.T, o *engine.Options) {
		f := newFixture(t, o)
		raws, conns := crowd(f, 40)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for range 200 {
					for _, err := range broadcast(f, conns, text("x"), 0) {
						if err != nil && err != engine.ErrClosed {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Go(func() {
			for i, r := range raws {
				if i%2 == 0 {
					_ = r.Conn.Close()
				} else {
					conns[i].Close(nil)
				}
			}
		})
		all.Wait()
	})
}

func TestHookSeesBroadcasts(t *testing.T) {
	inBothWays(t, func(t *testing.T, o *engine.Options) {
		seen := map[*engine.Conn]int{}
		var mu sync.Mutex
		o.Hooks.Packet = func(c *engine.Conn, out bool, typ byte, size int) {
			mu.Lock()
			defer mu.Unlock()
			if out && typ == '4' && size == 5 {
				seen[c]++
			}
		}
		f := newFixture(t, o)
		_, conns := crowd(f, 5)
		broadcast(f, conns, text("hello"), 0)
		mu.Lock()
		defer mu.Unlock()
		for i, c := range conns {
			if seen[c] != 1 {
				t.Errorf("%d: %d times", i, seen[c])
			}
		}
		if st := f.srv.Stats(); st.PacketsOut != 2*5 || st.BytesOut < 5*5 {
			t.Errorf("%+v", st)
		}
	})
}

// A ring writes only to connections that the poller reads.
func TestBroadcastToOthersMakesNoRing(t *testing.T) {
	f := newFixture(t, &engine.Options{Readers: 100})
	clients, conns := crowd(f, 8)
	before := rings()
	broadcast(f, conns, text("x"), 0)
	if n := rings() - before; n != 0 {
		t.Errorf("%d rings", n)
	}
	for _, c := range clients {
		c.wantFrame(1, "4x")
	}
}

func TestClosedServerHasNoRing(t *testing.T) {
	f := newFixture(t, nil)
	_, conns := crowd(f, 4)
	before := rings()
	broadcast(f, conns, text("x"), 0)
	used := rings() - before
	if err := f.srv.Close(); err != nil {
		t.Fatal(err)
	}
	wantErrors(t, broadcast(f, conns, text("x"), 0), engine.ErrClosed, engine.ErrClosed, engine.ErrClosed, engine.ErrClosed)
	if n := rings() - before; n != 0 {
		t.Errorf("%d rings are left of %d", n, used)
	}
}
