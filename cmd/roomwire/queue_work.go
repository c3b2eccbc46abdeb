package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/queueapi"
	"github.com/roomwire/roomwire/queue"
)

// A queuePublishCmd puts a message into a queue.
type queuePublishCmd struct {
	Name     string        `arg:"" help:"Recipient or work queue; a new one with its kind: mailbox:NAME or work:NAME."`
	Message  string        `arg:"" help:"The message: what it holds is up to its reader; @FILE reads a file, @- standard input."`
	Key      string        `placeholder:"KEY" help:"A second publish with this key stores nothing."`
	TTL      time.Duration `name:"ttl" placeholder:"DURATION" help:"How long a message waits in a mailbox (default: as the server says)."`
	Delay    time.Duration `placeholder:"DURATION" help:"When a job may first be taken."`
	Priority int           `placeholder:"0…9" help:"Jobs of higher priority come first."`
	ref
}

// Run implements the command.
func (c *queuePublishCmd) Run(e *env, q *queueCmd) error {
	data, err := content(e, c.Message)
	if err != nil {
		return err
	}
	p, err := run1[queueapi.Published](q, e, "publish", queueapi.Publish{
		Ref: c.to(c.Name), Data: data, Key: c.Key, TTL: c.TTL, Delay: c.Delay, Priority: c.Priority,
	})
	if err != nil {
		return err
	}
	if q.JSON {
		return lines(e, []queueapi.Published{p})
	}
	what := "stored"
	if p.Duplicate {
		what = "was stored before"
	}
	_, err = fmt.Fprintf(e.stdout, "%s as %d\n", what, p.Seq)
	return err
}

// content returns what an argument stands for.
func content(e *env, arg string) ([]byte, error) {
	if len(arg) < 2 || arg[0] != '@' {
		return []byte(arg), nil
	}
	const most = 1 << 20
	in := e.stdin
	if arg != "@-" {
		f, err := os.Open(arg[1:])
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("%s has more than %s", arg[1:], console.Bytes(most))
	}
	return data, err
}

// A queueConsumeCmd prints messages and takes them off.
type queueConsumeCmd struct {
	Name   string        `arg:"" help:"Recipient, or work queue."`
	Count  int           `short:"c" placeholder:"N" help:"Stop after so many."`
	Follow bool          `short:"f" help:"Wait for more, until interrupted."`
	Nack   bool          `help:"Give jobs back instead: they are tried again, or dead when they were tried often enough."`
	Reason string        `placeholder:"TEXT" default:"roomwire queue consume --nack" help:"Reason for --nack."`
	Delay  time.Duration `placeholder:"DURATION" help:"When jobs that are given back may be taken again."`
	ref
}

// Run implements the command.
func (c *queueConsumeCmd) Run(e *env, q *queueCmd) error {
	if c.Count < 0 {
		return usageError{errors.New("--count must not be negative")}
	}
	if c.Nack && c.Follow {
		return usageError{errors.New("--nack and --follow would go round in circles")}
	}
	seen := 0
	err := q.session(func(do operations) error {
		for c.Count == 0 || seen < c.Count {
			n, err := c.some(e, q, do)
			seen += n
			if err != nil || n == 0 && !c.Follow || c.Nack {
				return err
			}
		}
		return nil
	})
	if e.ctx.Err() != nil {
		err = nil
	}
	if err == nil && !q.JSON {
		e.note("%s", e.err.Paint(console.Dim, fmt.Sprintf("%d consumed", seen)))
	}
	return err
}

// operations runs operations on a backend.
type operations func(ctx context.Context, operation string, request, out any) error

