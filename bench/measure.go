package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/roomwire/roomwire/bench/load"
	"github.com/roomwire/roomwire/bench/report"
)

// bencher is one session under way.
type bencher struct {
	o       options
	place   placement
	peers   []peer
	plans   []plan
	session report.Session
	runs    []report.Run
	raw     *os.File
	show    *display
}

func measure(ctx context.Context, root string, o options) error {
	b := &bencher{o: o, place: anywhere, show: newDisplay(os.Stderr)}
	err := b.choose()
	if err != nil {
		return err
	}
	if b.session, err = newSession(o); err != nil {
		return err
	}
	if err := b.prepare(ctx, root); ctx.Err() != nil {
		return errInterrupted
	} else if err != nil {
		return err
	}
	if err := b.arrange(); err != nil {
		return err
	}
	if b.o.out == "" {
		name := b.session.Started.UTC().Format("20060102-150405")
		if o.quick {
			name = "quick-" + name
		}
		b.o.out = filepath.Join(root, "bench", "results", name)
	}
	if err := os.MkdirAll(filepath.Dir(b.o.out), 0o755); err != nil {
		return err
	}
	raw, err := os.Create(b.o.out + ".jsonl")
	if err != nil {
		return err
	}
	defer raw.Close()
	b.raw = raw
	if err := b.line(b.session); err != nil {
		return err
	}
	err = b.rounds(ctx)
	b.show.done()
	if ctx.Err() != nil {
		err = errInterrupted
	}
	if len(b.runs) == 0 {
		return errors.Join(err, os.Remove(raw.Name()))
	}
	return errors.Join(err, present(b.o.out, b.session, b.runs), b.failures())
}

var errInterrupted = errors.New("interrupted, the figures are those so far")

// choose takes the rows and servers of the command line.
func (b *bencher) choose() error {
	all := peers()
	if b.o.next {
		all = nextPeers()
		if b.o.rows == "" {
			b.o.rows = nextRows
		}
	}
	for _, p := range plans {
		if b.o.rows == "" && b.o.quick && !p.quick || !chosenRow(b.o.rows, p.row) {
			continue
		}
		b.plans = append(b.plans, p)
	}
	for _, p := range all {
		if b.o.servers == "" || slices.Contains(items(b.o.servers), p.name()) {
			b.peers = append(b.peers, p)
		}
	}
	if len(b.plans) == 0 || len(b.peers) == 0 {
		return errors.New("no row or no server is left")
	}
	return nil
}

// chosenRow matches a row by its id, or by the beginning of it unless that is
// another row's id.
func chosenRow(list, id string) bool {
	return list == "" || slices.ContainsFunc(items(list), func(item string) bool {
		return item == id || strings.HasPrefix(id, item) && titleOf(item) == item
	})
}

func items(list string) []string {
	all := strings.Split(list, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// prepare builds the servers; what cannot be built is left out, said loudly.
func (b *bencher) prepare(ctx context.Context, root string) error {
	var ready []peer
	for _, p := range b.peers {
		b.show.say("preparing " + p.name())
		version, err := p.prepare(ctx, root)
		if ctx.Err() != nil {
			b.show.done()
			return ctx.Err()
		}
		if err != nil {
			b.show.warn(fmt.Sprintf("%s is left out: %v", p.name(), err))
			continue
		}
		b.session.Versions[p.name()] = version
		ready = append(ready, p)
	}
	if b.peers = ready; len(ready) == 0 {
		return errors.New("no server could be prepared")
	}
	return nil
}

// arrange sets what the whole process needs: descriptors and the cores.
func (b *bencher) arrange() error {
	files, err := raiseFiles()
	if err != nil {
		return err
	}
	b.plans = slices.DeleteFunc(b.plans, func(p plan) bool {
		need := uint64(p.load.Clients+p.load.Paused) + 500
		if need > files {
			b.show.warn(fmt.Sprintf("%s is left out: %d descriptors are allowed, it needs %d (ulimit -Hn)", p.row, files, need))
		}
		return need > files
	})
	if !b.o.unpinned {
		b.place, err = pin()
	}
	return err
}

// rounds runs every row on every server in turn, and all of it once per round.
func (b *bencher) rounds(ctx context.Context) error {
	total := 0
	for _, p := range b.plans {
		for _, peer := range b.peers {
			if peer.speaks(p.load) {
				total += b.o.rounds
			}
		}
	}
	b.show.begin(total)
	for round := 1; round <= b.o.rounds; round++ {
		for i := range b.plans {
			for _, peer := range b.peers {
				if !peer.speaks(b.plans[i].load) {
					continue
				}
				run := b.once(ctx, round, &b.plans[i], peer)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				b.runs = append(b.runs, run)
				if err := b.line(run); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// once measures one row on one fresh server.
func (b *bencher) once(ctx context.Context, round int, p *plan, peer peer) report.Run {
	run := report.Run{Round: round, Row: p.row, Server: peer.name(), At: time.Now().UTC()}
	b.show.next(round, b.o.rounds, titleOf(p.row), peer.name())
	runtime.GC()
	c := p.config(b.o.quick)
	srv, err := start(ctx, peer, c, b.place)
	if err != nil {
		if ctx.Err() == nil {
			run.Error = err.Error()
			b.show.warn(fmt.Sprintf("%s, %s: %v", p.row, peer.name(), err))
		}
		return run
	}
	defer srv.stop(ctx)
	c.URL, c.PID, c.Protocol = srv.url, srv.pid, peer.protocol()
	c.Progress = b.show.progress
	if peer.collects() {
		c.CollectGarbage = srv.collect
	}
	res, err := load.Run(ctx, c)
	if res != nil {
		run.Summary = res.Summary()
	}
	if err == nil {
		var known bool
		if run.Value, known = p.value(res); !known {
			err = errors.New("the server's CPU or memory could not be read")
		}
	}
	if err == nil && p.paused() {
		run.Slow, err = srv.slow()
	}
	if err != nil && ctx.Err() == nil {
		run.Error = err.Error()
		b.show.warn(fmt.Sprintf("%s, %s: %v", p.row, peer.name(), err))
	}
	return run
}

// failures is an error when any run failed or lost a connection.
func (b *bencher) failures() error {
	n := 0
	for _, r := range b.runs {
		if r.Error != "" || r.Summary.Lost > 0 {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d runs failed", n, len(b.runs))
	}
	return nil
}

func (b *bencher) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = b.raw.Write(append(text, '\n'))
	return err
}
