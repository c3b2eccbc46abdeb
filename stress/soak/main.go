// Soak keeps the fixture server under a steady stream of connections for a
// long time, attacks among them, and measures whether anything grows.
//
//	go run ./stress/soak -for 30m -rate 200
//
// Every second that many connections come, over polling, WebSocket and the
// upgrade between them. They stay for some seconds and go politely, by a cut,
// or without a word; one in five is an attack. Two honest clients ask for an
// echo all the time. What the process holds after a collection of garbage is
// written as a line of JSON every few seconds, and drawn at the end.
//
// It fails when the heap grows by 1 MB per hour or more, when goroutines or
// descriptors grow, when an honest connection is not served, when an attack is
// answered as it must not be, or when something is left at the end.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"time"
)

// flags are the command line.
type flags struct {
	length, warmup, every time.Duration
	rate                  int
	seed                  uint64
	out                   string
	judge                 string
}

func main() {
	var f flags
	flag.DurationVar(&f.length, "for", 30*time.Minute, "how long")
	flag.DurationVar(&f.warmup, "warmup", 0, "how long samples do not count; default a tenth of the time")
	flag.DurationVar(&f.every, "every", 5*time.Second, "time between samples")
	flag.IntVar(&f.rate, "rate", 200, "connections that come per second")
	flag.Uint64Var(&f.seed, "seed", 1, "of the random choices")
	flag.StringVar(&f.out, "out", "", "directory for soak.jsonl, soak.svg and server.log; default a temporary one")
	flag.StringVar(&f.judge, "judge", "", "a soak.jsonl to be judged and drawn again, in place of a run")
	flag.Parse()
	if f.warmup == 0 {
		f.warmup = f.length / 10
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, f, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

var errBroken = errors.New("a bound was broken")

func run(ctx context.Context, f flags, serverFlags []string) (err error) {
	if f.judge != "" {
		return again(f)
	}
	if f.out == "" {
		if f.out, err = os.MkdirTemp("", "soak"); err != nil {
			return err
		}
	} else if err := os.MkdirAll(f.out, 0o755); err != nil {
		return err
	}
	s, err := start(ctx, f.out, serverFlags...)
	if err != nil {
		return err
	}
	var v verdict
	all, err := soak(ctx, s, f, &v)
	err = errors.Join(err, s.stop())
	v.want(err == nil, "the end: %v", err)
	return v.show(all, f)
}

// again judges the samples of a run before.
func again(f flags) error {
	b, err := os.ReadFile(f.judge)
	if err != nil {
		return err
	}
	var all []sample
	for line := range bytes.Lines(b) {
		var s sample
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		all = append(all, s)
	}
	f.out = filepath.Dir(f.judge)
	var v verdict
	v.judge(after(all, f.warmup))
	return v.show(all, f)
}

// show draws the samples and prints what came of them.
func (v *verdict) show(all []sample, f flags) error {
	if len(all) > 1 {
		title := fmt.Sprintf("%v at %d connections per second, one in five of them an attack", f.length, f.rate)
		path := filepath.Join(f.out, "soak.svg")
		if err := os.WriteFile(path, []byte(plot(all, f.warmup.Seconds(), title)), 0o600); err != nil {
			return err
		}
		fmt.Println("plot in", path)
	}
	for _, l := range v.lines {
		fmt.Println("  " + l)
	}
	if len(v.broken) > 0 {
		for _, l := range v.broken {
			fmt.Fprintln(os.Stderr, "  BROKEN:", l)
		}
		return errBroken
	}
	fmt.Println("ok")
	return nil
}

// soak runs the crowd against s and judges what it saw.
func soak(ctx context.Context, s *server, f flags, v *verdict) ([]sample, error) {
	before, err := warmed(s)
	if err != nil {
		return nil, err
	}
	quit := make(chan struct{})
	canaries := []*canary{{name: "WebSocket"}, {name: "polling"}}
	ended := make(chan struct{}, len(canaries))
	for _, k := range canaries {
		go func() {
			k.sing(s.addr, quit)
			ended <- struct{}{}
		}()
	}
	if err := rush(s.addr); err != nil {
		return nil, err
	}
	c := &crowd{addr: s.addr, kinds: map[string]int{}}
	began := time.Now()
	all, err := watch(ctx, s, f, c, canaries)
	took := time.Since(began)
	c.wg.Wait()
	close(quit)
	for range canaries {
		<-ended
	}
	if err != nil {
		return all, err
	}
	v.row("connections", "%d, %.1f per second, %d attacks, %d not opened", c.opened.Load(), float64(c.opened.Load())/took.Seconds(), c.attacks.Load(), c.skipped.Load())
	for _, kind := range c.sorted() {
		v.row("", "%7d %s", c.kinds[kind], kind)
	}
	v.want(c.failed.Load() == 0, "%d connections went wrong: %q", c.failed.Load(), c.wrong)
	v.want(c.skipped.Load() == 0, "%d connections were not opened, as too many were open", c.skipped.Load())
	for _, k := range canaries {
		v.row("echo", "%d over %s, the longest %v, %d above %v", k.n, k.name, k.ever.Round(time.Millisecond), k.over, promise)
		v.want(k.err == nil && k.n > 0, "the honest client over %s: %d echoes, %v", k.name, k.n, k.err)
	}
	v.judge(after(all, f.warmup))
	left, ok, err := s.settled(before)
	v.row("left", "%d goroutines, %d descriptors, heap %+.1f MB, resident %+.1f MB, before and after",
		left.Goroutines-before.Goroutines, left.Descriptors-before.Descriptors, heapOf(left)-heapOf(before), rssOf(left)-rssOf(before))
	v.want(ok, "left behind: %+v, before %+v", left, before)
	v.want(rssOf(left) <= rssOf(before)+rssBack, "%.0f MB resident, %.0f MB before", rssOf(left), rssOf(before))
	return all, err
}

// warmed samples the process after it has served a first client.
func warmed(s *server) (sample, error) {
	for _, websocket := range []bool{true, false} {
		c, err := open(s.addr, websocket)
		if err != nil {
			return sample{}, err
		}
		if err := c.join(); err != nil {
			return sample{}, err
		}
		c.leave()
	}
	now, _, err := s.settled(sample{Goroutines: 1 << 30, Descriptors: 1 << 30})
	return now, err
}

// watch lets the crowd come and takes samples until the time is over.
func watch(ctx context.Context, s *server, f flags, c *crowd, canaries []*canary) (all []sample, err error) {
	out, err := os.Create(filepath.Join(f.out, "soak.jsonl"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	ctx, stop := context.WithTimeout(ctx, f.length)
	defer stop()
	began := time.Now()
	arrivals := make(chan struct{})
	go func() {
		defer close(arrivals)
		c.arrive(ctx, f.rate, f.seed)
	}()
	defer func() { stop(); <-arrivals }()
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return all, nil
		case <-tick.C:
		}
		m, err := s.look()
		if err != nil {
			return all, err
		}
		m.Seconds, m.Opened = time.Since(began).Seconds(), c.opened.Load()
		for _, k := range canaries {
			worst, err := k.look()
			if err != nil {
				return all, fmt.Errorf("the honest client over %s: %w", k.name, err)
			}
			m.Echo = max(m.Echo, float64(worst.Microseconds())/1000)
		}
		all = append(all, m)
		line, _ := json.Marshal(m)
		if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
			return all, err
		}
		if len(all)%12 == 1 {
			fmt.Printf("%6.0f s  opened %-7d open %-5d heap %6.1f MB  resident %6.1f MB  goroutines %-5d descriptors %-5d echo %4.0f ms  wrong %d\n",
				m.Seconds, m.Opened, m.Open, heapOf(m), rssOf(m), m.Goroutines, m.Descriptors, m.Echo, c.failed.Load())
		}
	}
}

// sorted returns the names of what was opened.
func (c *crowd) sorted() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.kinds {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
