// Command check works a store hard, lets it crash, and holds what is left
// against what had been acknowledged.
//
//	go run ./stores/pebble/check -seed 1 -cycles 100
//
// A cycle of the mode "kill" runs the workload in a process of its own and
// kills it with SIGKILL. One of the mode "unsynced" runs it on a file system
// in memory, that forgets in a crash what was not synced. Three crashes of four
// come at a certain operation on the disk, in the middle of an append, a sync, a
// new log, a table, a manifest or a removal; the others at any time. It ends with a
// verdict, and with status 1 when an invariant does not hold; the same seed
// makes the same choices again, though not the same timing.
package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func main() {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, "check: child:", err)
			os.Exit(2)
		}
		return
	}
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "what the random choices begin with")
	cycles := flag.Int("cycles", 50, "cycles of each mode")
	mode := flag.String("mode", "all", "kill, unsynced or all")
	flag.Parse()
	for _, c := range []struct {
		name string
		run  func(io.Writer, uint64, int) error
	}{{"kill", kills}, {"unsynced", func(w io.Writer, seed uint64, cycles int) error { return crashes(w, seed, cycles, honest) }}} {
		if *mode != "all" && *mode != c.name {
			continue
		}
		if err := c.run(os.Stdout, *seed, *cycles); err != nil {
			fmt.Printf("%s: VIOLATED with seed %d: %v\n", c.name, *seed, err)
			os.Exit(1)
		}
	}
}

// generation is how many cycles one store lives; then a new one begins.
const generation = 20

func progress(w io.Writer, mode string, seed uint64, done, of, steps int, begun time.Time) {
	if done%generation == 0 || done == of {
		fmt.Fprintf(w, "%s: seed %d, %d of %d cycles, %d steps, %v\n", mode, seed, done, of, steps, time.Since(begun).Round(time.Millisecond))
	}
}

// kills runs cycles of the mode "kill".
func kills(w io.Writer, seed uint64, cycles int) error {
	r := rand.New(rand.NewPCG(seed, 1))
	begun, total := time.Now(), 0
	dir, m, deaths := "", (*model)(nil), make(tally)
	for i := range cycles {
		if i%generation == 0 {
			if dir != "" {
				os.RemoveAll(dir)
			}
			var err error
			if dir, err = os.MkdirTemp("", "roomwire-check-"); err != nil {
				return err
			}
			m = newModel()
		}
		steps, err := killCycle(dir, m, r)
		if err != nil {
			return fmt.Errorf("cycle %d, store left in %s: %w", i, dir, err)
		}
		total += steps
		deaths.count(m)
		progress(w, "kill", seed, i+1, cycles, total, begun)
	}
	os.RemoveAll(dir)
	fmt.Fprintf(w, "kill: held: %d cycles, %d steps, 0 acknowledged messages lost, 0 doubled, 0 out of order; %s\n", cycles, total, deaths)
	return nil
}

// A tally counts for what the cycles were meant, and what was published again.
type tally map[string]int

func (t tally) count(m *model) {
	kind := m.plan.Die.Kind
	if kind == "" {
		kind = "no place"
	}
	t[kind]++
	t["repeats"] += m.repeats
	m.repeats = 0
}

// String tells the counts.
func (t tally) String() string {
	text := fmt.Sprintf("%d publishes repeated; crashes aimed at:", t["repeats"])
	for _, kind := range slices.Sorted(maps.Keys(t)) {
		if kind != "repeats" {
			text += fmt.Sprintf(" %s %d,", kind, t[kind])
		}
	}
	return strings.TrimSuffix(text, ",")
}

// honest is a disk that does what it says.
func honest(fs vfs.FS) vfs.FS { return fs }

// crashes runs cycles of the mode "unsynced".
func crashes(w io.Writer, seed uint64, cycles int, disk func(vfs.FS) vfs.FS) error {
	r := rand.New(rand.NewPCG(seed, 2))
	begun, total := time.Now(), 0
	var (
		fs     *vfs.MemFS
		m      *model
		deaths = make(tally)
	)
	for i := range cycles {
		if i%generation == 0 {
			fs, m = vfs.NewCrashableMem(), newModel()
		}
		left, steps, err := crashCycle(fs, disk, m, r)
		if err != nil {
			return fmt.Errorf("cycle %d: %w", i, err)
		}
		fs = left
		total += steps
		deaths.count(m)
		progress(w, "unsynced", seed, i+1, cycles, total, begun)
	}
	fmt.Fprintf(w, "unsynced: held: %d cycles, %d steps, 0 acknowledged messages lost, 0 doubled, 0 out of order; %s\n", cycles, total, deaths)
	return nil
}
