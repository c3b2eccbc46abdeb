// Package negotiate picks what a client accepts.
package negotiate

import (
	"strconv"
	"strings"
)

// Encoding returns the content coding of offered that a client likes best, or
// "" if it takes none of them. accepted is its Accept-Encoding header, line by
// line. Of those that it likes alike the one that it names first is chosen,
// and of those covered by "*" the first that is offered.
func Encoding(accepted []string, offered ...string) string {
	best, bestQuality, bestPlace := "", 0.0, 0
	for _, name := range offered {
		quality, place := weigh(accepted, name)
		if quality > bestQuality || quality > 0 && quality == bestQuality && place < bestPlace {
			best, bestQuality, bestPlace = name, quality, place
		}
	}
	return best
}

// weigh returns the quality of a coding, 0 if it is not accepted, and the
// place of the element that says so.
func weigh(accepted []string, name string) (quality float64, place int) {
	i := 0
	for _, line := range accepted {
		for element := range strings.SplitSeq(line, ",") {
			i++
			coding, params, _ := strings.Cut(element, ";")
			coding = strings.TrimSpace(coding)
			if strings.EqualFold(coding, name) {
				return qualityOf(params), i
			}
			if coding == "*" {
				quality, place = qualityOf(params), i
			}
		}
	}
	return quality, place
}

// qualityOf reads the parameter q, which is 1 when it is missing or no number.
func qualityOf(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				return min(max(q, 0), 1)
			}
		}
	}
	return 1
}
