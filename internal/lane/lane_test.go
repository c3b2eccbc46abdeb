package lane_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/internal/lane"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWorkRunsInOrder(t *testing.T) {
	var got []int
	l := lane.New(8, func(batch []int) { got = append(got, batch...) })
	var want []int
	for i := range 1000 {
		want = append(want, i)
		if err := l.Put(t.Context(), i, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %d pieces out of order or incomplete", len(got))
	}
}

func TestPiecesOfManyGoroutinesAllRunOneAtATime(t *testing.T) {
	sum, inside := 0, 0 // not guarded: the race detector and the count tell
	l := lane.New(4, func(batch []int) {
		inside++
		for _, v := range batch {
			sum += v
		}
		if inside != 1 {
			t.Error("two batches at once")
		}
		inside--
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if err := l.Put(t.Context(), 1, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sum != 4000 {
		t.Fatalf("sum is %d, want 4000", sum)
	}
}

func TestFullLaneMakesPutWaitUntilItsContextIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		l := lane.New(1, func([]int) { <-release })
		must(t, l.Put(t.Context(), 1, 1))
		synctest.Wait() // the first piece runs now, so the second one waits
		must(t, l.Put(t.Context(), 2, 1))
		if l.TryPut(3, 1, nil) {
			t.Error("TryPut found a place in a full lane")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Put(ctx, 3, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put returned %v", err)
		}
		close(release)
		must(t, l.Put(t.Context(), 4, 1))
		must(t, l.Close(t.Context()))
	})
}

func TestCostBoundsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		l := lane.New(10, func([]int) { <-release })
		must(t, l.Put(t.Context(), 1, 1))
		synctest.Wait()
		if !l.TryPut(2, 100, nil) {
			t.Error("an empty queue refused a piece that costs more than its size")
		}
		if l.TryPut(3, 1, nil) {
			t.Error("a full lane took a piece")
		}
		l.Force(4)
		if n := l.Len(); n != 2 {
			t.Errorf("%d pieces wait, want 2", n)
		}
		close(release)
		must(t, l.Close(t.Context()))
	})
}

func TestClosedLaneRefusesWork(t *testing.T) {
	l := lane.New(1, func([]int) {})
	must(t, l.Close(t.Context()))
	if err := l.Put(t.Context(), 1, 1); !errors.Is(err, lane.ErrClosed) {
		t.Errorf("Put returned %v", err)
	}
	if l.TryPut(1, 1, nil) {
		t.Error("TryPut queued work in a closed lane")
	}
}

func TestCloseStopsWaitingWhenItsContextIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		l := lane.New(1, func([]int) { <-release })
		must(t, l.Put(t.Context(), 1, 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close returned %v", err)
		}
		close(release)
		must(t, l.Close(t.Context()))
	})
}

func TestSteadyWorkDoesNotAllocate(t *testing.T) {
	done := make(chan struct{})
	l := lane.New(8, func(batch []int) {
		for range batch {
			done <- struct{}{}
		}
	})
	n := testing.AllocsPerRun(200, func() {
		_ = l.Put(context.Background(), 1, 1)
		<-done
	})
	must(t, l.Close(t.Context()))
	if n > 0 {
		t.Errorf("%v allocations per piece", n)
	}
}

func TestCrewRunsEveryLaneAlthoughOneBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var crew lane.Crew
		release := make(chan struct{})
		var stuck, free [10]lane.Lane[int]
		done := make(chan int, 1000)
		for i := range stuck {
			stuck[i].Init(4, func([]int) { <-release }, &crew)
			free[i].Init(1000, func(batch []int) {
				for _, v := range batch {
					done <- v
				}
			}, &crew)
		}
		for i := range stuck {
			must(t, stuck[i].Put(t.Context(), i, 1))
			for range 100 {
				must(t, free[i].Put(t.Context(), i, 1))
			}
		}
		for range 1000 { // a lane that had to wait for a stuck one would deadlock the bubble
			<-done
		}
		close(release)
		for i := range stuck {
			must(t, stuck[i].Close(t.Context()))
			must(t, free[i].Close(t.Context()))
		}
		crew.Close()
		crew.Wait()
	})
}

// A host does the job that it takes when it is told to.
type host struct {
	full bool
	job  lane.Job
}

func (h *host) Defer(job lane.Job) bool {
	if h.full {
		return false
	}
	h.job, h.full = job, true
	return true
}

func TestHostWorksWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var crew lane.Crew
		var l lane.Lane[int]
		var got []int
		here := goroutine()
		began, release := make(chan string, 10), make(chan bool)
		l.Init(4, func(batch []int) {
			began <- goroutine()
			<-release
			got = append(got, batch...)
		}, &crew)
		put := func(v int, h lane.Host) {
			t.Helper()
			if !l.TryPut(v, 1, h) {
				t.Fatalf("no place for %d", v)
			}
		}
		h := &host{}
		put(1, h)
		put(2, h) // which the work that was deferred does as well
		go func() { release <- true }()
		h.job.Do()
		if who := <-began; who != here {
			t.Errorf("%s did the work of a host, want %s", who, here)
		}

		put(3, h) // has enough to do
		if who := <-began; who == here {
			t.Error("a host that refused did the work")
		}
		release <- true
		synctest.Wait()

		h.full = false
		put(4, h)
		h.job.Pass()
		if who := <-began; who == here {
			t.Error("a host that passed did the work")
		}
		release <- true
		synctest.Wait()

		h.full = false
		put(5, h)
		go h.job.Do()
		<-began
		crew.Close()
		waited := make(chan bool)
		go func() { crew.Wait(); close(waited) }()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("the crew did not wait for the host")
		default:
		}
		release <- true
		<-waited
		if want := []int{1, 2, 3, 4, 5}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// goroutine returns the name of the one that calls it.
func goroutine() string {
	var stack [64]byte
	name, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), " [")
	return name
}

// As many goroutines as can run at once, and one that is on its way, do all of
// the work that comes in bursts, and end when nothing comes.
func TestCrewKeepsGoroutinesFromBurstToBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var crew lane.Crew
		var names sync.Map
		lanes := make([]lane.Lane[int], 20)
		for i := range lanes {
			lanes[i].Init(4, func([]int) { names.Store(goroutine(), true) }, &crew)
		}
		most := runtime.GOMAXPROCS(0) + 1
		const bursts = 100
		for range bursts {
			for i := range lanes {
				must(t, lanes[i].Put(t.Context(), 1, 1))
			}
			synctest.Wait()
		}
		stacks := make([]byte, 1<<20)
		if n := strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "lane.(*Crew).work("); n == 0 || n > most {
			t.Errorf("%d goroutines are there without work", n)
		}
		n := 0
		names.Range(func(any, any) bool { n++; return true })
		if n > bursts { // the system may hold some up in the middle of a job
			t.Errorf("%d goroutines did what %d can do", n, most)
		}
		since := time.Now()
		crew.Wait()
		if d := time.Since(since); d < time.Second || d > 2*time.Second {
			t.Errorf("they stayed for %v without work", d)
		}
	})
}

// One goroutine does what comes now and then, and ends when nothing comes.
func TestCrewKeepsOneGoroutineForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var crew lane.Crew
		names := make(chan string, 1)
		var l lane.Lane[int]
		l.Init(4, func([]int) { names <- goroutine() }, &crew)
		at := func() string {
			must(t, l.Put(t.Context(), 1, 1))
			defer synctest.Wait()
			return <-names
		}
		first := at()
		for range 10 {
			time.Sleep(900 * time.Millisecond)
			if again := at(); again != first {
				t.Fatalf("%s did the work, and %s before", again, first)
			}
		}
		before := time.Now()
		crew.Wait()
		if d := time.Since(before); d < time.Second || d > 2*time.Second {
			t.Errorf("it stayed for %v without work", d)
		}
		at()
		crew.Close()
		before = time.Now()
		crew.Wait()
		at()
		crew.Wait()
		if d := time.Since(before); d != 0 {
			t.Errorf("it stayed for %v after Close", d)
		}
	})
}

func BenchmarkCrewOfManyLanes(b *testing.B) {
	var crew lane.Crew
	lanes := make([]lane.Lane[int], 1000)
	var done sync.WaitGroup
	for i := range lanes {
		lanes[i].Init(8, func(batch []int) { done.Add(-len(batch)) }, &crew)
	}
	for b.Loop() {
		done.Add(len(lanes))
		for i := range lanes {
			lanes[i].TryPut(1, 1, nil)
		}
		done.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(lanes)), "ns/piece")
	crew.Close()
	crew.Wait()
}

func BenchmarkPut(b *testing.B) {
	done := make(chan struct{}, 1)
	l := lane.New(8, func(batch []int) {
		for range batch {
			done <- struct{}{}
		}
	})
	for b.Loop() {
		_ = l.Put(context.Background(), 1, 1)
		<-done
	}
	_ = l.Close(context.Background())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestHelpIsWaitedFor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var h lane.Help
	var done atomic.Int32
	h.Wait() // nobody was asked
	h.Ask(func() { runtime.Gosched(); done.Add(1) })
	h.Wait()
	if n := done.Load(); n != 3 {
		t.Errorf("Wait returned after %d of 3", n)
	}
}

func TestPanicOfHelpReachesWhoWaits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	defer func() {
		if v := recover(); v != "oh" {
			t.Errorf("Wait panicked with %v", v)
		}
	}()
	var h lane.Help
	h.Ask(func() { panic("oh") })
	h.Wait()
	t.Error("Wait returned")
}