// some takes what there is: one message or job at a time, so that what was
// not printed is not taken; those that are given back all at once.
func (c *queueConsumeCmd) some(e *env, q *queueCmd, do operations) (n int, err error) {
	take := queueapi.Take{Ref: c.to(c.Name), Max: 1, Lease: time.Minute}
	if c.Nack {
		take.Max = max(1, min(c.Count, 1000))
		if c.Count == 0 {
			take.Max = 1000
		}
	}
	if c.Follow {
		take.Wait = 10 * time.Second
	}
	var m queueapi.Messages
	if err := do(e.ctx, "take", take, &m); err != nil {
		return 0, err
	}
	for i, one := range m.Messages {
		if err := c.print(e, q, one); err != nil {
			return i, err
		}
		m.Messages[i].Data = queueapi.Data(`null`)
	}
	if len(m.Messages) == 0 {
		return 0, nil
	}
	// What was printed is taken off also when somebody interrupts.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 10*time.Second)
	defer cancel()
	done := queueapi.Done{Ref: c.to(c.Name), Messages: m.Messages, Nack: c.Nack, Delay: c.Delay, Reason: c.Reason}
	return len(m.Messages), do(ctx, "done", done, new(queueapi.Count))
}

func (c *queueConsumeCmd) print(e *env, q *queueCmd, m queueapi.Message) error {
	if q.JSON {
		return lines(e, []queueapi.Message{m})
	}
	_, err := fmt.Fprintln(e.stdout, console.Printable(string(m.Data)))
	return err
}

// A queueDeadCmd works with dead jobs.
type queueDeadCmd struct {
	Ls     queueDeadLsCmd   `cmd:"" help:"List the dead jobs of a work queue."`
	Replay queueDeadDoCmd   `cmd:"" help:"Try dead jobs again, as if they had never been tried."`
	Purge  queueDeadGoneCmd `cmd:"" help:"Remove dead jobs for good."`
}

// A queueDeadLsCmd lists dead jobs.
type queueDeadLsCmd struct {
	Name  string `arg:"" help:"Work queue."`
	Limit int    `short:"n" default:"100" help:"At most so many, oldest first."`
	Group string `placeholder:"GROUP" help:"Consumer group of the work queue."`
}

// Run implements the command.
func (c *queueDeadLsCmd) Run(e *env, q *queueCmd) error {
	m, err := run1[queueapi.Messages](q, e, "dead", queueapi.Dead{Ref: ref{Group: c.Group}.to(c.Name), Limit: c.Limit})
	if err != nil {
		return err
	}
	if q.JSON {
		return lines(e, m.Messages)
	}
	return messages(e, m.Messages)
}

// deadChoice says which dead jobs are meant.
type deadChoice struct {
	Name  string   `arg:"" help:"Work queue."`
	Seq   []string `arg:"" optional:"" help:"Sequence numbers, as dead ls shows them."`
	All   bool     `help:"All of them."`
	Group string   `placeholder:"GROUP" help:"Consumer group of the work queue."`
}

func (c *deadChoice) run(e *env, q *queueCmd, operation, done string) error {
	d := queueapi.Dead{Ref: ref{Group: c.Group}.to(c.Name), All: c.All}
	for _, s := range c.Seq {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return usageError{fmt.Errorf("%q is no sequence number", s)}
		}
		d.Seqs = append(d.Seqs, n)
	}
	if c.All == (len(d.Seqs) > 0) {
		return usageError{errors.New("say which: sequence numbers, or --all")}
	}
	n, err := run1[queueapi.Count](q, e, operation, d)
	if err != nil {
		return err
	}
	if n.Count < len(d.Seqs) {
		err = fmt.Errorf("%w: %d of %d", queue.ErrNotFound, len(d.Seqs)-n.Count, len(d.Seqs))
	}
	if q.JSON {
		return errors.Join(lines(e, []queueapi.Count{n}), err)
	}
	fmt.Fprintf(e.stdout, "%d %s\n", n.Count, done)
	return err
}

// A queueDeadDoCmd replays dead jobs.
type queueDeadDoCmd struct{ deadChoice }

// Run implements the command.
func (c *queueDeadDoCmd) Run(e *env, q *queueCmd) error {
	return c.run(e, q, "replay", "ready again")
}

// A queueDeadGoneCmd removes dead jobs.
type queueDeadGoneCmd struct{ deadChoice }

// Run implements the command.
func (c *queueDeadGoneCmd) Run(e *env, q *queueCmd) error { return c.run(e, q, "purge", "removed") }
