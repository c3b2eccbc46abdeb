package main

import (
	"github.com/roomwire/roomwire/cmd/roomwire/internal/remote"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/session"
)

// A connectCmd is a conversation with a server.
type connectCmd struct {
	URL       string   `arg:"" help:"The server; a path after the host is a namespace, as in socket.io-client."`
	Namespace []string `short:"n" sep:"none" placeholder:"/NAME" help:"Namespace to join; may be repeated, the first being the one to talk to."`
	remote.Flags
}

// Help implements kong.HelpProvider.
func (c *connectCmd) Help() string {
	return `Type the name of an event and its arguments, which are JSON, or strings if they are not JSON: chat {"text":"hi"} 7. A question mark before the name asks for an acknowledgement: ?add 1 2. The tabulator key completes events that have come and commands; the arrow keys bring lines back. /help lists the commands.

When standard input is not a terminal, its lines are done one after the other:

  printf '%s\n' '?add 1 2' '/wait done' | roomwire connect localhost:3000`
}

// Run implements the command.
func (c *connectCmd) Run(e *env) error {
	t, err := c.Target(c.URL)
	if err != nil {
		return usageError{err}
	}
	return session.Run(e.ctx, t, t.Names(c.Namespace), e.stdin, e.stdout, e.out)
}
