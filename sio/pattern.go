package sio

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// A matcher says whether a namespace's name belongs to a parent, and what its
// wildcards stand for: name, value, name, value …
type matcher func(ctx context.Context, s *Socket, name string) (path []string, ok bool)

// isPattern reports whether a name has wildcards.
func isPattern(name string) bool { return strings.ContainsAny(name, "{}") }

// compilePattern makes the matcher of a pattern as "/tenant-{id}": a wildcard
// stands for one or more characters other than a slash.
func compilePattern(pattern string) matcher {
	var expr strings.Builder
	expr.WriteString("^")
	rest := pattern
	for {
		before, after, found := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			panic("sio: pattern " + pattern + " has an unmatched }")
		}
		expr.WriteString(regexp.QuoteMeta(before))
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed || name == "" {
			panic("sio: pattern " + pattern + " has an unfinished or unnamed wildcard")
		}
		fmt.Fprintf(&expr, "(?P<%s>[^/]+)", name)
		rest = tail
	}
	expr.WriteString("$")
	re, err := regexp.Compile(expr.String())
	if err != nil {
		panic("sio: pattern " + pattern + ": " + err.Error())
	}
	return matchRegexp(re)
}

// matchRegexp makes the matcher of a regular expression, which is matched as
// it is, without anchors added.
func matchRegexp(re *regexp.Regexp) matcher {
	names := re.SubexpNames()
	return func(_ context.Context, _ *Socket, name string) (path []string, ok bool) {
		m := re.FindStringSubmatch(name)
		if m == nil {
			return nil, false
		}
		for i := 1; i < len(m); i++ {
			if names[i] != "" {
				path = append(path, names[i], m[i])
			}
		}
		return path, true
	}
}
