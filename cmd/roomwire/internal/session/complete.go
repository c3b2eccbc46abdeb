package session

import (
	"slices"
	"strings"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
)

// complete completes the word before the cursor when the tabulator key is
// pressed: commands, namespaces, and the events that have come.
func (s *Session) complete(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' {
		return "", 0, false
	}
	before, after := line[:pos], line[pos:]
	start, choices := s.choices(before)
	typed := before[start:]
	choices = slices.DeleteFunc(choices, func(c string) bool { return !strings.HasPrefix(c, typed) })
	if len(choices) == 0 {
		return line, pos, true
	}
	more := choices[0]
	for _, c := range choices[1:] {
		for !strings.HasPrefix(c, more) {
			more = more[:len(more)-1]
		}
	}
	if len(choices) == 1 {
		more += " "
	} else if more == typed {
		s.screen.hint("", "", s.screen.style.Paint(console.Dim, strings.Join(choices, "  ")), "")
	}
	more = strings.ToValidUTF8(more, "")
	return before[:start] + more + strings.TrimPrefix(after, " "), start + len(more), true
}

// choices returns what may stand at the end of a line, and where it begins.
func (s *Session) choices(line string) (start int, choices []string) {
	name, rest, found := strings.Cut(line, " ")
	switch {
	case strings.HasPrefix(line, "?"):
		return 1, s.known()
	case !strings.HasPrefix(line, "/"):
		return 0, s.known()
	case !found:
		for _, c := range commands {
			choices = append(choices, "/"+c.name)
		}
		return 0, choices
	}
	start = len(line) - len(rest)
	switch name {
	case "/ns":
		return start, s.namespaces()
	case "/ack", "/answer", "/binary", "/wait":
		return start, s.known()
	}
	return start, nil
}

// known returns the names of the events that came or were sent.
func (s *Session) known() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.seen)+len(s.sent))
	for name := range s.seen {
		names = append(names, spell(name))
	}
	for name := range s.sent {
		if s.seen[name] == 0 {
			names = append(names, spell(name))
		}
	}
	slices.Sort(names)
	return names
}
