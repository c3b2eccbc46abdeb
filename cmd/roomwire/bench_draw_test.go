package main

import "testing"

func TestThousandsHasNoExponent(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", 0.1234: "0.123", 51.64: "51.6", 999.4: "999", 999.7: "1,000", 2180: "2,180", 19479.2: "19,479", 1234567: "1,234,567",
	} {
		if got := thousands(f); got != want {
			t.Errorf("%g is %s, want %s", f, got, want)
		}
	}
}
