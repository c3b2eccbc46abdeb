package bucket_test

import (
	"testing"
	"time"

	"github.com/roomwire/roomwire/internal/bucket"
)

func TestBurstThenRate(t *testing.T) {
	var b bucket.Bucket
	now := time.Now()
	take := func(after time.Duration, want int) {
		t.Helper()
		now = now.Add(after)
		got := 0
		for b.Take(now, 10, 5) {
			if got++; got > 100 {
				t.Fatal("never empty")
			}
		}
		if got != want {
			t.Errorf("%d taken, want %d", got, want)
		}
	}
	take(0, 5)
	take(0, 0)
	take(99*time.Millisecond, 0)
	take(time.Millisecond, 1)
	take(250*time.Millisecond, 2)
	take(50*time.Millisecond, 1) // the half that was left, and the other
	take(time.Hour, 5)
	take(-time.Hour, 0) // a clock that goes back gives nothing
}

func TestFull(t *testing.T) {
	var b bucket.Bucket
	now := time.Now()
	if !b.Full(now, 1) {
		t.Error("a new bucket is not full")
	}
	if !b.Take(now, 1, 0) || b.Take(now, 1, 0) {
		t.Error("a burst of 0 is one")
	}
	if b.Full(now.Add(999*time.Millisecond), 1) || !b.Full(now.Add(time.Second), 1) {
		t.Error("full at the wrong time")
	}
}
