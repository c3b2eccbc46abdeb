package session

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/remote"
)

// A word is a part of a line.
type word struct {
	text string // as typed, or what is between the quotes
	arg  any    // what it means as an argument of an event
}

// words splits a line at spaces outside of JSON. What begins like JSON must be
// JSON; what is in single quotes is a string; anything else is JSON if it can
// be, such as a number, or else a string.
func words(line string) ([]word, error) {
	var out []word
	for {
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" {
			return out, nil
		}
		var w word
		n := 0
		switch line[0] {
		case '{', '[', '"':
			d := json.NewDecoder(strings.NewReader(line))
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return nil, errors.New("this is no JSON: " + line)
			}
			n = int(d.InputOffset())
			w = word{text: line[:n], arg: raw}
			_ = json.Unmarshal(raw, &w.text) // what is in a string
		case '\'':
			end := strings.IndexByte(line[1:], '\'')
			if end < 0 {
				return nil, errors.New("a single quote is not closed: " + line)
			}
			n = end + 2
			w = word{text: line[1 : n-1], arg: line[1 : n-1]}
		default:
			n = strings.IndexFunc(line, unicode.IsSpace)
			if n < 0 {
				n = len(line)
			}
			w = word{text: line[:n], arg: remote.Arg(line[:n])}
		}
		out = append(out, w)
		line = line[n:]
	}
}

// args are what words mean.
func args(ws []word) []any {
	out := make([]any, len(ws))
	for i, w := range ws {
		out[i] = w.arg
	}
	return out
}

// spell writes the name of an event such that words reads it back.
func spell(name string) string {
	plain := name != "" && !strings.ContainsAny(name[:1], `/?{["'`) && !strings.ContainsFunc(name, unicode.IsSpace)
	if plain {
		return name
	}
	q, err := json.Marshal(name)
	if err != nil {
		return name
	}
	return string(q)
}
