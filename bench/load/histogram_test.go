package load_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomwire/roomwire/bench/load"
)

func TestPercentilesMatchTheSortedValues(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() int64{
		"small":  func() int64 { return rnd.Int64N(64) },
		"spread": func() int64 { return int64(1) << rnd.IntN(36) },
		"wide":   func() int64 { return rnd.Int64N(int64(20 * time.Second)) },
	} {
		var h load.Histogram
		var values []int64
		for range 5000 {
			v := draw()
			values = append(values, v)
			h.Record(time.Duration(v))
		}
		slices.Sort(values)
		for _, p := range []float64{1, 50, 90, 99, 99.9, 100} {
			rank := int(p/100*float64(len(values))+0.9999999) - 1
			want, got := values[rank], int64(h.Percentile(p))
			if got < want || float64(got-want) > float64(want)/64+1 {
				t.Errorf("%s: p%v = %d, sorted says %d", name, p, got, want)
			}
		}
		if int64(h.Max()) != values[len(values)-1] || h.Count() != 5000 {
			t.Errorf("%s: max %d, count %d", name, h.Max(), h.Count())
		}
	}
}

func TestEmptyHistogramHasNoPercentile(t *testing.T) {
	var h load.Histogram
	if h.Percentile(50) != 0 || h.Max() != 0 || h.Bars() != nil {
		t.Error("an empty histogram reports something")
	}
}

func TestNegativeAndHugeDurationsStayInBounds(t *testing.T) {
	var h load.Histogram
	h.Record(-time.Second)
	h.Record(1<<63 - 1)
	if h.Percentile(1) != 0 || h.Max() != 1<<63-1 {
		t.Errorf("p1 %v, max %v", h.Percentile(1), h.Max())
	}
}

func TestBarsCoverEveryValueOnce(t *testing.T) {
	var h load.Histogram
	for _, v := range []time.Duration{3, 3, 100, 130, 5000} {
		h.Record(v)
	}
	bars := h.Bars()
	var n uint64
	for i, b := range bars {
		n += b.Count
		if i > 0 && b.From != bars[i-1].To {
			t.Errorf("bar %d begins at %d, the one before ends at %d", i, b.From, bars[i-1].To)
		}
	}
	if n != 5 || bars[0].From != 2 || bars[0].Count != 2 || bars[len(bars)-1].To != 8192 {
		t.Errorf("bars %v", bars)
	}
}
