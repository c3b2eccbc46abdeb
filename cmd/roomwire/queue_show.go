package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/queueapi"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/table"
)

// A queueLsCmd lists what a store holds.
type queueLsCmd struct{}

// Run implements the command.
func (*queueLsCmd) Run(e *env, q *queueCmd) error {
	all, err := run1[queueapi.Objects](q, e, "ls", queueapi.None{})
	if err != nil {
		return err
	}
	if q.JSON {
		return lines(e, all.Objects)
	}
	if len(all.Objects) == 0 {
		e.note("the store is empty")
		return nil
	}
	t := table.New(
		table.Column{Title: "KIND", Color: console.Magenta}, table.Column{Title: "NAME", Color: console.Bold},
		table.Column{Title: "HOLDS", Right: true}, table.Column{Title: "BYTES", Right: true}, table.Column{Title: ""},
	)
	for _, o := range all.Objects {
		name := o.Name
		if o.Group != "" {
			name += " (" + o.Group + ")"
		}
		t.Row(o.Kind, name, o.Count, size(o.Bytes), remarks(o))
	}
	return t.Print(e.stdout, e.out)
}

// remarks says what is particular to the kind of an object.
func remarks(o queueapi.Object) string {
	var all []string
	add := func(n int64, what string) {
		if n != 0 {
			all = append(all, fmt.Sprintf("%d %s", n, what))
		}
	}
	switch o.Kind {
	case "log":
		return "up to " + o.Last
	case "mailbox":
		all = append(all, fmt.Sprintf("waiting in %s", count(o.Boxes, "mailbox", "mailboxes")))
	case "work":
		add(o.Ready, "ready")
		add(o.Leased, "leased")
		add(o.Delayed, "delayed")
		add(o.Dead, "dead")
	}
	add(o.Expired, "expired")
	add(o.Dropped, "dropped")
	return strings.Join(all, ", ")
}

