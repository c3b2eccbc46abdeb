package hostile_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// What the promises are in figures, on a machine that has nothing else to do.
const (
	honestEcho = 500 * time.Millisecond
	rssBack    = 24 << 20
)

// TestHeavy runs the large attacks alone and prints what each cost.
func TestHeavy(t *testing.T) {
	if !*heavy {
		t.Skip("run it alone, with -heavy")
	}
	attacks := []attack{
		{name: "nothing, for comparison", run: func(*testing.T, *server) { time.Sleep(2 * time.Second) }},
		{name: "JSON nested 450,000 deep, 20 times", run: func(t *testing.T, s *server) {
			for range 10 {
				cut(`42["echo",`+strings.Repeat("[", 450_000)+strings.Repeat("]", 450_000)+`]`, `42["echo",`+strings.Repeat(`[`, 450_000))(t, s)
			}
		}},
		{name: "1,000 CONNECTs in one write, 100 times", run: func(t *testing.T, s *server) {
			for range 100 {
				w := opened(t, s)
				_, err := w.Write([]byte(strings.Repeat(text("40"), 1000)))
				must(t, err)
				_, err = w.closeCode()
				must(t, err)
				w.Close()
			}
		}},
		{name: "12,000 abandoned dynamic namespaces", run: func(t *testing.T, s *server) {
			crowd(t, 120, 8, func(i int) error {
				w, err := s.webSocket()
				if err != nil {
					return err
				}
				defer w.Close()
				for k := range 100 {
					if err := w.join(fmt.Sprintf("/dynamic-%d", 1000*i+k)); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{name: "8 readers that never read, 150 MB", run: eightDeaf},
		{name: "a million empty fragments, 10 times", run: func(t *testing.T, s *server) {
			all := masked(0x01, "") + strings.Repeat(masked(0x00, ""), 1_000_000)
			for range 10 {
				closes(t, s, all, 1008, 0)
			}
		}},
		{name: "5,000 unused handshakes", run: func(t *testing.T, s *server) {
			before, err := s.residue(true)
			must(t, err)
			crowd(t, 5000, 16, func(int) error {
				a, err := s.do(request("GET", poll, "", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Accept: */*", "Accept-Language: en"))
				if err == nil && a.status != 200 {
					err = fmt.Errorf("status %d", a.status)
				}
				return err
			})
			after, err := s.residue(true)
			must(t, err)
			each := (after.heap - before.heap) / max(after.open-before.open, 1)
			t.Logf("%d sessions, %d bytes of heap each", after.open-before.open, each)
			if after.open-before.open < 1000 || each > 16<<10 {
				t.Errorf("%d sessions of %d bytes each", after.open-before.open, each)
			}
		}},
		{name: "5,000 WebSockets that join nothing", run: idleWebSockets},
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "what\ttook\techo WebSocket\techo polling\tRSS before\tRSS after\tback after\t")
	for _, a := range attacks {
		measure(t, a, out)
	}
	must(t, out.Flush())
}

// measure runs one attack and writes one row.
func measure(t *testing.T, a attack, out io.Writer) {
	s := plain
	before, err := s.baseline()
	must(t, err)
	for _, h := range []*honest{s.ws, s.polling} {
		_, err := h.look()
		must(t, err)
	}
	began := time.Now()
	t.Run(a.name, func(t *testing.T) { a.run(t, s) })
	took := time.Since(began)
	s.ws.served(t)
	s.polling.served(t)
	ws, err := s.ws.look()
	must(t, err)
	polls, err := s.polling.look()
	must(t, err)
	began = time.Now()
	after, ok, err := s.settled(before, heapSlack, 20*time.Second)
	must(t, err)
	if !ok {
		t.Errorf("%s: left behind: %v, before %v", a.name, after, before)
	}
	if ws > honestEcho || polls > honestEcho {
		t.Errorf("%s: an honest echo took %v over WebSocket, %v over polling", a.name, ws, polls)
	}
	if after.rss > before.rss+rssBack {
		t.Errorf("%s: %d MB resident, %d MB before", a.name, after.rss>>20, before.rss>>20)
	}
	const mb = 1 << 20
	fmt.Fprintf(out, "%s\t%v\t%v\t%v\t%.1f MB\t%.1f MB\t%v\t\n", a.name, took.Round(time.Millisecond), ws.Round(time.Millisecond), polls.Round(time.Millisecond),
		float64(before.rss)/mb, float64(after.rss)/mb, time.Since(began).Round(10*time.Millisecond))
}

// eightDeaf has 150 MB sent to eight connections that do not read.
func eightDeaf(t *testing.T, s *server) {
	for range 8 {
		w := joined(t, s)
		must(t, w.send(`421["join","deaf"]`))
		_, err := w.next()
		must(t, err)
	}
	driver := joined(t, s)
	before, err := s.residue(true)
	must(t, err)
	event := `42["roomcast","deaf","` + strings.Repeat("x", 100_000) + `"]`
	most := 0
	var mu sync.Mutex
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				if r, err := s.residue(false); err == nil {
					mu.Lock()
					most = max(most, r.rss)
					mu.Unlock()
				}
			}
		}
	})
	for i := range 1500 {
		must(t, driver.send(event))
		if i%50 == 49 {
			must(t, driver.echo("sent"))
		}
	}
	close(stop)
	watch.Wait()
	t.Logf("resident memory grew by %.1f MB at most", float64(most-before.rss)/(1<<20))
	if grown := most - before.rss; grown > 64<<20 {
		t.Errorf("resident memory grew by %d MB", grown>>20)
	}
}

func idleWebSockets(t *testing.T, s *server) {
	before, err := s.residue(true)
	must(t, err)
	conns := make([]*wsSession, 5000)
	crowd(t, len(conns), 16, func(i int) (err error) {
		conns[i], err = s.webSocket()
		return err
	})
	after, err := s.residue(true)
	must(t, err)
	n := max(after.open-before.open, 1)
	t.Logf("%d sessions, %d bytes of heap and %d of resident memory each", n, (after.heap-before.heap)/n, (after.rss-before.rss)/n)
	if n < 4000 || (after.rss-before.rss)/n > 16<<10 {
		t.Errorf("%d sessions of %d bytes each", n, (after.rss-before.rss)/n)
	}
	for _, c := range conns {
		c.Close()
	}
}
