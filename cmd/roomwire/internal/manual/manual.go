// Package manual writes the manual page and the completion scripts of a
// command line, from its kong model.
package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// commands returns the visible commands, in their order.
func commands(app *kong.Application) []*kong.Node {
	return slices.DeleteFunc(slices.Clone(app.Children), func(n *kong.Node) bool { return n.Hidden || n.Type != kong.CommandNode })
}

// below returns the commands that a command has, and those that they have.
func below(n *kong.Node) (all []*kong.Node) {
	for _, c := range n.Children {
		if !c.Hidden && c.Type == kong.CommandNode {
			all = append(append(all, c), below(c)...)
		}
	}
	return all
}

// flags returns the visible flags of a command, those of the commands that it
// has, and those of every command.
func flags(n *kong.Node) []*kong.Flag {
	nodes := append([]*kong.Node{n}, below(n)...)
	for n = n.Parent; n != nil; n = n.Parent {
		nodes = append(nodes, n)
	}
	var out []*kong.Flag
	for _, n := range nodes {
		for _, f := range n.Flags {
			if !f.Hidden && !slices.ContainsFunc(out, func(o *kong.Flag) bool { return o.Name == f.Name }) {
				out = append(out, f)
			}
		}
	}
	return out
}

// enums returns the values that a flag may have, if they are few.
func enums(f *kong.Flag) []string {
	if f.Enum == "" {
		return nil
	}
	return strings.Split(f.Enum, ",")
}

// takesFile reports whether the value of a flag, or of an argument, is a path.
func takesFile(v *kong.Value) bool {
	return v.Tag.Type == "path" || v.Tag.Type == "existingfile" || v.Tag.PlaceHolder == "FILE"
}

var roff = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "…", "...")

// text escapes a text for troff; a line must not begin with a dot.
func text(s string) string {
	s = roff.Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return strings.ReplaceAll(s, "\n.", "\n\\&.")
}

// Page returns the manual page, in troff.
func Page(app *kong.Application, version string) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p(`.TH %s 1 "" "%s %s" "User Commands"`, strings.ToUpper(app.Name), app.Name, text(version))
	p(".SH NAME\n%s \\- serve Socket.IO, and talk to any Socket.IO server", app.Name)
	p(".SH SYNOPSIS\n.B %s\n.I command\n[\\fIargument\\fR...] [\\fIflag\\fR...]", app.Name)
	p(".SH DESCRIPTION\n%s", text(app.Help))
	p(".SH COMMANDS")
	shared := map[string]*kong.Flag{}
	var order []string
	for _, c := range below(app.Node) {
		p(".SS %s", text(synopsis(c)))
		p("%s", text(c.Help))
		for i, part := range strings.Split(c.Detail, "\n\n") {
			if part == "" {
				continue
			}
			if i == 0 || !strings.HasPrefix(part, "  ") {
				p(".PP\n%s", text(part))
			} else {
				p(".PP\n.nf\n%s\n.fi", text(part))
			}
		}
		for _, a := range c.Positional {
			p(".TP\n\\fI%s\\fR\n%s", text(a.Name), text(a.Help))
		}
		for _, f := range c.Flags {
			if f.Hidden || f.Name == "help" {
				continue
			}
			if f.Group != nil {
				if shared[f.Name] == nil {
					order = append(order, f.Name)
				}
				shared[f.Name] = f
				continue
			}
			flag(p, f)
		}
	}
	p(".SH CONNECTION\nThe flags of every command that connects to a server:")
	for _, name := range order {
		flag(p, shared[name])
	}
	p(".SH GLOBAL FLAGS")
	for _, f := range app.Flags {
		if !f.Hidden {
			flag(p, f)
		}
	}
	p(".SH ENVIRONMENT")
	for _, name := range order {
		for _, env := range shared[name].Envs {
			p(".TP\n.B %s\nDefault of \\-\\-%s, which other users of the machine cannot see in the list of processes.", env, text(name))
		}
	}
	p(".TP\n.B NO_COLOR\nIf it is set, nothing is printed in colour.")
	p(".TP\n.B HTTP_PROXY, HTTPS_PROXY, NO_PROXY\nProxies to connect through.")
	p(".SH EXIT STATUS\n0 when the command did its work, 1 when it could not, 2 for a mistake on the command line.")
	return b.String()
}

// synopsis is the command with its arguments.
func synopsis(c *kong.Node) string {
	s := c.FullPath()
	for _, a := range c.Positional {
		name := a.Name
		if a.IsCumulative() {
			name += "..."
		}
		if !a.Required {
			name = "[" + name + "]"
		}
		s += " " + name
	}
	return s
}

func flag(p func(string, ...any), f *kong.Flag) {
	name := "\\fB\\-\\-" + text(f.Name) + "\\fR"
	if f.Short != 0 {
		name = "\\fB\\-" + string(f.Short) + "\\fR, " + name
	}
	if !f.IsBool() {
		name += "=\\fI" + text(placeholder(f)) + "\\fR"
	}
	p(".TP\n%s\n%s", name, text(f.Help))
	if f.HasDefault && f.Default != "" && f.Enum == "" && !strings.Contains(f.Help, f.Default) {
		p("Default: %s.", text(f.Default))
	}
}

func placeholder(f *kong.Flag) string {
	if f.PlaceHolder != "" {
		return f.PlaceHolder
	}
	return strings.ToUpper(f.Name)
}
