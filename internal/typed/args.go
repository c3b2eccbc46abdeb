package typed

import (
	"fmt"
	"reflect"
)

// Args lays v out as arguments: none for a struct{}, those of its fields for a
// struct that embeds event.Args or a pointer to one (none if it is nil), and
// otherwise v alone. A struct that embeds event.Args wrongly becomes an
// argument that cannot be encoded, so that sending it is an error.
func Args(v any) []any {
	l := layoutOfValue(v)
	if l == nil {
		return []any{v}
	}
	return l.appendArgs(nil, v)
}

// Expand does the same with each of args, and returns args itself when none
// takes more or less than one place.
func Expand(args []any) []any {
	for i, v := range args {
		l := layoutOfValue(v)
		if l == nil {
			continue
		}
		out := append(make([]any, 0, len(args)+len(l.fields)), args[:i]...)
		out = l.appendArgs(out, v)
		for _, v := range args[i+1:] {
			if l := layoutOfValue(v); l != nil {
				out = l.appendArgs(out, v)
			} else {
				out = append(out, v)
			}
		}
		return out
	}
	return args
}

// layoutOfValue returns nil for what is one argument.
func layoutOfValue(v any) *layout {
	switch v.(type) {
	case nil, string, bool, int, int64, float64, []byte, []any, map[string]any:
		return nil
	}
	t := reflect.TypeOf(v)
	if k := t.Kind(); k != reflect.Struct && (k != reflect.Pointer || t.Elem().Kind() != reflect.Struct) {
		return nil
	}
	l, err := layoutOf(t)
	if err != nil {
		return &layout{kind: positional, rest: -1, broken: err}
	}
	if l.kind == single {
		return nil
	}
	return l
}

func (l *layout) appendArgs(out []any, v any) []any {
	if l.broken != nil {
		return append(out, unencodable{l.broken})
	}
	if l.kind == nothing {
		return out
	}
	s := reflect.ValueOf(v)
	if l.pointer {
		if s.IsNil() {
			return out
		}
		s = s.Elem()
	}
	for _, f := range l.fields {
		out = append(out, s.Field(f).Interface())
	}
	if l.rest >= 0 {
		rest := s.Field(l.rest)
		for i := range rest.Len() {
			out = append(out, rest.Index(i).Interface())
		}
	}
	return out
}

// unencodable is an argument whose encoding fails with a reason.
type unencodable struct{ err error }

// MarshalJSON returns the reason.
func (u unencodable) MarshalJSON() ([]byte, error) { return nil, fmt.Errorf("%w", u.err) }
