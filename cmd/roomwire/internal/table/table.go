// Package table prints tables for people: columns that are as wide as they
// need to be, the last one cut to the width of the terminal.
package table

import (
	"fmt"
	"io"
	"strings"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
)

// A Column is a column of a table.
type Column struct {
	Title string
	Right bool   // aligned to the right, as numbers are
	Color string // of its cells
}

// A Table collects rows.
type Table struct {
	columns []Column
	rows    [][]string
}

// New returns a table without rows.
func New(columns ...Column) *Table { return &Table{columns: columns} }

// Row adds a row. What would confuse a terminal is escaped; a 0 reads "·", so
// that what matters stands out.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(t.columns))
	for i, c := range cells {
		text := console.Printable(fmt.Sprint(c))
		if text == "0" || text == "" {
			text = "·"
		}
		row[i] = text
	}
	t.rows = append(t.rows, row)
}

// Print writes the table.
func (t *Table) Print(w io.Writer, s console.Style) error {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = console.Columns(c.Title)
		for _, row := range t.rows {
			widths[i] = max(widths[i], console.Columns(row[i]))
		}
	}
	var b strings.Builder
	line := func(cells []string, color func(i int, text string) string) {
		var l strings.Builder
		for i, text := range cells {
			pad := strings.Repeat(" ", widths[i]-console.Columns(text))
			last := i == len(cells)-1
			switch {
			case t.columns[i].Right:
				l.WriteString(pad + s.Paint(color(i, text), text))
			case last:
				l.WriteString(s.Paint(color(i, text), text))
			default:
				l.WriteString(s.Paint(color(i, text), text) + pad)
			}
			if !last {
				l.WriteString("  ")
			}
		}
		b.WriteString(strings.TrimRight(console.Clip(l.String(), s.Width), " ") + "\n")
	}
	titles := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = c.Title
	}
	line(titles, func(int, string) string { return console.Dim })
	for _, row := range t.rows {
		line(row, func(i int, text string) string {
			if text == "·" {
				return console.Dim
			}
			return t.columns[i].Color
		})
	}
	_, err := io.WriteString(w, b.String())
	return err
}
