package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// A display tells what is going on.
type display struct {
	w     *world
	quiet bool
	tty   bool
	began time.Time
}

func newDisplay(w *world, quiet bool) *display {
	info, err := os.Stdout.Stat()
	return &display{w: w, quiet: quiet, tty: err == nil && info.Mode()&os.ModeCharDevice != 0, began: time.Now()}
}

func (d *display) style(code, text string) string {
	if !d.tty {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (d *display) title(seed uint64, length time.Duration, stay, churn int) {
	if !d.quiet {
		fmt.Printf("%s  seed %d, %v, %d clients stay, %d come and go\n", d.style("1", "stress"), seed, length, stay, churn)
	}
}

// progress prints a line, every second on a terminal and every five elsewhere.
func (d *display) progress(ctx context.Context) {
	every := 5 * time.Second
	if d.tty {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if d.tty && !d.quiet {
				fmt.Print("\r\x1b[K")
			}
			return
		case <-tick.C:
		}
		if d.quiet {
			continue
		}
		w, end := d.w, "\n"
		line := fmt.Sprintf("%4.0fs  sockets %-4d said %-7d heard %-8d sessions %-5d cuts %-4d",
			time.Since(d.began).Seconds(), w.srv.Stats().Sockets, w.said.Load(), w.heard.Load(), w.sessions.Load(), w.cuts.Load())
		if d.tty {
			line, end = "\r\x1b[K"+line, ""
		}
		fmt.Print(line + end)
	}
}

// summary prints what came of it.
func (d *display) summary(seed uint64, took time.Duration, left holding) bool {
	w := d.w
	st := w.srv.Stats()
	if !d.quiet {
		row := func(name string, format string, args ...any) {
			fmt.Printf("  %-16s %s\n", name, fmt.Sprintf(format, args...))
		}
		row("said, heard", "%d, %d", w.said.Load(), w.heard.Load())
		row("acknowledged", "%d, asked back %d, binary echoes %d", w.acks.Load(), w.calls.Load(), w.binary.Load())
		row("sessions", "%d that came and went, %d connections, %d upgrades", w.sessions.Load(), st.Engine.Opened, st.Engine.Upgrades)
		row("faults", "%d cuts, %d returns, %d panics, %d slow readers ended", w.cuts.Load(), w.reconnects.Load(), st.Panics, st.Engine.Slow)
		row("left", "%d sockets, %d connections, %v", st.Sockets, st.Engine.Open, left)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.failures {
		fmt.Fprintln(os.Stderr, "  "+d.style("31", f))
	}
	verdict := d.style("32", "ok")
	if w.failed > 0 {
		verdict = d.style("31", fmt.Sprintf("FAILED, %d faults", w.failed))
	}
	fmt.Printf("seed %d: %s, %d events heard in %.1fs\n", seed, verdict, w.heard.Load(), took.Seconds())
	return w.failed == 0
}
