package main

import (
	"fmt"
	"slices"
	"time"
)

const mb = 1 << 20

// slope is the change per hour that the median pair of samples shows: a few
// samples that were taken while something large was in flight do not move it.
func slope(all []sample, value func(sample) float64) float64 {
	var slopes []float64
	for i, a := range all {
		for _, b := range all[i+1:] {
			if b.Seconds > a.Seconds {
				slopes = append(slopes, (value(b)-value(a))/(b.Seconds-a.Seconds)*3600)
			}
		}
	}
	return median(slopes)
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// line is the height of a fitted line at the start of the samples.
func line(all []sample, perHour float64, value func(sample) float64) float64 {
	var starts []float64
	for _, s := range all {
		starts = append(starts, value(s)-perHour*s.Seconds/3600)
	}
	return median(starts)
}

func heapOf(s sample) float64        { return float64(s.Heap) / mb }
func rssOf(s sample) float64         { return float64(s.RSS) / mb }
func goroutinesOf(s sample) float64  { return float64(s.Goroutines) }
func descriptorsOf(s sample) float64 { return float64(s.Descriptors) }

// Bounds of a run.
const (
	heapPerHour = 1.0 // MB
	drift       = 0.1 // of goroutines and descriptors over the run, as a part of their median
	rssBack     = 24  // MB above what it was before the crowd came
)

// A verdict is what a run has shown.
type verdict struct {
	lines  []string
	broken []string
}

func (v *verdict) row(name, format string, args ...any) {
	v.lines = append(v.lines, fmt.Sprintf("%-14s %s", name, fmt.Sprintf(format, args...)))
}

// want notes a bound, and that it is broken unless ok is set.
func (v *verdict) want(ok bool, format string, args ...any) {
	if !ok {
		v.broken = append(v.broken, fmt.Sprintf(format, args...))
	}
}

// judge holds the samples after the warm-up to the bounds. Those that were
// taken while the machine was too busy for this one do not count: what waits
// then is on the heap.
func (v *verdict) judge(warm []sample) {
	all := len(warm)
	warm = calm(warm)
	v.row("samples", "%d after the warm-up, %d of them with an echo under %v", all, len(warm), promise)
	if len(warm) < 10 || len(warm) < all/2 {
		v.want(false, "%d samples of %d are too few", len(warm), all)
		return
	}
	hours := (warm[len(warm)-1].Seconds - warm[0].Seconds) / 3600
	heap := slope(warm, heapOf)
	v.row("heap", "%s, %+.2f MB per hour", spread(warm, heapOf, "MB"), heap)
	v.want(heap < heapPerHour, "the heap grows by %.2f MB per hour", heap)
	v.row("resident", "%s, %+.2f MB per hour", spread(warm, rssOf, "MB"), slope(warm, rssOf))
	for name, value := range map[string]func(sample) float64{"goroutines": goroutinesOf, "descriptors": descriptorsOf} {
		grown := slope(warm, value) * hours
		v.row(name, "%s, %+.0f from the first to the last", spread(warm, value, ""), grown)
		v.want(grown <= drift*middle(warm, value), "%s grow by %.0f", name, grown)
	}
}

// calm returns the samples during which honest clients had their echo in time.
func calm(all []sample) (some []sample) {
	for _, s := range all {
		if s.Echo <= float64(promise.Milliseconds()) {
			some = append(some, s)
		}
	}
	return some
}

func middle(all []sample, value func(sample) float64) float64 {
	var values []float64
	for _, s := range all {
		values = append(values, value(s))
	}
	return median(values)
}

func spread(all []sample, value func(sample) float64, unit string) string {
	var values []float64
	for _, s := range all {
		values = append(values, value(s))
	}
	if unit == "" {
		return fmt.Sprintf("%.0f to %.0f, median %.0f", slices.Min(values), slices.Max(values), median(values))
	}
	return fmt.Sprintf("%.1f to %.1f %s, median %.1f", slices.Min(values), slices.Max(values), unit, median(values))
}

// after returns the samples from a time on.
func after(all []sample, warmup time.Duration) []sample {
	i := slices.IndexFunc(all, func(s sample) bool { return s.Seconds >= warmup.Seconds() })
	if i < 0 {
		return nil
	}
	return all[i:]
}
