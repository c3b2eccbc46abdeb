package negotiate_test

import (
	"testing"

	"github.com/roomwire/roomwire/internal/negotiate"
)

func TestEncodingIsTheOneThatTheClientLikesBest(t *testing.T) {
	offered := []string{"br", "gzip", "deflate"}
	for _, c := range []struct {
		accepted []string
		want     string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"identity"}, ""},
		{[]string{"br"}, "br"},
		{[]string{"gzip"}, "gzip"},
		{[]string{"GZIP"}, "gzip"},
		{[]string{"x-gzip"}, ""},
		{[]string{"gzip, deflate, br"}, "gzip"},
		{[]string{"deflate, gzip"}, "deflate"},
		{[]string{"deflate", "br"}, "deflate"},
		{[]string{"br;q=0.5, gzip"}, "gzip"},
		{[]string{"gzip;q=0.1, deflate;q=0.9"}, "deflate"},
		{[]string{"gzip;q=0"}, ""},
		{[]string{"gzip; Q=0.0, br ; q = 0.3"}, "br"},
		{[]string{"*"}, "br"},
		{[]string{"*, br;q=0"}, "gzip"},
		{[]string{"*;q=0, deflate"}, "deflate"},
		{[]string{"deflate, *"}, "deflate"},
		{[]string{"gzip;q=x"}, "gzip"},
		{[]string{"gzip;q=nan"}, ""},
		{[]string{"gzip;level=1;q=0"}, ""},
		{[]string{",,;,=,;q"}, ""},
	} {
		if got := negotiate.Encoding(c.accepted, offered...); got != c.want {
			t.Errorf("%q: %q, want %q", c.accepted, got, c.want)
		}
	}
}
