// Roomwire is a Socket.IO server that anyone can run, and the tool that talks
// to any Socket.IO server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
)

// version is set by the linker.
var version = "0.1.0-dev"

// A cli is the command line: a field for each command, which is a file of its
// own with a type that has a Run method.
type cli struct {
	Dev   devCmd   `cmd:"" group:"serve" help:"Start a server with a demo chat, at once and without configuration."`
	Queue queueCmd `cmd:"" group:"serve" help:"Look into queues, and work with them."`

	Tail    tailCmd    `cmd:"" group:"talk" help:"Show the events that a server sends, as they come."`
	Emit    emitCmd    `cmd:"" group:"talk" help:"Send an event, and print the acknowledgement."`
	Connect connectCmd `cmd:"" group:"talk" help:"Talk to a server by hand."`
	Probe   probeCmd   `cmd:"" group:"talk" help:"Report what a server speaks, with advice."`
	Bench   benchCmd   `cmd:"" group:"talk" help:"Measure a server, within bounds."`

	Types typesCmd `cmd:"" group:"write" help:"Write TypeScript declarations of a Go package of events."`

	Completion completionCmd `cmd:"" group:"shell" help:"Print the completion script of a shell."`
	Man        manCmd        `cmd:"" group:"shell" help:"Print the manual page."`

	Color   string           `enum:"auto,always,never" default:"auto" help:"When to use colour: auto, always or never. NO_COLOR in the environment means never."`
	Version kong.VersionFlag `help:"Print the version and exit."`
}

// An env is what a command may use of the world.
type env struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	out, err       console.Style // how stdout and stderr are written to
	model          *kong.Application
}

// note tells a person at the terminal what happens; scripts hear nothing of it.
func (e *env) note(format string, args ...any) {
	if e.err.People {
		fmt.Fprintf(e.stderr, format+"\n", args...)
	}
}

// warn tells of trouble that does not end the command.
func (e *env) warn(format string, args ...any) {
	fmt.Fprintf(e.stderr, "%s %s\n", e.err.Paint(console.Yellow, "!"), fmt.Sprintf(format, args...))
}

// A usageError is a mistake on the command line.
type usageError struct{ error }

func main() { os.Exit(start()) }

// start runs the program and returns its exit status: 0, 1 when the command
// could not do its work, 2 for a mistake on the command line.
func start() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	e := &env{ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	err := run(e, os.Args[1:])
	if err == nil {
		return 0
	}
	// What a command returns may have several lines, of which the first says it all.
	first, more, _ := strings.Cut(err.Error(), "\n")
	fmt.Fprintln(os.Stderr, e.err.Paint(console.Red, "roomwire:"), first)
	if more != "" {
		fmt.Fprintln(os.Stderr, more)
	}
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

// run parses and runs one command line.
func run(e *env, args []string) error {
	var c cli
	exited := errors.New("exit")
	k, err := kong.New(&c,
		kong.Name("roomwire"),
		kong.Description("Real-time messaging for everyone who has a Socket.IO client."),
		kong.Vars{"version": version},
		kong.Writers(e.stdout, e.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "serve", Title: "Serve"},
			{Key: "talk", Title: "Talk to any Socket.IO server"},
			{Key: "write", Title: "Write code"},
			{Key: "shell", Title: "Shell"},
			{Key: "connection", Title: "Connection"},
		}),
		kong.Exit(func(int) { panic(exited) }),
		kong.Bind(e),
	)
	if err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil && v != exited {
			panic(v)
		}
	}()
	e.model = k.Model
	kctx, err := k.Parse(args)
	if err != nil {
		return usage(err)
	}
	e.out, e.err = console.StyleOf(e.stdout, c.Color), console.StyleOf(e.stderr, c.Color)
	return kctx.Run(e)
}

// usage says where to read on after a mistake on the command line.
func usage(err error) error {
	help := "roomwire --help"
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		help = p.Context.Selected().FullPath() + " --help"
	}
	return usageError{fmt.Errorf("%w\n  see %s", err, help)}
}
