package report

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// The plot's measures in pixels.
const (
	plotWidth  = 860
	labelWidth = 270
	valueWidth = 170
	barHeight  = 13
	rowGap     = 14
	headHeight = 64
)

var colours = map[string]string{Ours: "#0f766e", Raw: "#94a3b8", Node: "#ca8a04", Centrifuge: "#7c3aed"}

// SVG draws a bar per server and row. Every row has its own scale, because an
// operation is something else in each; shorter is better.
func SVG(s Session, out []Outcome) string {
	var b strings.Builder
	y := headHeight
	for _, o := range out {
		y = plotRow(&b, &o, y)
	}
	height := y + 40
	var doc strings.Builder
	fmt.Fprintf(&doc, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="12">`+"\n",
		plotWidth, height, plotWidth, height)
	fmt.Fprintf(&doc, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, height)
	line(&doc, 16, 24, "#0f172a", `font-size="16" font-weight="600"`, "Server CPU per operation (idle: memory), shorter is better")
	x := 16
	for _, name := range measured(out) {
		fmt.Fprintf(&doc, `<rect x="%d" y="37" width="11" height="11" fill="%s"/>`+"\n", x, colours[name])
		label := strings.TrimSpace(name + " " + s.Versions[name])
		line(&doc, x+16, 47, "#334155", "", label)
		x += 36 + 7*len(label)
	}
	doc.WriteString(b.String())
	line(&doc, 16, height-26, "#64748b", `font-size="11"`, fmt.Sprintf("Medians of %d alternating rounds, %s, every row on its own scale. %s, Linux %s, %s.",
		s.Rounds, placement(s.Pinned), s.CPU, s.Kernel, s.Go))
	line(&doc, 16, height-10, "#64748b", `font-size="11"`, s.Command)
	doc.WriteString("</svg>\n")
	return doc.String()
}

// measured is the servers with any figure, in order.
func measured(out []Outcome) []string {
	var names []string
	for _, name := range Servers {
		if slices.ContainsFunc(out, func(o Outcome) bool { return o.Figures[name].N > 0 }) {
			names = append(names, name)
		}
	}
	return names
}

// plotRow draws one outcome at y and returns where the next begins.
func plotRow(b *strings.Builder, o *Outcome, y int) int {
	most, bars := 0.0, 0
	for _, name := range Servers {
		if f := o.Figures[name]; f.N > 0 {
			most = max(most, f.Median)
			bars++
		}
	}
	if bars == 0 || most <= 0 {
		return y
	}
	room := float64(plotWidth - labelWidth - valueWidth)
	line(b, 16, y+bars*barHeight/2+4, "#0f172a", "", o.Title)
	for _, name := range Servers {
		f := o.Figures[name]
		if f.N == 0 {
			continue
		}
		width := max(1, max(f.Median, 0)/most*room)
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", labelWidth, y, width, barHeight-2, colours[name])
		text := number(f.Median) + " " + o.Unit
		if r := o.TimesOf[name]; name != Raw && r.N > 0 && o.Unit == "µs" {
			text += " · " + number(r.Median) + " × raw"
		}
		line(b, labelWidth+int(width)+6, y+barHeight-3, "#334155", `font-size="11"`, text)
		y += barHeight
	}
	return y + rowGap
}

func line(b *strings.Builder, x, y int, fill, more, text string) {
	if more != "" {
		more = " " + more
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s"%s>%s</text>`+"\n", x, y, fill, more, html.EscapeString(text))
}
