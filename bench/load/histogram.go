package load

import (
	"math"
	"math/bits"
	"time"
)

// The histogram is log-linear: every power of two is cut into subBuckets equal
// parts, so a reading is off by at most 1/subBuckets of itself.
const (
	subBits    = 6
	subBuckets = 1 << subBits
	groups     = 42 - subBits // up to about 73 minutes in nanoseconds
)

// Histogram counts durations in fixed memory with 1.6 % resolution. The zero
// value is empty and ready. It is not safe for concurrent use.
type Histogram struct {
	counts [(groups + 1) * subBuckets]uint64
	n      uint64
	max    int64
}

// Record counts one duration; a negative one counts as zero.
func (h *Histogram) Record(d time.Duration) {
	v := max(int64(d), 0)
	h.counts[bucket(v)]++
	h.n++
	h.max = max(h.max, v)
}

// Reset forgets everything.
func (h *Histogram) Reset() { *h = Histogram{} }

// Count is the number of recorded durations.
func (h *Histogram) Count() uint64 { return h.n }

// Max is the longest recorded duration, exactly.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Percentile returns the smallest recorded duration (up to the resolution) that
// at least p percent of all do not exceed; 0 when nothing was recorded.
func (h *Histogram) Percentile(p float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(math.Ceil(p / 100 * float64(h.n)))
	rank = min(max(rank, 1), h.n)
	var seen uint64
	for i, c := range h.counts {
		if seen += c; seen >= rank {
			return time.Duration(min(upper(i), h.max))
		}
	}
	return h.Max()
}

// Bar is one column of a drawn histogram.
type Bar struct {
	From, To time.Duration // From ≤ recorded < To
	Count    uint64
}

// Bars cuts the recorded range into powers of two, lowest first, from the first
// to the last that holds anything.
func (h *Histogram) Bars() []Bar {
	var bars []Bar
	for i, c := range h.counts {
		if c == 0 && len(bars) == 0 {
			continue
		}
		from := lower(i)
		width := bits.Len64(uint64(from))
		last := len(bars) - 1
		if last < 0 || bits.Len64(uint64(bars[last].From)) != width {
			start, end := int64(0), int64(1)
			if width > 0 {
				start, end = 1<<(width-1), 1<<width
			}
			bars = append(bars, Bar{From: time.Duration(start), To: time.Duration(end)})
			last++
		}
		bars[last].Count += c
	}
	for len(bars) > 0 && bars[len(bars)-1].Count == 0 {
		bars = bars[:len(bars)-1]
	}
	return bars
}

func bucket(v int64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(uint64(v)) - 1 - subBits
	if shift >= groups {
		return (groups+1)*subBuckets - 1
	}
	return (shift+1)*subBuckets + int(v>>shift) - subBuckets
}

func lower(i int) int64 {
	if i < subBuckets {
		return int64(i)
	}
	shift := i/subBuckets - 1
	return int64(i%subBuckets+subBuckets) << shift
}

func upper(i int) int64 {
	if i < subBuckets {
		return int64(i)
	}
	return lower(i) + 1<<(i/subBuckets-1) - 1
}
