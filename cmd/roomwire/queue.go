package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/queueapi"
	"github.com/roomwire/roomwire/stores/pebble"
)

// A queueCmd looks into queues and works with them.
type queueCmd struct {
	Data  string `default:"./roomwire-data" placeholder:"DIR" help:"Directory of the store (default: ${default}). If a server on this machine has it open, that one is asked."`
	URL   string `name:"url" placeholder:"URL" help:"Ask this running server instead; its token is in --token, or in the directory that it has open."`
	Token string `env:"ROOMWIRE_TOKEN" placeholder:"TOKEN" help:"Token of the server; roomwire dev --memory prints it."`
	JSON  bool   `name:"json" help:"Print JSON, one object per line."`

	Ls      queueLsCmd      `cmd:"" help:"List logs, mailboxes, work queues and sessions."`
	Stats   queueStatsCmd   `cmd:"" help:"Print what the store holds altogether."`
	Pending queuePendingCmd `cmd:"" help:"Show how much waits for somebody, or in a work queue."`
	Peek    queuePeekCmd    `cmd:"" help:"Show messages of a mailbox, or records of a log, and leave them there."`
	Publish queuePublishCmd `cmd:"" help:"Put a message into a mailbox, or a job into a work queue."`
	Consume queueConsumeCmd `cmd:"" help:"Print messages or jobs, and take each off when it has been printed."`
	Dead    queueDeadCmd    `cmd:"" help:"Look at jobs that failed for good, try them again, or throw them away."`
	Fsck    queueFsckCmd    `cmd:"" help:"Read everything in the store and report what is damaged."`
}

// Help implements kong.HelpProvider.
func (c *queueCmd) Help() string {
	return `Examples:

  roomwire queue ls
  roomwire queue pending bob
  roomwire queue publish work:orders '{"item":7}' --delay 10s
  roomwire queue consume orders --follow --json
  roomwire queue dead replay orders --all

A NAME is that of a log, of a work queue, or of the recipient of mailboxes. Where it could be several of them, and for something new, its kind comes first: log:NAME, work:NAME, mailbox:NAME.`
}

// do runs one operation.
func (c *queueCmd) do(e *env, operation string, request, out any) error {
	b, err := c.open(queueapi.Writes(operation))
	if err != nil {
		return err
	}
	err = c.explain(b.Do(e.ctx, operation, request, out))
	return errors.Join(err, b.Close())
}

// open returns the store in the directory or the server that is to be asked.
func (c *queueCmd) open(writes bool) (queueapi.Backend, error) {
	if c.URL != "" {
		return c.remote()
	}
	if _, err := os.Stat(c.Data); err != nil {
		return nil, fmt.Errorf("there is no store in %s\n  --data DIR   the directory of another one\n  --url URL    a running server\n  roomwire dev makes one", c.Data)
	}
	p, err := pebble.Open(c.Data, &pebble.Options{Logger: slog.New(slog.DiscardHandler), ReadOnly: !writes, Janitor: -1})
	if errors.Is(err, pebble.ErrLocked) {
		r, err := queueapi.Announced(c.Data)
		if err != nil {
			return nil, fmt.Errorf("%s is in use by another program, which cannot be asked\n  stop it first", c.Data)
		}
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return queueapi.Local{Ops: &queueapi.Ops{Store: p.Store, Disk: p.DiskUsage}, Closer: p}, nil
}

func (c *queueCmd) remote() (queueapi.Backend, error) {
	raw := c.URL
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, usageError{fmt.Errorf("%q is no URL of a server", c.URL)}
	}
	r := queueapi.Remote{URL: u.Scheme + "://" + u.Host, Token: c.Token}
	if r.Token != "" {
		return r, nil
	}
	known, err := queueapi.Announced(c.Data)
	if err == nil && port(known.URL) == port(r.URL) {
		r.Token = known.Token
		return r, nil
	}
	return nil, fmt.Errorf("no token for %s\n  --token TOKEN, or ROOMWIRE_TOKEN in the environment\n  --data DIR of the server, in which it leaves one", r.URL)
}

func port(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Port()
}

// explain says what to do about an error.
func (c *queueCmd) explain(err error) error {
	switch {
	case errors.Is(err, queueapi.ErrUnauthorized):
		return fmt.Errorf("%w\n  it has another one since it was started anew: see --token", err)
	case errors.Is(err, syscall.ECONNREFUSED) && c.URL == "":
		return fmt.Errorf("%s is in use by a program that does not answer: %w", c.Data, err)
	}
	return err
}

// lines prints each of all as a line of JSON.
func lines[T any](e *env, all []T) error {
	for _, v := range all {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(e.stdout, "%s\n", b); err != nil {
			return err
		}
	}
	return nil
}

// run1 runs an operation whose answer it returns.
func run1[Out any](c *queueCmd, e *env, operation string, request any) (out Out, err error) {
	err = c.do(e, operation, request, &out)
	return out, err
}

// A ref names a queue on the command line.
type ref struct {
	Set   string `name:"in" placeholder:"SET" help:"Set of mailboxes, usually a namespace."`
	Topic string `placeholder:"TOPIC" help:"Topic of the mailbox, as the room of a chat."`
	Group string `placeholder:"GROUP" help:"Consumer group of the work queue."`
}

func (r ref) to(name string) queueapi.Ref {
	return queueapi.Ref{Name: name, Set: r.Set, Topic: r.Topic, Group: r.Group}
}

// session opens a backend once for several operations.
func (c *queueCmd) session(fn func(do operations) error) error {
	b, err := c.open(true)
	if err != nil {
		return err
	}
	err = fn(func(ctx context.Context, operation string, request, out any) error {
		return c.explain(b.Do(ctx, operation, request, out))
	})
	return errors.Join(err, b.Close())
}