// count says how many there are of something.
func count(n int64, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func size(n int64) string {
	if n == 0 {
		return ""
	}
	return console.Bytes(int(n))
}

// A queueStatsCmd prints totals.
type queueStatsCmd struct{}

// Run implements the command.
func (*queueStatsCmd) Run(e *env, q *queueCmd) error {
	s, err := run1[queueapi.Totals](q, e, "stats", queueapi.None{})
	if err != nil {
		return err
	}
	if q.JSON {
		return lines(e, []queueapi.Totals{s})
	}
	row := func(what, format string, args ...any) {
		fmt.Fprintf(e.stdout, "%s  %s\n", e.out.Column(console.Dim, what, 10), fmt.Sprintf(format, args...))
	}
	row("logs", "%d with %d records", s.Logs, s.Records)
	row("mailboxes", "%d with %d messages waiting, %d dropped, %d expired", s.Mailboxes, s.Pending, s.Dropped, s.Expired)
	row("work", "%d with %d jobs ready, %d leased, %d delayed, %d dead", s.Work, s.Ready, s.Leased, s.Delayed, s.Dead)
	row("sessions", "%d", s.Sessions)
	row("kept", "%s", console.Bytes(int(s.Bytes)))
	if s.Disk > 0 {
		row("on disk", "%s", console.Bytes(int(s.Disk)))
	}
	if s.Failure != "" {
		row("writing", "%s", e.out.Paint(console.Red, s.Failure))
	}
	return nil
}

// A queuePendingCmd shows what waits.
type queuePendingCmd struct {
	Name string `arg:"" optional:"" help:"Recipient, or work queue; without one, all mailboxes in which something waits."`
	ref
}

// Run implements the command.
func (c *queuePendingCmd) Run(e *env, q *queueCmd) error {
	b, err := run1[queueapi.Boxes](q, e, "pending", c.to(c.Name))
	if err != nil {
		return err
	}
	if q.JSON {
		if len(b.Groups) > 0 {
			return lines(e, b.Groups)
		}
		return lines(e, b.Boxes)
	}
	if len(b.Groups) > 0 {
		t := table.New(table.Column{Title: "GROUP", Color: console.Bold}, table.Column{Title: "READY", Right: true, Color: console.Yellow}, table.Column{Title: "LEASED", Right: true},
			table.Column{Title: "DELAYED", Right: true}, table.Column{Title: "DEAD", Right: true, Color: console.Red})
		for _, g := range b.Groups {
			t.Row(g.Group, g.Ready, g.Leased, g.Delayed, g.Dead)
		}
		return t.Print(e.stdout, e.out)
	}
	if len(b.Boxes) == 0 {
		e.note("nothing waits")
		return nil
	}
	t := table.New(table.Column{Title: "RECIPIENT", Color: console.Bold}, table.Column{Title: "TOPIC"}, table.Column{Title: "PENDING", Right: true, Color: console.Yellow},
		table.Column{Title: "BYTES", Right: true}, table.Column{Title: "DROPPED", Right: true}, table.Column{Title: "USED"}, table.Column{Title: "IN", Color: console.Dim})
	for _, box := range b.Boxes {
		t.Row(box.Recipient, box.Topic, box.Pending, size(box.Bytes), box.Dropped, ago(box.Used), box.Set)
	}
	if err := t.Print(e.stdout, e.out); err != nil {
		return err
	}
	if b.More {
		e.warn("there are more than these %d", len(b.Boxes))
	}
	return nil
}

// A queuePeekCmd shows messages.
type queuePeekCmd struct {
	Name  string `arg:"" help:"Recipient, or log."`
	Limit int    `short:"n" default:"10" help:"At most so many: the oldest of mailboxes, the newest of a log."`
	After string `placeholder:"OFFSET" help:"Begin after this offset of the log."`
	Room  string `short:"r" placeholder:"ROOM" help:"Only records of the log for this room, or for everybody."`
	ref
}

// Run implements the command.
func (c *queuePeekCmd) Run(e *env, q *queueCmd) error {
	if c.Limit < 1 || c.Limit > 1000 {
		return usageError{fmt.Errorf("--limit is 1 to 1000")}
	}
	m, err := run1[queueapi.Messages](q, e, "peek", queueapi.Peek{Ref: c.to(c.Name), Limit: c.Limit, After: c.After, Room: c.Room})
	if err != nil {
		return err
	}
	if q.JSON {
		return lines(e, m.Messages)
	}
	return messages(e, m.Messages)
}

// messages prints messages as a table, with the columns that they need.
func messages(e *env, all []queueapi.Message) error {
	if len(all) == 0 {
		e.note("nothing there")
		return nil
	}
	where, tried, why := "", false, false
	for _, m := range all {
		switch {
		case len(m.Rooms) > 0:
			where = "ROOMS"
		case m.Topic != "":
			where = "TOPIC"
		}
		tried = tried || m.Attempts > 0
		why = why || m.Reason != ""
	}
	columns := []table.Column{{Title: "SEQ", Right: true, Color: console.Bold}, {Title: "TIME", Color: console.Dim}}
	if where != "" {
		columns = append(columns, table.Column{Title: where, Color: console.Magenta})
	}
	if tried {
		columns = append(columns, table.Column{Title: "TRIED", Right: true})
	}
	if why {
		columns = append(columns, table.Column{Title: "REASON", Color: console.Red})
	}
	t := table.New(append(columns, table.Column{Title: "DATA"})...)
	for _, m := range all {
		cells := []any{m.Seq, ago(m.Time)}
		if where != "" {
			cells = append(cells, m.Topic+strings.Join(m.Rooms, ", "))
		}
		if tried {
			cells = append(cells, m.Attempts)
		}
		if why {
			cells = append(cells, m.Reason)
		}
		data := string(m.Data)
		if m.Damaged != "" {
			data = m.Damaged
		}
		t.Row(append(cells, data)...)
	}
	return t.Print(e.stdout, e.out)
}

// ago says how long something was ago.
func ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := time.Since(t)
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return fmt.Sprintf("%dd ago", int(d.Hours()/24))
}
