package typescript

import (
	"fmt"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// expr writes a Go type as what encoding/json makes of it, except that a
// []byte is binary.
func (w *writer) expr(t types.Type) (string, error) {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		return w.named(t)
	case *types.Pointer:
		text, err := w.expr(t.Elem())
		return text + " | null", err
	case *types.Slice:
		if isByte(t.Elem()) {
			w.binary = true
			return "Binary", nil
		}
		return w.array(t.Elem())
	case *types.Array:
		return w.array(t.Elem())
	case *types.Map:
		return w.record(t)
	case *types.Struct:
		fields, err := w.fields(t, "")
		return "{ " + strings.Join(fields, " ") + " }", err
	case *types.Interface:
		return "unknown", nil
	case *types.Basic:
		switch info := t.Info(); {
		case info&types.IsBoolean != 0:
			return "boolean", nil
		case info&types.IsString != 0:
			return "string", nil
		case info&(types.IsInteger|types.IsFloat) != 0:
			return "number", nil
		}
	}
	return "", fmt.Errorf("a %s cannot be sent", t)
}

// isByte reports whether a slice of t is binary.
func isByte(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Kind() == types.Byte && !has(t, "MarshalJSON") && !has(t, "MarshalText")
}

func (w *writer) array(elem types.Type) (string, error) {
	text, err := w.expr(elem)
	if strings.ContainsAny(text, "|{ ") {
		text = "(" + text + ")"
	}
	return text + "[]", err
}

func (w *writer) record(m *types.Map) (string, error) {
	value, err := w.expr(m.Elem())
	if err != nil {
		return "", err
	}
	key := "string"
	switch k := types.Unalias(m.Key()).Underlying().(type) {
	case *types.Basic:
		if k.Info()&(types.IsString|types.IsInteger) == 0 && !has(m.Key(), "MarshalText") {
			return "", fmt.Errorf("a map with keys of type %s cannot be sent", m.Key())
		}
		if n, ok := types.Unalias(m.Key()).(*types.Named); ok && len(w.c.enum(n.Obj())) > 0 {
			if key, err = w.expr(n); err != nil {
				return "", err
			}
			return "Partial<Record<" + key + ", " + value + ">>", nil
		}
	default:
		if !has(m.Key(), "MarshalText") {
			return "", fmt.Errorf("a map with keys of type %s cannot be sent", m.Key())
		}
	}
	return "Record<" + key + ", " + value + ">", nil
}

// has reports whether a value of type t, or a pointer to one, has a method.
func has(t types.Type, method string) bool {
	obj, _, _ := types.LookupFieldOrMethod(t, true, nil, method)
	_, ok := obj.(*types.Func)
	return ok
}

// named writes the name of a type and declares it.
func (w *writer) named(t *types.Named) (string, error) {
	switch {
	case t.Obj().Pkg() == nil: // error, comparable
		return "unknown", nil
	case isNamed(t, "time", "Time"):
		return "string", nil
	case isNamed(t, "encoding/json", "RawMessage"):
		return "unknown", nil
	case isNamed(t, "encoding/json", "Number"), isNamed(t, "math/big", "Int"):
		return "number", nil
	}
	if _, ok := t.Underlying().(*types.Interface); ok {
		return "unknown", nil
	}
	if has(t, "MarshalJSON") {
		return "unknown", nil // only its code knows
	}
	if has(t, "MarshalText") {
		return "string", nil
	}
	if t.Obj().Pkg().Path() == "time" { // Duration, Month, Weekday
		return "number", nil
	}
	name, known := w.name(t)
	if known {
		return name, nil
	}
	return name, w.declare(name, t)
}

