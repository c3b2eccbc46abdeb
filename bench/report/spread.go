package report

import "slices"

// Spread is what several rounds gave. The zero value means: nothing measured.
type Spread struct {
	Min, Median, Max float64
	N                int
}

// NewSpread orders the values; the median of an even number is the mean of the
// middle two.
func NewSpread(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	median := v[n/2]
	if n%2 == 0 {
		median = (v[n/2-1] + v[n/2]) / 2
	}
	return Spread{Min: v[0], Median: median, Max: v[n-1], N: n}
}

// Ratios divides a by b within each round that has both, because the speed of
// the machine cancels out only there.
func Ratios(a, b map[int]float64) Spread {
	var out []float64
	for round, x := range a {
		if y, ok := b[round]; ok && y > 0 {
			out = append(out, x/y)
		}
	}
	return NewSpread(out)
}
