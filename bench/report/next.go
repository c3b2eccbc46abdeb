package report

import (
	"fmt"
	"strings"
)

// Next are the ways to read and to send that a session of its own compares, the
// first being what the others are divided by. Mode is the raw server's.
var Next = []struct{ Mode, Title string }{
	{"goroutine", "goroutine each, write(2)"},
	{"epoll", "epoll, write(2)"},
	{"goroutine-uring", "goroutine each, io_uring"},
	{"epoll-uring", "epoll, io_uring"},
}

// RawName is the name of the raw server in a mode.
func RawName(mode string) string {
	if mode == "epoll" {
		return Raw
	}
	return Raw + "-" + mode
}

// nextRows is the table of a session of Next: figures, and ratios within a round.
func nextRows(runs []Run, text func(f, ratio Spread, unit string) string) [][]cell {
	head := []cell{{text: "CPU per operation"}}
	for _, n := range Next {
		head = append(head, cell{text: n.Title})
	}
	rows := [][]cell{head}
	for _, o := range Outcomes(Rows, runs) {
		row := []cell{{text: o.Title}}
		for _, n := range Next {
			f := o.Figures[RawName(n.Mode)]
			if f.N == 0 {
				row = append(row, cell{text: "–"})
				continue
			}
			ratio := Ratios(valuesOf(runs, o.ID, RawName(n.Mode)), valuesOf(runs, o.ID, RawName(Next[0].Mode)))
			row = append(row, cell{text: text(f, ratio, o.Unit)})
		}
		rows = append(rows, row)
	}
	return rows
}

// valuesOf is a server's figures in a row by round.
func valuesOf(runs []Run, row, server string) map[int]float64 {
	values := map[int]float64{}
	for _, r := range runs {
		if r.Row == row && r.Server == server && r.Error == "" {
			values[r.Round] = r.Value
		}
	}
	return values
}

// TerminalNext writes a session of Next as an aligned table.
func TerminalNext(runs []Run, paint Paint) string {
	return align(nextRows(runs, func(f, ratio Spread, unit string) string {
		return fmt.Sprintf("%s %s × %.2f", number(f.Median), unit, ratio.Median)
	}), paint) + align(checkRows([]Check{lossCheck(runs)}), paint)
}

// MarkdownNext writes a session of Next as a table with its conditions.
func MarkdownNext(s Session, runs []Run) string {
	rows := nextRows(runs, func(f, ratio Spread, unit string) string {
		return fmt.Sprintf("%s %s, × %.2f (%.2f–%.2f)", number(f.Median), unit, ratio.Median, ratio.Min, ratio.Max)
	})
	return conditions(s) + markdown(rows) + "\n" + markdown(checkRows([]Check{lossCheck(runs)}))
}

func markdown(rows [][]cell) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteByte('|')
		for _, c := range row {
			b.WriteString(" " + c.text + " |")
		}
		b.WriteByte('\n')
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}
