// Stress keeps a server busy with everything at once and checks it against
// what has to come of it: clients on all transports, some that stay, some that
// come and go, some that are cut, some that never read; rooms, broadcasts with
// exceptions, acknowledgements both ways, binary, upgrades in flight, handlers
// that panic.
//
//	go run -race ./stress -seed 1 -for 20s
//
// Clients that stay get every event of their rooms exactly once, in the order
// of its sender, with its own bytes. At the end nothing is left. The seed
// decides who does what; the machine decides when.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"time"
)

func main() {
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()%1e6), "of the random choices")
	length := flag.Duration("for", 20*time.Second, "how long")
	stay := flag.Int("stay", 24, "clients that stay")
	churn := flag.Int("churn", 16, "clients that come and go")
	quiet := flag.Bool("q", false, "print the last line only")
	flag.Parse()
	if !run(*seed, *length, *stay, *churn, *quiet) {
		fmt.Fprintf(os.Stderr, "again with: go run -race ./stress -seed %d -for %v -stay %d -churn %d\n", *seed, *length, *stay, *churn)
		os.Exit(1)
	}
}

// run does it all and reports whether everything was right.
func run(seed uint64, length time.Duration, stay, churn int, quiet bool) bool {
	before := held()
	w, err := newWorld(seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stress:", err)
		return false
	}
	began := time.Now()
	show := newDisplay(w, quiet)
	show.title(seed, length, stay, churn)
	ctx, stop := context.WithTimeout(context.Background(), length)
	defer stop()

	steady := make([]*steadyClient, stay)
	for i := range steady {
		if steady[i], err = w.newSteady(ctx, i); err != nil {
			w.fail("client %d cannot connect: %v", i, err)
			stop()
			steady = steady[:i]
			break
		}
	}
	var clients, helpers sync.WaitGroup
	for _, c := range steady {
		clients.Go(func() { c.run(ctx) })
	}
	for i := range churn {
		clients.Go(func() { w.comeAndGo(ctx, i) })
	}
	for i := range max(2, churn/4) {
		clients.Go(func() { w.flaky(ctx, i) })
	}
	for range 2 {
		clients.Go(func() { w.neverRead(ctx) })
	}
	over, quit := context.WithCancel(context.Background())
	helpers.Go(func() { w.flood(over) })
	helpers.Go(func() { show.progress(over) })
	clients.Wait()
	w.drain(steady)
	quit()
	helpers.Wait()
	for _, c := range steady {
		c.close()
	}
	w.check(steady)
	w.empty()
	w.stop()
	left, ok := settled(before)
	if !ok {
		buf := make([]byte, 1<<20)
		w.fail("left behind: %v, before %v\n%s", left, before, buf[:runtime.Stack(buf, true)])
	}
	return show.summary(seed, time.Since(began), left)
}

// rng is the random choices of one of those who make them.
func (w *world) rng(kind, i uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, kind<<32|i)) }

// Kinds of those who choose.
const (
	kindSteady = iota
	kindChurn
	kindFlaky
)

// A holding is what a process holds.
type holding struct{ goroutines, descriptors int }

func held() holding {
	files, _ := os.ReadDir("/proc/self/fd") // 0 where there is no such thing
	return holding{runtime.NumGoroutine(), len(files)}
}

func (h holding) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors", h.goroutines, h.descriptors)
}

// settled waits until the process holds no more than before. The network
// poller keeps one or two descriptors of its own.
func settled(before holding) (now holding, ok bool) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		now = held()
		if now.goroutines <= before.goroutines && now.descriptors <= before.descriptors+2 {
			return now, true
		}
		if time.Now().After(deadline) {
			return now, false
		}
	}
}
