package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/roomwire/roomwire/bench/load"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
)

// A benchBar is the line on a terminal that shows how far a measurement is.
type benchBar struct {
	env   *env
	name  string
	drawn bool
}

func (b *benchBar) draw(p load.Progress) {
	if !b.env.err.People {
		return
	}
	b.drawn = true
	const width = 28
	full := int(math.Round(p.Fraction * width))
	s := b.env.err
	fmt.Fprintf(b.env.stderr, "\r\x1b[K%s  %s%s  %s", s.Paint(console.Bold, b.name),
		s.Paint(console.Green, strings.Repeat("━", full)), s.Paint(console.Dim, strings.Repeat("─", width-full)),
		s.Paint(console.Dim, fmt.Sprintf("%s  %d clients, %d done", p.Phase, p.Connected, p.Ops)))
}

func (b *benchBar) clear() {
	if b.drawn {
		fmt.Fprint(b.env.stderr, "\r\x1b[K")
	}
}

// histogram draws how often which latency was measured.
func histogram(e *env, h *load.Histogram) {
	bars := h.Bars()
	most := uint64(1)
	for _, b := range bars {
		most = max(most, b.Count)
	}
	const width = 40
	for _, b := range bars {
		share := float64(b.Count) / float64(h.Count())
		fmt.Fprintf(e.stdout, "  %8s  %s  %s\n", "< "+console.Took(b.To),
			e.out.Column(console.Cyan, blocks(float64(b.Count)/float64(most)*width), width),
			e.out.Paint(console.Dim, fmt.Sprintf("%6.2f %%  %d", 100*share, b.Count)))
	}
}

// blocks draws a bar with eighths of a column; what is not nothing shows.
func blocks(columns float64) string {
	eighths := int(math.Round(columns * 8))
	if eighths == 0 && columns > 0 {
		eighths = 1
	}
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return bar
}

// thousands writes a number with three digits, or all before the point.
func thousands(f float64) string {
	if f < 999.5 { // what is more would become 1e+03
		return fmt.Sprintf("%.3g", f)
	}
	n := fmt.Sprintf("%.0f", f)
	for i := len(n) - 3; i > 0; i -= 3 {
		n = n[:i] + "," + n[i:]
	}
	return n
}