// name finds a name that no other type has.
func (w *writer) name(t *types.Named) (name string, known bool) {
	name = t.Obj().Name()
	for i := range t.TypeArgs().Len() {
		name += argName(t.TypeArgs().At(i))
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	taken := func(n string) bool {
		other, ok := w.names[n]
		return ok && !types.Identical(other, t) || slices.Contains([]string{"ClientToServerEvents", "ServerToClientEvents", "Failure", "Binary", "Record", "Partial", "ArrayBuffer", "Uint8Array"}, n)
	}
	if taken(name) {
		pkg := t.Obj().Pkg().Name()
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	for taken(name) {
		name += "_"
	}
	_, known = w.names[name]
	w.names[name] = t
	return name, known
}

// argName writes the argument of a generic type as part of a name: Page[[]User] is PageUserList.
func argName(t types.Type) string {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		name := t.Obj().Name()
		for i := range t.TypeArgs().Len() {
			name += argName(t.TypeArgs().At(i))
		}
		return strings.ToUpper(name[:1]) + name[1:]
	case *types.Basic:
		return strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	case *types.Slice:
		return argName(t.Elem()) + "List"
	case *types.Map:
		return argName(t.Elem()) + "Map"
	case *types.Pointer:
		return argName(t.Elem())
	}
	return "Any"
}

// declare writes the declaration of a type. Its place in the order is that of
// its first use.
func (w *writer) declare(name string, t *types.Named) error {
	w.order = append(w.order, name)
	w.c.know(t.Origin().Obj())
	doc := comment("", w.c.docs[t.Origin().Obj().Pos()])
	if s, ok := t.Underlying().(*types.Struct); ok {
		fields, err := w.fields(s, "  ")
		if err != nil {
			return fmt.Errorf("%s: %w", t.Obj().Name(), err)
		}
		body := ""
		if len(fields) > 0 {
			body = strings.Join(fields, "\n") + "\n"
		}
		w.declared[name] = doc + "export interface " + name + " {\n" + body + "}\n"
		return nil
	}
	var text string
	if values := w.c.enum(t.Obj()); len(values) > 0 {
		all := make([]string, len(values))
		for i, v := range values {
			all[i] = quoted(v)
		}
		text = strings.Join(all, " | ")
	} else {
		var err error
		if text, err = w.expr(t.Underlying()); err != nil {
			return fmt.Errorf("%s: %w", t.Obj().Name(), err)
		}
		if value, ok := strings.CutPrefix(text, "Record<string, "); ok { // which must not refer to the type itself
			text = "{ [key: string]: " + strings.TrimSuffix(value, ">") + " }"
		}
	}
	w.declared[name] = doc + "export type " + name + " = " + text + ";\n"
	return nil
}

// A field is one of an object. Of several that have the same name the
// shallowest counts, or the one that is tagged; encoding/json drops the rest.
type field struct {
	name, typ string
	before    string // comment and indentation
	depth     int
	tagged    bool
	optional  bool
}

// fields writes the fields of a struct, a line for each.
func (w *writer) fields(s *types.Struct, indent string) ([]string, error) {
	all, err := w.collect(s, indent, 0)
	if err != nil {
		return nil, err
	}
	var lines []string
	for i, f := range all {
		hidden := slices.ContainsFunc(slices.Delete(slices.Clone(all), i, i+1), func(o field) bool {
			return o.name == f.name && (o.depth < f.depth || o.depth == f.depth && (o.tagged || !f.tagged))
		})
		if !hidden {
			lines = append(lines, f.line())
		}
	}
	return lines, nil
}

func (w *writer) collect(s *types.Struct, indent string, depth int) ([]field, error) {
	var all []field
	for i := range s.NumFields() {
		f := s.Field(i)
		tag, tagged := reflect.StructTag(s.Tag(i)).Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		inner, isStruct := structOf(f.Type())
		if tag == "-" || isArgs(f) || !f.Exported() && !(f.Embedded() && isStruct) {
			continue
		}
		if f.Embedded() && name == "" && isStruct && !has(f.Type(), "MarshalJSON") && !has(f.Type(), "MarshalText") && depth < 10 {
			more, err := w.collect(inner, indent, depth+1)
			if err != nil {
				return nil, err
			}
			if _, ok := types.Unalias(f.Type()).(*types.Pointer); ok {
				for i := range more { // they are left out when it is nil
					more[i].optional = true
				}
			}
			all = append(all, more...)
			continue
		}
		if !f.Exported() {
			continue
		}
		if name == "" {
			name, tagged = f.Name(), false
		}
		one := field{name: name, depth: depth, tagged: tagged}
		if err := w.property(&one, f.Type(), strings.Split(options, ",")); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name(), err)
		}
		if indent != "" {
			one.before = comment(indent, w.c.docs[f.Pos()]) + indent
		}
		all = append(all, one)
	}
	return all, nil
}

// property fills in the type of a field.
func (w *writer) property(f *field, t types.Type, options []string) (err error) {
	if slices.Contains(options, "omitzero") || slices.Contains(options, "omitempty") && mayBeEmpty(t) {
		f.optional = true
		if p, ok := types.Unalias(t).(*types.Pointer); ok {
			t = p.Elem() // nil is left out, so it is never null
		}
	}
	f.typ, err = w.expr(t)
	if !slices.Contains(options, "string") {
		return err
	}
	p, isPointer := types.Unalias(t).(*types.Pointer)
	if isPointer {
		t = p.Elem()
	}
	if _, ok := t.Underlying().(*types.Basic); ok && !has(t, "MarshalJSON") {
		if f.typ = "string"; isPointer {
			f.typ = "string | null"
		}
	}
	return err
}

// mayBeEmpty reports whether a value of type t may be one that omitempty leaves
// out, which a struct never is.
func mayBeEmpty(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Struct:
		return false
	case *types.Array:
		return t.Len() == 0
	}
	return true
}

func (f *field) line() string {
	mark := ""
	if f.optional {
		mark = "?"
	}
	return f.before + property(f.name) + mark + ": " + f.typ + ";"
}
