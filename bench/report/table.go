package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Paint colours a cell by its mark; the identity for no colour.
type Paint func(m Mark, cell string) string

// Plain paints nothing.
func Plain(_ Mark, cell string) string { return cell }

// Colour paints with ANSI escapes.
func Colour(m Mark, cell string) string {
	code := map[Mark]string{Goal: "32", Must: "33", Missed: "31", Failing: "31", NotRun: "2", NoMark: "2"}[m]
	return "\x1b[" + code + "m" + cell + "\x1b[0m"
}

type cell struct {
	text string
	mark Mark // "" is not painted
}

// Terminal writes the outcomes and the checks as aligned tables.
func Terminal(s Session, out []Outcome, runs []Run, paint Paint) string {
	checks := align(checkRows(Checks(s, runs)), paint)
	if len(out) == 0 {
		return checks
	}
	return align(outcomeRows(out), paint) + "\n" + checks
}

func checkRows(checks []Check) [][]cell {
	rows := [][]cell{{{text: "besides"}, {text: "found"}, {text: "wanted"}, {text: "mark"}}}
	for _, c := range checks {
		rows = append(rows, []cell{{text: c.Title}, {text: c.Figure}, {text: c.Wanted}, {string(c.Mark), c.Mark}})
	}
	return rows
}

func outcomeRows(out []Outcome) [][]cell {
	head := []cell{{text: "median, CPU per operation"}}
	for _, s := range Servers {
		head = append(head, cell{text: s})
	}
	head = append(head, cell{text: "× raw"}, cell{text: "× node"}, cell{text: "× centrifuge"}, cell{text: "p50"}, cell{text: "p99"}, cell{text: "mark"})
	rows := [][]cell{head}
	for _, o := range out {
		row := []cell{{text: o.Title}}
		for _, s := range Servers {
			row = append(row, cell{text: figure(&o, s)})
		}
		for _, s := range []string{Raw, Node, Centrifuge} {
			row = append(row, cell{ratioTo(&o, s), o.MarkAgainst(s)})
		}
		m := o.Mark()
		row = append(row, cell{text: latency(o.P50[Ours])}, cell{text: latency(o.P99[Ours])}, cell{string(m), m})
		rows = append(rows, row)
	}
	return rows
}

func align(rows [][]cell, paint Paint) string {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			text := c.text
			if c.mark != "" {
				text = paint(c.mark, text)
			}
			switch {
			case i == 0:
				b.WriteString(text + pad)
			case i == len(row)-1:
				b.WriteString("  " + text)
			default:
				b.WriteString("  " + pad + text)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Markdown writes two tables, what everything costs and how we stand, with the
// conditions and the command that repeats it.
func Markdown(s Session, out []Outcome, runs []Run) string {
	var b strings.Builder
	b.WriteString(conditions(s))
	b.WriteString("| server CPU per operation |")
	for _, name := range Servers {
		fmt.Fprintf(&b, " %s |", strings.TrimSpace(name+" "+s.Versions[name]))
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(Servers)) + "\n")
	for _, o := range out {
		fmt.Fprintf(&b, "| %s |", o.Title)
		for _, name := range Servers {
			fmt.Fprintf(&b, " %s |", full(&o, name))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n| roomwire divided by | raw | node | centrifuge | p50 | p99 | mark |\n|---|---|---|---|---|---|---|\n")
	for _, o := range out {
		fmt.Fprintf(&b, "| %s |", o.Title)
		for _, name := range []string{Raw, Node, Centrifuge} {
			fmt.Fprintf(&b, " %s |", against(&o, name))
		}
		fmt.Fprintf(&b, " %s | %s | %s |\n", latency(o.P50[Ours]), latency(o.P99[Ours]), o.Mark())
	}
	b.WriteString("\n" + markdown(checkRows(Checks(s, runs))))
	if !s.Pinned || len(s.Order) > 0 {
		b.WriteString("\n" + markdown(orderRows(s, runs)))
	}
	return b.String()
}

func orderRows(s Session, runs []Run) [][]cell {
	rows := [][]cell{{{text: "order of the servers, the cheapest first"}, {text: "by median"}, {text: "rounds in that order"}, {text: "elsewhere"}}}
	for _, o := range Orders(runs) {
		elsewhere := "–"
		if was := s.Order[o.Row.ID]; len(was) > 0 && o.as(was, "") {
			elsewhere = "the same"
		} else if len(was) > 0 {
			elsewhere = strings.Join(was, " < ")
		}
		rows = append(rows, []cell{{text: o.Row.Title}, {text: o.String()}, {text: fmt.Sprintf("%d of %d", o.Same, o.Rounds)}, {text: elsewhere}})
	}
	return rows
}

// conditions is the line that says where and how, with the command that repeats it.
func conditions(s Session) string {
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, %s, median of %d alternating rounds (min–max), %s. `%s`\n\n",
		s.CPU, s.Cores, s.Kernel, s.Go, placement(s.Pinned), s.Rounds, s.Started.UTC().Format("2006-01-02"), s.Command)
}

func placement(pinned bool) string {
	if pinned {
		return "server on one core and load on another"
	}
	return "unpinned"
}

func figure(o *Outcome, server string) string {
	f := o.Figures[server]
	switch {
	case f.N == 0 && o.Errors[server] > 0:
		return "failed"
	case f.N == 0:
		return "–"
	}
	return number(f.Median) + " " + o.Unit
}

func full(o *Outcome, server string) string {
	text := figure(o, server)
	f := o.Figures[server]
	if f.N == 0 {
		return text
	}
	text += fmt.Sprintf(" (%s–%s)", number(f.Min), number(f.Max))
	if r := o.TimesOf[server]; r.N > 0 && server != Raw && o.Unit == "µs" {
		text += fmt.Sprintf(", %s × raw", number(r.Median))
	}
	if n := o.Errors[server]; n > 0 {
		text += fmt.Sprintf(", %d failed", n)
	}
	return text
}

func against(o *Outcome, server string) string {
	text := ratioTo(o, server)
	t := o.Ratio[server]
	if t == none || o.Ours[server].N == 0 {
		return text
	}
	return fmt.Sprintf("%s %s (%s / %s)", text, o.MarkAgainst(server), number(t.Must), number(t.Goal))
}

// ratioTo is ours divided by the server's. Memory is not divided by that of raw,
// which keeps next to nothing.
func ratioTo(o *Outcome, server string) string {
	s := o.Ours[server]
	if s.N == 0 || server == Raw && o.Unit != "µs" {
		return "–"
	}
	return fmt.Sprintf("%.2f", s.Median)
}

func latency(s Spread) string {
	if s.N == 0 || s.Median == 0 {
		return "–"
	}
	return number(s.Median) + " ms"
}

// number writes three significant digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
