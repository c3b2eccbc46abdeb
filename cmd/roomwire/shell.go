package main

import (
	"fmt"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/manual"
)

// A completionCmd prints the completion script of a shell.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"${enum}"`
}

// Help implements kong.HelpProvider.
func (c *completionCmd) Help() string {
	return `How to load it:

  bash  add to ~/.bashrc:  source <(roomwire completion bash)
  zsh   add to ~/.zshrc, after compinit:  source <(roomwire completion zsh)
  fish  roomwire completion fish > ~/.config/fish/completions/roomwire.fish`
}

// Run implements the command.
func (c *completionCmd) Run(e *env) error {
	script := map[string]string{"bash": manual.Bash(e.model), "zsh": manual.Zsh(e.model), "fish": manual.Fish(e.model)}[c.Shell]
	_, err := fmt.Fprint(e.stdout, script)
	return err
}

// A manCmd prints the manual page.
type manCmd struct{}

// Help implements kong.HelpProvider.
func (c *manCmd) Help() string { return `Read it with:  roomwire man | man -l -` }

// Run implements the command.
func (c *manCmd) Run(e *env) error {
	_, err := fmt.Fprint(e.stdout, manual.Page(e.model, version))
	return err
}
