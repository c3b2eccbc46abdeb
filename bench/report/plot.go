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

// style colours by class, for light and for dark surroundings.
const style = `<style>
.paper{fill:#ffffff}.title{fill:#0f172a}.text{fill:#334155}.note{fill:#64748b}
.raw{fill:#94a3b8}.roomwire{fill:#0f766e}.node{fill:#ca8a04}.centrifuge{fill:#7c3aed}
@media(prefers-color-scheme:dark){
.paper{fill:#0d1117}.title{fill:#f1f5f9}.text{fill:#cbd5e1}.note{fill:#94a3b8}
.raw{fill:#7d8ba1}.roomwire{fill:#2dd4bf}.node{fill:#eab308}.centrifuge{fill:#a78bfa}
}
</style>
`

// SVG draws a bar per server and row. Every row has its own scale, because an
// operation is something else in each; shorter is better.
func SVG(s Session, out []Outcome) string {
	var b strings.Builder
	y := headHeight
	for _, o := range out {
		y = plotRow(&b, &o, y)
	}
	height := y + 54
	var doc strings.Builder
	fmt.Fprintf(&doc, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="12">`+"\n",
		plotWidth, height, plotWidth, height)
	doc.WriteString(style)
	fmt.Fprintf(&doc, `<rect class="paper" width="%d" height="%d" rx="8"/>`+"\n", plotWidth, height)
	line(&doc, 16, 24, "title", `font-size="16" font-weight="600"`, "Server CPU per operation (idle: memory), shorter is better")
	x := 16
	for _, name := range measured(out) {
		fmt.Fprintf(&doc, `<rect x="%d" y="37" width="11" height="11" rx="2" class="%s"/>`+"\n", x, name)
		label := strings.TrimSpace(name + " " + s.Versions[name])
		line(&doc, x+16, 47, "text", "", label)
		x += 36 + 7*len(label)
	}
	doc.WriteString(b.String())
	line(&doc, 16, height-42, "note", `font-size="11"`, fmt.Sprintf("Medians of %d alternating rounds, %s. Every row has its own scale.", s.Rounds, placement(s.Pinned)))
	line(&doc, 16, height-26, "note", `font-size="11"`, fmt.Sprintf("%s, %d cores, Linux %s, %s, %s",
		s.CPU, s.Cores, s.Kernel, s.Go, s.Started.UTC().Format("2006-01-02")))
	line(&doc, 16, height-10, "note", `font-size="11"`, s.Command)
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
	line(b, 16, y+bars*barHeight/2+4, "title", "", o.Title)
	for _, name := range Servers {
		f := o.Figures[name]
		if f.N == 0 {
			continue
		}
		width := max(1, max(f.Median, 0)/most*room)
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" class="%s"/>`+"\n", labelWidth, y, width, barHeight-2, name)
		text := number(f.Median) + " " + o.Unit
		if r := o.TimesOf[name]; name != Raw && r.N > 0 && o.Unit == "µs" {
			text += " · " + number(r.Median) + " × raw"
		}
		weight := ""
		if name == Ours {
			weight = ` font-weight="600"`
		}
		line(b, labelWidth+int(width)+6, y+barHeight-3, "text", `font-size="11"`+weight, text)
		y += barHeight
	}
	return y + rowGap
}

func line(b *strings.Builder, x, y int, class, more, text string) {
	if more != "" {
		more = " " + more
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" class="%s"%s>%s</text>`+"\n", x, y, class, more, html.EscapeString(text))
}
