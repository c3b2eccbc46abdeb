package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Bash returns the completion script of bash.
func Bash(app *kong.Application) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	top := names(commands(app))
	p("# bash completion of %[1]s: source <(%[1]s completion bash)", app.Name)
	p("_%s() {", app.Name)
	p("\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd= w words=")
	p("\tfor w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do")
	p("\t\tcase $w in %s) cmd=$w; break ;; esac", strings.Join(top, "|"))
	p("\tdone")
	p("\tCOMPREPLY=()")
	p("\tcase \"$cmd $prev\" in")
	for _, c := range commands(app) {
		for _, f := range flags(c) {
			if f.IsBool() {
				continue
			}
			pattern := fmt.Sprintf("%q", c.Name+" --"+f.Name)
			if f.Short != 0 {
				pattern += fmt.Sprintf("|%q", c.Name+" -"+string(f.Short))
			}
			if values := enums(f); values != nil {
				p("\t%s) words=%q ;;", pattern, strings.Join(values, " "))
			} else {
				p("\t%s) return ;;", pattern)
			}
		}
	}
	p("\tesac")
	p("\tif [[ -z $words ]]; then")
	p("\t\tcase $cmd in")
	for _, c := range commands(app) {
		words := names(below(c))
		for _, f := range flags(c) {
			words = append(words, "--"+f.Name)
		}
		for _, a := range c.Positional {
			if a.Enum != "" {
				words = append(words, strings.Split(a.Enum, ",")...)
			}
		}
		p("\t\t%s) words=%q ;;", c.Name, strings.Join(words, " "))
	}
	p("\t\t*) words=%q ;;", strings.Join(top, " ")+" --help --version")
	p("\t\tesac")
	p("\tfi")
	p("\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")")
	p("}")
	p("complete -o default -F _%[1]s %[1]s", app.Name)
	return b.String()
}

// names returns the names of commands.
func names(commands []*kong.Node) (all []string) {
	for _, c := range commands {
		if !slices.Contains(all, c.Name) {
			all = append(all, c.Name)
		}
	}
	return all
}

var zshText = strings.NewReplacer(`'`, `'\''`, "[", `\[`, "]", `\]`, ":", `\:`, "`", "\\`", "$", `\$`)

// Zsh returns the completion script of zsh.
func Zsh(app *kong.Application) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("#compdef %s", app.Name)
	p("# zsh completion: put this into a file called _%s in a directory of $fpath.", app.Name)
	p("_%s() {", app.Name)
	p("\tlocal context state line")
	p("\tlocal -a commands=(")
	for _, c := range commands(app) {
		p("\t\t'%s:%s'", c.Name, zshText.Replace(c.Help))
	}
	p("\t)")
	p("\t_arguments -C '(- *)'{-h,--help}'[Show help]' '(- *)--version[Print the version]' '1:command:->command' '*::argument:->argument'")
	p("\tcase $state in")
	p("\tcommand) _describe command commands ;;")
	p("\targument)")
	p("\t\tcase $line[1] in")
	for _, c := range commands(app) {
		p("\t\t%s) _arguments \\", c.Name)
		for _, f := range flags(c) {
			for _, name := range spellings(f) {
				spec := name + "[" + zshText.Replace(oneLine(f.Help)) + "]"
				if !f.IsBool() {
					spec += ":" + zshText.Replace(placeholder(f)) + ":" + zshAction(f.Value, enums(f))
				}
				if f.IsCumulative() {
					spec = "*" + spec
				}
				p("\t\t\t'%s' \\", spec)
			}
		}
		if sub := names(below(c)); sub != nil {
			p("\t\t\t'*:command:(%s)' \\", strings.Join(sub, " "))
		}
		for _, a := range c.Positional {
			n := ""
			if a.IsCumulative() {
				n = "*"
			}
			var values []string
			if a.Enum != "" {
				values = strings.Split(a.Enum, ",")
			}
			p("\t\t\t'%s:%s:%s' \\", n, zshText.Replace(a.Name), zshAction(a, values))
		}
		p("\t\t\t;;")
	}
	p("\t\tesac ;;")
	p("\tesac")
	p("}")
	p("compdef _%[1]s %[1]s", app.Name)
	return b.String()
}

func zshAction(v *kong.Value, values []string) string {
	switch {
	case values != nil:
		return "(" + strings.Join(values, " ") + ")"
	case takesFile(v):
		return "_files"
	}
	return " "
}

func spellings(f *kong.Flag) []string {
	names := []string{"--" + f.Name}
	if f.Short != 0 {
		names = append(names, "-"+string(f.Short))
	}
	return names
}

// oneLine returns the first sentence, in which there is no line break.
func oneLine(help string) string {
	help = strings.Join(strings.Fields(help), " ")
	if first, _, ok := strings.Cut(help, ". "); ok {
		return first
	}
	return strings.TrimSuffix(help, ".")
}

var fishText = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// Fish returns the completion script of fish.
func Fish(app *kong.Application) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# fish completion: %[1]s completion fish > ~/.config/fish/completions/%[1]s.fish", app.Name)
	p("complete -c %s -f", app.Name)
	p("complete -c %s -n __fish_use_subcommand -l version -d 'Print the version'", app.Name)
	for _, c := range commands(app) {
		p("complete -c %s -n __fish_use_subcommand -a %s -d '%s'", app.Name, c.Name, fishText.Replace(oneLine(c.Help)))
		for _, f := range flags(c) {
			line := fmt.Sprintf("complete -c %s -n '__fish_seen_subcommand_from %s' -l %s", app.Name, c.Name, f.Name)
			if f.Short != 0 {
				line += " -s " + string(f.Short)
			}
			switch values := enums(f); {
			case values != nil:
				line += " -x -a '" + strings.Join(values, " ") + "'"
			case !f.IsBool() && takesFile(f.Value):
				line += " -r -F"
			case !f.IsBool():
				line += " -x"
			}
			p("%s -d '%s'", line, fishText.Replace(oneLine(f.Help)))
		}
		if sub := names(below(c)); sub != nil {
			p("complete -c %s -n '__fish_seen_subcommand_from %s' -a '%s'", app.Name, c.Name, strings.Join(sub, " "))
		}
		for _, a := range c.Positional {
			if a.Enum != "" {
				p("complete -c %s -n '__fish_seen_subcommand_from %s' -a '%s'", app.Name, c.Name, strings.ReplaceAll(a.Enum, ",", " "))
			}
		}
	}
	return b.String()
}
