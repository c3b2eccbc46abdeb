package main

import (
	"fmt"
	"os"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/typescript"
)

// A typesCmd writes TypeScript declarations.
type typesCmd struct {
	Package string `arg:"" default:"." help:"Directory or import path of the package; the current directory unless said otherwise."`
	Out     string `short:"o" type:"path" placeholder:"FILE" help:"Write to a file in place of standard output."`
	Check   bool   `help:"With --out: change nothing, and fail if the file is not what would be written."`
}

// Help implements kong.HelpProvider.
func (c *typesCmd) Help() string {
	return `A contract is a Go package with exported constants of type event.Of and event.Call, which servers and Go clients share. This writes the interfaces ClientToServerEvents and ServerToClientEvents for the generic types of socket.io-client, and all types that they need.

Both sides may send each event, unless a line in the comment of the constant, or of its block, says which side does:

  //sio:from client
  //sio:from server

A []byte is binary, a time.Time a string, a pointer may be null, and types with a MarshalJSON of their own are unknown. A nil slice or map arrives as null although it is declared as an array or object: send empty ones. What a call is answered with is its result or a Failure.`
}

// Run implements the command.
func (c *typesCmd) Run(e *env) error {
	text, err := typescript.Declarations(c.Package)
	if err != nil {
		return err
	}
	switch {
	case c.Check && c.Out == "":
		return usageError{fmt.Errorf("--check needs --out FILE")}
	case c.Check:
		have, err := os.ReadFile(c.Out)
		if err != nil {
			return err
		}
		if string(have) != text {
			return fmt.Errorf("%s is not what package %s declares\n  try       roomwire types %s --out %s", c.Out, c.Package, c.Package, c.Out)
		}
		return nil
	case c.Out != "":
		if err := os.WriteFile(c.Out, []byte(text), 0o644); err != nil {
			return err
		}
		e.note("%s wrote %s", e.err.Paint(console.Green, "✓"), c.Out)
		return nil
	}
	_, err = fmt.Fprint(e.stdout, text)
	return err
}
