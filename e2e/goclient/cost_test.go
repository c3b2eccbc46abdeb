package goclient_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
)

// A cost is what a process of clients has done, and the CPU time it took.
type cost struct {
	Ops int64 `json:"ops"`
	CPU int64 `json:"cpu"` // µs
}

func (c cost) perOp() float64 { return float64(c.CPU) / float64(c.Ops) }

const costClients = 100

// TestEchoCost measures the CPU time that 100 clients need for an echo with an
// acknowledgement from either server: clients of Go, on one core as Node.js is
// and on all, each time beside those of Node.js, once all are warm. The official
// server is slower than its clients, so that these sleep between two messages.
// COST_ROUNDS=5 runs it, alone on a machine.
func TestEchoCost(t *testing.T) {
	if url := os.Getenv("COST_URL"); url != "" {
		echoes(t, url)
		return
	}
	rounds := size("COST_ROUNDS", 0)
	if rounds == 0 {
		t.Skip("COST_ROUNDS is not set")
	}
	for name, start := range map[string]func(testing.TB, serverOptions, int) *server{"official server": startNode, "our server": startGo} {
		t.Run(name, func(t *testing.T) { compareCost(t, start(t, serverOptions{}, 0).url, rounds) })
	}
}

// compareCost measures clients of one server side by side.
func compareCost(t *testing.T, url string, rounds int) {
	measured := func(cmd *exec.Cmd) cost {
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var c cost
		if err := json.NewDecoder(bytes.NewReader(out)).Decode(&c); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return c
	}
	ours := func(env ...string) cost {
		cmd := exec.Command(os.Args[0], "-test.run=^TestEchoCost$")
		cmd.Env = append(os.Environ(), append(env, "COST_URL="+url)...)
		return measured(cmd)
	}
	var one, all []float64
	for range rounds {
		node := measured(exec.Command("node", "cost.cjs", url, fmt.Sprint(costClients), fmt.Sprint(size("COST_ECHOES", 40000))))
		narrow, wide := ours("GOMAXPROCS=1"), ours()
		one = append(one, narrow.perOp()/node.perOp())
		all = append(all, wide.perOp()/node.perOp())
		t.Logf("CPU per echo: Node.js %.2f µs; Go on one core %.2f µs, %.2f of it; on %d cores %.2f µs, %.2f of it",
			node.perOp(), narrow.perOp(), one[len(one)-1], runtime.NumCPU(), wide.perOp(), all[len(all)-1])
	}
	slices.Sort(one)
	slices.Sort(all)
	t.Logf("medians: on one core %.2f, on %d cores %.2f", one[rounds/2], runtime.NumCPU(), all[rounds/2])
}

func echoes(t *testing.T, url string) {
	sockets := make([]*client.Socket, costClients)
	for i := range sockets {
		c := client.New(url, &client.Options{Engine: engine.DialOptions{Transports: []string{"websocket"}}})
		defer c.Close()
		sockets[i] = c.Of("/")
		if err := sockets[i].Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	round := func(n int) {
		var wg sync.WaitGroup
		for _, s := range sockets {
			wg.Go(func() {
				for range n / costClients {
					if v, err := client.Call[string](t.Context(), s, "echo", "hello"); err != nil || v != "hello" {
						t.Error(v, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	n := size("COST_ECHOES", 40000)
	round(n / 4)
	before := cpuTime()
	round(n)
	_ = json.NewEncoder(os.Stdout).Encode(cost{int64(n), cpuTime() - before})
}

// cpuTime returns the CPU time of this process, in µs.
func cpuTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for a wrong address only
	return u.Utime.Nano()/1000 + u.Stime.Nano()/1000
}
