package session

import (
	"bufio"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
)

// A screen reads lines and prints lines: on a terminal with editing, history
// and completion, so that what is printed does not tear what is being typed;
// otherwise as they come.
type screen struct {
	style   console.Style
	clock   bool
	names   int // width of the column of events
	scan    *bufio.Scanner
	term    *term.Terminal
	restore func()

	w     io.Writer
	lines chan entry
	wg    sync.WaitGroup
}

// An entry is a line, or a mark that is closed when all lines before it have
// been printed.
type entry struct {
	line   string
	passed chan struct{}
}

const maxLine = 4 << 20

// newScreen makes a screen of the input and output of a command.
func newScreen(in io.Reader, out io.Writer, style console.Style) (*screen, error) {
	s := &screen{style: style, names: 12, w: out, lines: make(chan entry, 256), restore: func() {}}
	f, ok := in.(*os.File)
	if ok && style.People && term.IsTerminal(int(f.Fd())) {
		old, err := term.MakeRaw(int(f.Fd()))
		if err != nil {
			return nil, err
		}
		s.restore = func() { _ = term.Restore(int(f.Fd()), old) }
		s.clock = true
		s.term = term.NewTerminal(&keyboard{in: f, out: out, typed: func() { s.resize(out) }}, "")
		s.w = s.term
		s.resize(out)
	} else {
		s.scan = bufio.NewScanner(in)
		s.scan.Buffer(nil, maxLine)
	}
	s.wg.Go(func() {
		for e := range s.lines {
			if e.passed != nil {
				close(e.passed)
				continue
			}
			s.resize(out)
			_, _ = io.WriteString(s.w, e.line+"\n")
		}
	})
	return s, nil
}

// resize tells the line editor how wide the terminal is now.
func (s *screen) resize(out io.Writer) {
	if f, ok := out.(*os.File); ok && s.term != nil {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			_ = s.term.SetSize(width, height)
		}
	}
}

// end leaves the line of the prompt.
func (s *screen) end() {
	if s.term != nil {
		s.term.SetPrompt("")
		s.print("")
	}
}

// close prints what is left and gives the terminal back. Nothing may be
// printed any more.
func (s *screen) close() {
	close(s.lines)
	s.wg.Wait()
	s.restore()
}

// read returns the next line, or io.EOF.
func (s *screen) read(prompt string) (string, error) {
	if s.term == nil {
		if s.scan.Scan() {
			return s.scan.Text(), nil
		}
		if err := s.scan.Err(); err != nil {
			return "", err
		}
		return "", io.EOF
	}
	s.term.SetPrompt(s.style.Paint(console.Bold+";"+console.Cyan, prompt+"> "))
	line, err := s.term.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

// print prints a line; what is longer than the terminal wraps.
func (s *screen) print(line string) { s.lines <- entry{line: line} }

// flush waits until everything said so far has been printed.
func (s *screen) flush() {
	passed := make(chan struct{})
	s.lines <- entry{passed: passed}
	<-passed
}

// say prints a line with a sign, the name of something, and what it is.
func (s *screen) say(sign, color, name, text string) { s.print(s.format(sign, color, name, text)) }

// hint is say for those who must not wait: the line is dropped when many wait.
func (s *screen) hint(sign, color, name, text string) {
	select {
	case s.lines <- entry{line: s.format(sign, color, name, text)}:
	default:
	}
}

func (s *screen) format(sign, color, name, text string) string {
	line := s.style.Paint(color, sign) + " "
	if s.clock {
		line = s.style.Paint(console.Dim, time.Now().Format("15:04:05.000")) + "  " + line
	}
	if text == "" {
		return line + s.style.Paint(color, name)
	}
	return line + s.style.Column(color, name, s.names) + "  " + text
}
