package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/queueapi"
	"github.com/roomwire/roomwire/stores/pebble"
)

// A queueFsckCmd checks a store.
type queueFsckCmd struct {
	Repair bool `help:"Keep what can be read, make the rest whole, and tell readers of what was lost by a gap. Nobody may have the store open."`
}

// Help implements kong.HelpProvider.
func (*queueFsckCmd) Help() string {
	return `The status is 0 when everything is as it was written, or has been repaired, and 1 otherwise. In a running server, what is written at the same time may look like a problem with an index or a count.`
}

// Run implements the command.
func (c *queueFsckCmd) Run(e *env, q *queueCmd) error {
	r, err := c.report(e, q)
	if err != nil {
		return err
	}
	if q.JSON {
		err = lines(e, []queueapi.CheckReport{r})
	} else {
		c.print(e, r)
	}
	if n := int64(len(r.Problems) + r.More); err == nil && n > 0 && !c.Repair {
		err = fmt.Errorf("%s\n  roomwire queue fsck --repair keeps what can be read; make a copy of the directory before", count(n, "problem", "problems"))
	}
	return err
}

func (c *queueFsckCmd) report(e *env, q *queueCmd) (queueapi.CheckReport, error) {
	if q.URL == "" {
		if _, err := os.Stat(q.Data); err != nil {
			return queueapi.CheckReport{}, fmt.Errorf("there is no store in %s\n  --data DIR   the directory of another one", q.Data)
		}
		r, err := pebble.Fsck(e.ctx, q.Data, &pebble.Options{Logger: slog.New(slog.DiscardHandler)}, c.Repair)
		if err == nil {
			return queueapi.ReportOf(r), nil
		}
		if !errors.Is(err, pebble.ErrLocked) {
			return queueapi.CheckReport{}, err
		}
	}
	if c.Repair {
		return queueapi.CheckReport{}, errors.New("a store that is in use cannot be repaired: stop the server first")
	}
	return run1[queueapi.CheckReport](q, e, "fsck", queueapi.None{})
}

func (c *queueFsckCmd) print(e *env, r queueapi.CheckReport) {
	for _, p := range r.Problems {
		p, _, _ = strings.Cut(p, "\n") // what follows is about the code of the database
		fmt.Fprintln(e.stdout, e.out.Paint(console.Red, "✗"), console.Printable(p))
	}
	if r.More > 0 {
		fmt.Fprintf(e.stdout, "  and %d more\n", r.More)
	}
	mark := e.out.Paint(console.Green, "✓")
	if len(r.Problems) > 0 {
		mark = " "
	}
	fmt.Fprintf(e.stdout, "%s read %d keys: %d records, %d messages, %d jobs, %d sessions\n", mark, r.Keys, r.Records, r.Messages, r.Jobs, r.Sessions)
	switch {
	case !c.Repair || len(r.Problems) == 0:
	case r.Lost:
		fmt.Fprintln(e.stdout, "  repaired; something that had been acknowledged may be lost, and readers are told by a gap")
	default:
		fmt.Fprintln(e.stdout, "  repaired; nothing was lost")
	}
}
