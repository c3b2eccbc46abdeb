package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/roomwire/roomwire/bench/load"
)

// display shows where the session is: one line that is redrawn on a terminal,
// nothing but warnings anywhere else.
type display struct {
	out         *os.File
	live        bool
	colour      bool
	total, runs int
	began       time.Time
	what        string
}

func newDisplay(out *os.File) *display {
	live := isTerminal(out)
	return &display{out: out, live: live, colour: live && os.Getenv("NO_COLOR") == ""}
}

func (d *display) begin(total int) { d.total, d.began = total, time.Now() }

func (d *display) next(round, rounds int, title, server string) {
	d.what = fmt.Sprintf("round %d/%d  %s  %s", round, rounds, d.paint("1", title), d.paint("36", server))
	d.runs++
	d.draw(load.Progress{Phase: "start"})
}

func (d *display) progress(p load.Progress) { d.draw(p) }

func (d *display) draw(p load.Progress) {
	if !d.live {
		return
	}
	share := (float64(d.runs-1) + phaseShare(p)) / float64(max(1, d.total))
	const width = 24
	full := min(width, int(share*width))
	bar := d.paint("32", strings.Repeat("━", full)) + d.paint("2", strings.Repeat("─", width-full))
	d.redraw(fmt.Sprintf("%s %d/%d  %s  %s%s", bar, d.runs, d.total, d.what, d.paint("2", p.Phase), d.left()))
}

// phaseShare is how much of a run is over, guessed from its phase.
func phaseShare(p load.Progress) float64 {
	switch p.Phase {
	case "connect":
		return 0.375 * p.Fraction
	case "warm-up":
		return 0.375 + 0.25*p.Fraction
	case "measure":
		return 0.625 + 0.375*p.Fraction
	}
	return 0
}

// left guesses the time to the end from the runs so far.
func (d *display) left() string {
	done := d.runs - 1
	if done < 3 {
		return ""
	}
	left := time.Since(d.began) / time.Duration(done) * time.Duration(d.total-done)
	return d.paint("2", fmt.Sprintf("  %v left", left.Round(time.Second)))
}

func (d *display) say(text string) {
	if d.live {
		d.redraw(d.paint("2", text))
	}
}

func (d *display) warn(text string) {
	d.done()
	fmt.Fprintln(d.out, d.paint("33", "bench: "+text))
}

func (d *display) done() {
	if d.live {
		d.redraw("")
	}
}

// redraw writes with automatic wrapping off, so that a narrow terminal cuts the
// line instead of breaking it.
func (d *display) redraw(text string) { fmt.Fprint(d.out, "\r\x1b[K\x1b[?7l"+text+"\x1b[?7h") }

func (d *display) paint(code, text string) string {
	if !d.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
