package console

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// A Feed prints events of clients, one per line. It may be used by many
// goroutines at once.
type Feed struct {
	mu     sync.Mutex
	w      io.Writer
	style  Style
	json   bool
	spaces int // width of the column of namespaces; 0: none
	names  int // width of the column of events
}

// NewFeed returns a feed to w, as JSON or for people. namespaces are those
// whose events will be printed.
func NewFeed(w io.Writer, s Style, asJSON bool, namespaces []string) *Feed {
	f := &Feed{w: w, style: s, json: asJSON, names: 12}
	for _, ns := range namespaces {
		if len(namespaces) > 1 || ns != "/" {
			f.spaces = max(f.spaces, Columns(ns))
		}
	}
	return f
}

// An Event is what a Feed prints.
type Event struct {
	Time      time.Time `json:"time"`
	Namespace string    `json:"namespace"`
	Event     string    `json:"event"`
	Args      []Value   `json:"args"`
}

// Print prints one event.
func (f *Feed) Print(e Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.json {
		if e.Args == nil {
			e.Args = []Value{}
		}
		line, err := json.Marshal(e)
		if err == nil {
			_, err = fmt.Fprintf(f.w, "%s\n", line)
		}
		return err
	}
	name := Printable(e.Event)
	f.names = max(f.names, min(Columns(name), 28))
	line := f.style.Paint(Dim, e.Time.Format("15:04:05.000")) + "  "
	if f.spaces > 0 {
		line += f.style.Column(Magenta, Printable(e.Namespace), f.spaces+2)
	}
	line += f.style.Column(Bold+";"+Blue, name, f.names) + "  " + Text(f.style, e.Args)
	_, err := fmt.Fprintln(f.w, Clip(line, f.style.Width))
	return err
}
