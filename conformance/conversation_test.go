package conformance_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A conversation is one case of a file in testdata.
type conversation struct {
	name  string
	lines []string
}

func readConversations(t *testing.T, file string) (all []conversation) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "== "); ok {
			all = append(all, conversation{name: name})
		} else if line != "" && len(all) > 0 {
			c := &all[len(all)-1]
			c.lines = append(c.lines, line)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s holds no conversation", file)
	}
	return all
}

func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	for _, file := range files {
		for _, c := range readConversations(t, file) {
			for _, transport := range []string{"websocket", "polling"} {
				t.Run(c.name+"/"+transport, func(t *testing.T) { play(t, c, transport) })
			}
		}
	}
}

// play sends and expects line by line. At the end the server must still have
// nothing more to say than the answer to one more packet, unless it closed.
func play(t *testing.T, c conversation, transport string) {
	w := dial(t, transport)
	names := map[string]string{}
	for i, line := range c.lines {
		verb, text, _ := strings.Cut(line, " ")
		switch verb {
		case "C>":
			w.send(parseMessage(t, expand(text, names)))
		case "S>":
			got, ok := w.next()
			if !ok {
				t.Fatalf("line %d: the connection closed, want %s", i+1, text)
			}
			if err := match(got, expand(text, names), names); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
		case "closed":
			if got, ok := w.next(); ok {
				t.Fatalf("line %d: the server sent %s, want it to close", i+1, got)
			}
			return
		default:
			t.Fatalf("line %d: unknown verb %q", i+1, verb)
		}
	}
}

// A message is one Engine.IO packet, or a binary message.
type message struct {
	binary bool
	data   string
}

func (m message) String() string {
	if m.binary {
		return fmt.Sprintf("<%x>", m.data)
	}
	return m.data
}

func parseMessage(t *testing.T, text string) message {
	if !strings.HasPrefix(text, "<") {
		return message{data: text}
	}
	b, err := hex.DecodeString(strings.Trim(text, "<>"))
	if err != nil {
		t.Fatal(err)
	}
	return message{binary: true, data: string(b)}
}

func expand(text string, names map[string]string) string {
	for name, value := range names {
		text = strings.ReplaceAll(text, "${"+name+"}", value)
	}
	return text
}

var placeholder = regexp.MustCompile(`\\\{([a-z]+)\\\}`)

// match compares a message with a line, in which {name} stands for an ID.
func match(got message, want string, names map[string]string) error {
	pattern := placeholder.ReplaceAllString(regexp.QuoteMeta(want), `(?P<$1>[\w-]+)`)
	re, err := regexp.Compile("^" + pattern + "$")
	if err != nil {
		return err
	}
	m := re.FindStringSubmatch(got.String())
	if m == nil {
		return fmt.Errorf("got %s, want %s", got, want)
	}
	for i, name := range re.SubexpNames() {
		if name == "" {
			continue
		}
		for other, value := range names {
			if value == m[i] && other != name {
				return fmt.Errorf("%s is the same as %s", name, other)
			}
		}
		names[name] = m[i]
	}
	return nil
}
