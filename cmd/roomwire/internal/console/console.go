// Package console prints what happens on a server, a line for each event: for
// people on a terminal, for programs otherwise.
package console

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Format is a way to print lines.
type Format int

// The formats.
const (
	Pretty Format = iota // aligned, in colour
	Plain                // aligned, without colour
	Logfmt
	JSON
)

// A Printer prints lines. It may be used by many goroutines at once.
type Printer struct {
	mu     sync.Mutex
	w      io.Writer
	format Format
	now    func() time.Time
	spaces int // width of the longest namespace so far
}

// New returns a printer to w. The format called "" or "auto" is Pretty on a
// terminal, unless NO_COLOR is set, and Logfmt elsewhere.
func New(w io.Writer, format string) (*Printer, error) {
	p := &Printer{w: w, now: time.Now}
	switch format {
	case "", "auto":
		p.format = Logfmt
		switch s := StyleOf(w, "auto"); {
		case s.Color:
			p.format = Pretty
		case s.People:
			p.format = Plain
		}
	case "pretty":
		p.format = Pretty
	case "plain":
		p.format = Plain
	case "logfmt":
		p.format = Logfmt
	case "json":
		p.format = JSON
	default:
		return nil, fmt.Errorf("unknown log format %q: use auto, pretty, plain, logfmt or json", format)
	}
	return p, nil
}

// ForPeople reports whether the lines are meant to be read by people.
func (p *Printer) ForPeople() bool { return p.format == Pretty || p.format == Plain }

// A Kind is the kind of a line.
type Kind string

// The kinds of line.
const (
	Connect    Kind = "connect"
	Disconnect Kind = "disconnect"
	Join       Kind = "join"
	Leave      Kind = "leave"
	Emit       Kind = "emit"
	Receive    Kind = "receive"
	Info       Kind = "info"
	Warn       Kind = "warn"
)

// A Line is one thing that happened.
type Line struct {
	Kind      Kind
	Namespace string
	Socket    string
	Text      string // for people
	Aside     string // for people, less important
	Fields    []any  // for programs: name, value, name, value …
}

// styles are the sign and the colour of each kind.
var styles = map[Kind]struct {
	sign, color string
}{
	Connect:    {"+", Green},
	Disconnect: {"-", Red},
	Join:       {"→", Cyan},
	Leave:      {"←", Magenta},
	Emit:       {"»", Yellow},
	Receive:    {"«", Blue},
	Info:       {"·", Dim},
	Warn:       {"!", Yellow + ";" + Bold},
}

// Print prints one line.
func (p *Printer) Print(l Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.format {
	case JSON:
		p.json(l)
	case Logfmt:
		p.logfmt(l)
	default:
		p.people(l)
	}
}

func (p *Printer) people(l Line) {
	st := styles[l.Kind]
	clock := p.paint(Dim, p.now().Format("15:04:05"))
	line := clock + "  " + p.paint(st.color, st.sign) + " "
	if l.Namespace != "" {
		name := Printable(l.Namespace)
		p.spaces = max(p.spaces, min(Columns(name), 24))
		line += name + spaces(p.spaces-Columns(name)) + "  "
	}
	if l.Socket != "" {
		line += fmt.Sprintf("%-7s  ", short(l.Socket))
	}
	fmt.Fprintln(p.w, line+Printable(l.Text)+p.paint(Dim, Printable(l.Aside)))
}

// paint wraps s in a colour.
func (p *Printer) paint(color, s string) string {
	return Style{Color: p.format == Pretty}.Paint(color, s)
}

func (p *Printer) logfmt(l Line) {
	var b strings.Builder
	fmt.Fprintf(&b, "time=%s event=%s", p.now().Format(time.RFC3339Nano), l.Kind)
	for i, f := 0, p.fields(l); i+1 < len(f); i += 2 {
		v := fmt.Sprint(f[i+1])
		if v == "" || strings.ContainsAny(v, " =\"\\\n\r\t") || Printable(v) != v {
			v = strconv.Quote(v)
		}
		fmt.Fprintf(&b, " %s=%s", f[i], v)
	}
	fmt.Fprintln(p.w, b.String())
}

func (p *Printer) json(l Line) {
	m := map[string]any{"time": p.now().Format(time.RFC3339Nano), "event": l.Kind}
	for i, f := 0, p.fields(l); i+1 < len(f); i += 2 {
		m[fmt.Sprint(f[i])] = f[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		b = []byte(strconv.Quote(err.Error()))
	}
	fmt.Fprintf(p.w, "%s\n", b)
}

// fields returns all fields of a line.
func (p *Printer) fields(l Line) []any {
	var f []any
	if l.Namespace != "" {
		f = append(f, "namespace", l.Namespace)
	}
	if l.Socket != "" {
		f = append(f, "socket", l.Socket)
	}
	if len(l.Fields) == 0 && l.Text != "" {
		f = append(f, "text", l.Text)
	}
	return append(f, l.Fields...)
}

// short abbreviates a socket ID.
func short(id string) string {
	if len(id) > 8 {
		return id[:3] + "…" + id[len(id)-3:]
	}
	return id
}

// Bold prints s in bold where there is colour.
func (p *Printer) Bold(s string) string { return p.paint(Bold, s) }
