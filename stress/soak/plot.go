package main

import (
	"fmt"
	"math"
	"strings"
)

// The plot is four panels, one above the other.
const (
	plotWidth   = 860
	plotLeft    = 70
	plotRight   = 20
	panelHeight = 130
	panelGap    = 44
	plotTop     = 56
)

// plot draws the samples as SVG. The dashed line is where the warm-up ends.
func plot(all []sample, warmup float64, title string) string {
	panels := []struct {
		name, unit string
		value      func(sample) float64
	}{
		{"heap after collection", "MB", heapOf},
		{"resident memory", "MB", rssOf},
		{"goroutines", "", goroutinesOf},
		{"descriptors", "", descriptorsOf},
	}
	height := plotTop + len(panels)*(panelHeight+panelGap)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="Helvetica, Arial, sans-serif" font-size="12">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15" font-weight="bold" fill="#1f2328">%s</text>`+"\n", plotLeft, title)
	for i, p := range panels {
		panel(&b, all, warmup, plotTop+i*(panelHeight+panelGap), p.name, p.unit, p.value)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func panel(b *strings.Builder, all []sample, warmup float64, top int, name, unit string, value func(sample) float64) {
	end := math.Max(all[len(all)-1].Seconds, 1)
	ceiling := 0.0
	for _, s := range all {
		ceiling = math.Max(ceiling, value(s))
	}
	ceiling = ceilingOf(ceiling)
	x := func(seconds float64) float64 { return plotLeft + seconds/end*(plotWidth-plotLeft-plotRight) }
	y := func(v float64) float64 { return float64(top) + panelHeight*(1-v/ceiling) }

	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#1f2328" font-weight="bold">%s</text>`+"\n", plotLeft, top-8, name)
	for _, part := range []float64{0, 0.5, 1} {
		v := ceiling * part
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1[3]f" stroke="#d8dee4"/>`+"\n", plotLeft, plotWidth-plotRight, y(v))
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end" fill="#57606a">%s</text>`+"\n", plotLeft-8, y(v)+4, strings.TrimSpace(fmt.Sprintf("%g %s", v, unit)))
	}
	step := minutes(end)
	for m := 0.0; m <= end; m += step {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#57606a">%g min</text>`+"\n", x(m), top+panelHeight+16, m/60)
	}
	if warmup < end {
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1[1]f" y1="%d" y2="%d" stroke="#8c959f" stroke-dasharray="4 4"/>`+"\n", x(warmup), top, top+panelHeight)
	}
	points := make([]string, len(all))
	for i, s := range all {
		points[i] = fmt.Sprintf("%.1f,%.1f", x(s.Seconds), y(value(s)))
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="#0969da" stroke-width="1.2"/>`+"\n", strings.Join(points, " "))
	var warm []sample
	for _, s := range all {
		if s.Seconds >= warmup {
			warm = append(warm, s)
		}
	}
	warm = calm(warm)
	if len(warm) > 1 {
		k := slope(warm, value)
		at := func(seconds float64) float64 { return line(warm, k, value) + k*seconds/3600 }
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#cf222e" stroke-width="1.6"/>`+"\n", x(warm[0].Seconds), y(at(warm[0].Seconds)), x(end), y(at(end)))
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#cf222e">%s</text>`+"\n", plotWidth-plotRight, top-8, strings.TrimSpace(fmt.Sprintf("%+.2f %s", k, unit))+" per hour")
	}
}

// ceilingOf is the next round number.
func ceilingOf(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, k := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8, 10} {
		if v <= k*unit {
			return k * unit
		}
	}
	return v
}

// minutes is how far apart the marks of the time are, in seconds.
func minutes(end float64) float64 {
	for _, m := range []float64{0.5, 1, 2, 5, 10, 30, 60, 120} {
		if end/(m*60) <= 8 {
			return m * 60
		}
	}
	return end
}
