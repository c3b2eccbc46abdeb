// Package bucket bounds how often something may happen.
package bucket

import "time"

// A Bucket holds tokens, which come back with time. The zero value is full. It
// must be used by one goroutine at a time.
type Bucket struct {
	spent float64 // tokens that are missing at the time of last
	last  time.Time
}

// Take takes a token, if there is one, from a bucket that holds burst tokens
// and gets rate new ones per second. A burst below one counts as one.
func (b *Bucket) Take(now time.Time, rate float64, burst int) bool {
	b.refill(now, rate)
	if b.spent > float64(max(burst, 1)-1) {
		return false
	}
	b.spent++
	return true
}

// Full reports whether nothing is missing, so that a new Bucket would do as well.
func (b *Bucket) Full(now time.Time, rate float64) bool {
	b.refill(now, rate)
	return b.spent < 1e-6 // what floating point leaves
}

func (b *Bucket) refill(now time.Time, rate float64) {
	if passed := now.Sub(b.last); passed > 0 {
		b.spent = max(0, b.spent-passed.Seconds()*rate)
		b.last = now
	}
}
