package main

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// A screen is what a terminal shows after what was printed: as much of one as
// a line editor needs.
type screen struct {
	printed strings.Builder
	seen    int // bytes that until has passed
}

func (s *screen) write(b []byte) { s.printed.Write(b) }

// until reads until a text has been printed.
func (s *screen) until(r io.Reader, text string) error {
	buf := make([]byte, 4096)
	for !strings.Contains(s.printed.String()[s.seen:], text) {
		n, err := r.Read(buf)
		s.write(buf[:n])
		if err != nil {
			return fmt.Errorf("%q was never printed, but\n%s", text, s.text())
		}
	}
	s.seen += strings.Index(s.printed.String()[s.seen:], text) + len(text)
	return nil
}

var escape = regexp.MustCompile(`^\x1b\[([\d;]*)([A-Za-z])`)

// text returns the lines on the screen.
func (s *screen) text() string {
	var lines []string
	var line []rune
	column := 0
	text := s.printed.String()
	for text != "" {
		if m := escape.FindStringSubmatch(text); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				n = 1
			}
			switch m[2] {
			case "C":
				column += n
			case "D":
				column = max(column-n, 0)
			case "K":
				line = line[:min(column, len(line))]
			}
			text = text[len(m[0]):]
			continue
		}
		r := []rune(text[:min(4, len(text))])[0]
		text = text[len(string(r)):]
		switch {
		case r == '\r':
			column = 0
		case r == '\n':
			lines, line, column = append(lines, string(line)), nil, 0
		case r >= ' ':
			for len(line) <= column {
				line = append(line, ' ')
			}
			line[column] = r
			column++
		}
	}
	lines = append(lines, string(line))
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}
