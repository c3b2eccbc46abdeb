package main

import (
	"strings"
	"testing"
)

func TestScreenShowsWhatALineEditorLeaves(t *testing.T) {
	for printed, want := range map[string]string{
		"plain\r\nlines\r\n":                  "plain\nlines\n",
		"/> \x1b[3D\x1b[K12:00 event\r\n/> x": "12:00 event\n/> x\n",
		"/wait s\x1b[7D/wait seq ":            "/wait seq\n",
		"\x1b[1mbold\x1b[0m · größer\r\n":     "bold · größer\n",
		"overwritten\rOVER\r\n":               "OVERwritten\n",
		"right\x1b[2Cthere":                   "right  there\n",
	} {
		var s screen
		s.write([]byte(printed))
		if got := s.text(); got != want {
			t.Errorf("%q shows %q, want %q", printed, got, want)
		}
	}
}

func TestUntilPassesOverWhatItHasSeen(t *testing.T) {
	var s screen
	r := strings.NewReader("one two one")
	for _, text := range []string{"one", "two", "one"} {
		if err := s.until(r, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.until(r, "one"); err == nil {
		t.Error("what was seen is seen again")
	}
}

func TestMaskHidesWhatDiffersFromRunToRun(t *testing.T) {
	a := mask("12:00:01.500  ● opens in 1.24ms, id abcdefghij0123456789, 3µs after; 25s stays")
	b := mask("13:10:59.001  ● opens in 310µs, id ABCDEFGHIJ-_23456789, 1.2s after; 25s stays")
	if a != b || !strings.Contains(a, "25s stays") {
		t.Errorf("%q is not %q", a, b)
	}
}
