package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/remote"
	"github.com/roomwire/roomwire/event"
)

// An emitCmd sends an event.
type emitCmd struct {
	URL       string   `arg:"" help:"The server; a path after the host is a namespace, as in socket.io-client."`
	Event     string   `arg:"" help:"Name of the event."`
	Args      []string `arg:"" optional:"" name:"arg" help:"Arguments: JSON, or a string if it is not JSON. Put -- before the first that begins with a dash."`
	Namespace string   `short:"n" placeholder:"/NAME" help:"Namespace to join."`
	Ack       bool     `short:"a" help:"Ask for an acknowledgement and print it, a line for each of its values; none in time is a failure."`
	Binary    []string `short:"b" sep:"none" placeholder:"FILE" help:"Add the bytes of a file as a binary argument after the others, - being standard input; may be repeated."`
	Repeat    int      `default:"1" placeholder:"N" help:"Send it so many times."`
	Rate      float64  `placeholder:"N" help:"With --repeat: send so many a second; as fast as it goes unless said otherwise."`
	remote.Flags
}

// Help implements kong.HelpProvider.
func (c *emitCmd) Help() string {
	return `Examples:

  roomwire emit localhost:3000 "chat message" hello
  roomwire emit localhost:3000 add 1 2 --ack
  roomwire emit localhost:3000 upload '{"name":"a.png"}' --binary a.png --ack
  roomwire emit localhost:3000 move -- -1 0.5

The exit status is 0 when the server has read the event and, with --ack, acknowledged it; 1 when not; 2 for a mistake on the command line. An acknowledgement of the form {"error":{"message":…}} is a failure.`
}

// Run implements the command.
func (c *emitCmd) Run(e *env) error {
	t, err := c.Target(c.URL)
	if err != nil {
		return usageError{err}
	}
	if c.Repeat < 1 || c.Rate < 0 {
		return usageError{errors.New("--repeat and --rate take numbers above nothing")}
	}
	args, err := c.arguments(e)
	if err != nil {
		return err
	}
	var acks remote.Acks
	o := t.Options()
	o.NoReconnection = true
	o.Hooks.Packet = acks.Packet
	var names []string
	if c.Namespace != "" {
		names = []string{c.Namespace}
	}
	cl, err := t.Open(e.ctx, o, t.Names(names), nil)
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := c.send(e, t, cl.Of(t.Names(names)[0]), &acks, args); err != nil || c.Ack {
		return err
	}
	return t.Settle(e.ctx, cl.Engine())
}

// arguments are those of the command line and of the files.
func (c *emitCmd) arguments(e *env) ([]any, error) {
	args := remote.Args(c.Args)
	for _, name := range c.Binary {
		var data []byte
		var err error
		if name == "-" {
			data, err = io.ReadAll(e.stdin)
		} else {
			data, err = os.ReadFile(name)
		}
		if err != nil {
			return nil, fmt.Errorf("--binary: %w", err)
		}
		args = append(args, data)
	}
	return args, nil
}

// send sends the event as often as asked.
func (c *emitCmd) send(e *env, t *remote.Target, s *client.Socket, acks *remote.Acks, args []any) error {
	began := time.Now()
	var took []time.Duration
	for i := range c.Repeat {
		if err := c.pace(e.ctx, began, i); err != nil {
			return err
		}
		one := time.Now()
		if !c.Ack {
			if err := s.Emit(e.ctx, c.Event, args...); err != nil {
				return t.Unanswered(c.Event, s.Namespace(), err)
			}
			continue
		}
		err := s.EmitAck(e.ctx, c.Event, nil, args...)
		took = append(took, time.Since(one))
		if refused := (*event.Error)(nil); err != nil && !errors.As(err, &refused) {
			return t.Unanswered(c.Event, s.Namespace(), err)
		}
		if werr := c.print(e, acks.Take(s.Namespace(), c.Event)); werr != nil {
			return werr
		}
		if err != nil {
			return t.Unanswered(c.Event, s.Namespace(), err)
		}
	}
	c.summary(e, s, time.Since(began), took)
	return nil
}

// pace waits for the turn of the nth event.
func (c *emitCmd) pace(ctx context.Context, began time.Time, n int) error {
	if c.Rate == 0 || n == 0 {
		return ctx.Err()
	}
	due := began.Add(time.Duration(float64(n) / c.Rate * float64(time.Second)))
	select {
	case <-time.After(time.Until(due)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// print prints an acknowledgement.
func (c *emitCmd) print(e *env, p remote.Payload) error {
	vs, err := console.Values(p.Len(), p.Bind)
	if err != nil {
		return err
	}
	for _, v := range vs {
		line := string(v.AppendJSON(nil))
		if e.out.People {
			line = v.Text(e.out)
		}
		if _, err := fmt.Fprintln(e.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// summary tells a person how it went.
func (c *emitCmd) summary(e *env, s *client.Socket, all time.Duration, took []time.Duration) {
	text := fmt.Sprintf("sent to %s", s.Namespace())
	switch {
	case c.Ack && c.Repeat == 1:
		text = "acknowledged in " + console.Took(took[0])
	case c.Ack:
		slices.Sort(took)
		text = fmt.Sprintf("%d acknowledged in %s, half of them within %s, 99%% within %s", c.Repeat, console.Took(all),
			console.Took(took[len(took)/2]), console.Took(took[len(took)*99/100]))
	case c.Repeat > 1:
		text = fmt.Sprintf("%d sent to %s in %s", c.Repeat, s.Namespace(), console.Took(all))
	}
	e.note("%s %s", e.err.Paint(console.Green, "✓"), e.err.Paint(console.Dim, text))
}
