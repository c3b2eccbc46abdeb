package console

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/term"
)

// The colours and their like, as the parameter of an escape sequence.
const (
	Bold    = "1"
	Dim     = "2"
	Red     = "31"
	Green   = "32"
	Yellow  = "33"
	Blue    = "34"
	Magenta = "35"
	Cyan    = "36"
)

// A Style says how text for one writer looks. The zero Style is for programs.
type Style struct {
	People bool // someone looks at it: a terminal
	Color  bool
	Width  int // columns; 0: no limit
}

// StyleOf returns the style for w. color is "always", "never", or "auto" and
// "" for colour on a terminal; NO_COLOR in the environment means never.
func StyleOf(w io.Writer, color string) Style {
	var s Style
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.People = true
		s.Width, _, _ = term.GetSize(int(f.Fd()))
	}
	switch color {
	case "always":
		s.Color = true
	case "never":
	default:
		s.Color = s.People && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return s
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool { return StyleOf(w, "never").People }

// Paint gives s a colour, where there is colour.
func (s Style) Paint(color, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// Column paints text and pads it to a width.
func (s Style) Column(color, text string, width int) string {
	return s.Paint(color, text) + spaces(width-Columns(text))
}

func spaces(n int) string { return fmt.Sprintf("%*s", max(n, 0), "") }

// Columns estimates how many columns of a terminal text takes: two for a letter
// of the wide scripts and an emoji, one for others.
func Columns(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
			r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0x1f300 && r <= 0x1faff) {
			n++
		}
	}
	return n
}

// Printable escapes what would confuse a terminal, or its reader.
func Printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			q := strconv.Quote(s)
			return q[1 : len(q)-1]
		}
	}
	return s
}

// Took writes a duration to three digits: 1.24ms, 310ms, 2.05s.
func Took(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second-500*time.Microsecond: // would become 1e+03ms
		return fmt.Sprintf("%.3gs", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3gms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%dµs", d.Microseconds())
}

// Bytes writes a size: 512 B, 1 MB, 976.6 KiB.
func Bytes(n int) string {
	switch {
	case n >= 1e6 && n%1e6 == 0:
		return fmt.Sprintf("%d MB", n/1e6)
	case n >= 1<<20:
		return strconv.FormatFloat(float64(n*10/(1<<20))/10, 'f', -1, 64) + " MiB"
	case n >= 1<<10:
		return strconv.FormatFloat(float64(n*10/(1<<10))/10, 'f', -1, 64) + " KiB"
	}
	return fmt.Sprintf("%d B", n)
}
