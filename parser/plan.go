package parser

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// A typePlan is what encoder must know of a type.
type typePlan struct {
	holdsBinary   bool // a value may contain a []byte, so encoding/json cannot do it
	encodesItself bool // has MarshalJSON or MarshalText
	pointerDoes   bool // only a pointer to it has
	bytes         bool // travels as an attachment
	fields        func() []structField
}

var typePlans sync.Map // reflect.Type to *typePlan; as many as the program has types

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	zeroer        = reflect.TypeFor[interface{ IsZero() bool }]()
	rawMessage    = reflect.TypeFor[json.RawMessage]()
)

func planOf(t reflect.Type) *typePlan {
	if p, ok := typePlans.Load(t); ok {
		return p.(*typePlan)
	}
	p := &typePlan{encodesItself: encodesItself(t), bytes: isBytes(t)}
	p.pointerDoes = !p.encodesItself && t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && encodesItself(reflect.PointerTo(t))
	p.holdsBinary = holdsBinary(t, map[reflect.Type]bool{})
	if t.Kind() == reflect.Struct {
		p.fields = sync.OnceValue(func() []structField { return structFields(t) })
	}
	stored, _ := typePlans.LoadOrStore(t, p)
	return stored.(*typePlan)
}

func encodesItself(t reflect.Type) bool {
	return t.Implements(jsonMarshaler) || t.Implements(textMarshaler)
}

// isBytes reports whether t is one of the slices that encoding/json writes as base64.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 &&
		!encodesItself(t) && !encodesItself(reflect.PointerTo(t.Elem()))
}

// holdsBinary reports whether a value of type t may contain bytes that isBytes.
func holdsBinary(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t.Kind() != reflect.Interface && encodesItself(t) {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Slice:
		return isBytes(t) || holdsBinary(t.Elem(), seen)
	case reflect.Pointer, reflect.Array, reflect.Map:
		return holdsBinary(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); (f.IsExported() || f.Anonymous) && holdsBinary(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// A structField is a member of the object that a struct becomes.
type structField struct {
	name                        string
	key                         string // the encoded name and its colon
	index                       []int
	omitEmpty, omitZero, quoted bool
	tagged                      bool
}

// structFields returns the fields that encoding/json would write for t, in its
// order: of several with one name the least embedded one, of those the one
// whose tag names it, and none if there are still several.
func structFields(t reflect.Type) []structField {
	var all []structField
	level := []embedded{{typ: t}}
	for seen := map[reflect.Type]bool{}; len(level) > 0; {
		var next []embedded
		here := map[reflect.Type]bool{}
		for _, e := range level {
			if seen[e.typ] {
				continue
			}
			here[e.typ] = true
			fields, deeper := e.fields()
			all = append(all, fields...)
			next = append(next, deeper...)
		}
		for typ := range here {
			seen[typ] = true
		}
		level = next
	}
	byName := map[string][]structField{}
	for _, f := range all {
		byName[f.name] = append(byName[f.name], f)
	}
	fields := make([]structField, 0, len(byName))
	for _, same := range byName {
		if f, ok := dominant(same); ok {
			fields = append(fields, f)
		}
	}
	slices.SortFunc(fields, func(a, b structField) int { return slices.Compare(a.index, b.index) })
	return fields
}

// dominant returns the field that wins among those of one name.
func dominant(same []structField) (structField, bool) {
	best, tie := same[0], false
	for _, f := range same[1:] {
		switch {
		case len(f.index) > len(best.index):
		case len(f.index) < len(best.index), f.tagged && !best.tagged:
			best, tie = f, false
		case f.tagged == best.tagged:
			tie = true
		}
	}
	return best, !tie
}

// embedded is a struct whose fields are promoted into another.
type embedded struct {
	typ   reflect.Type
	index []int
}

// fields returns the members e contributes itself and the structs embedded in it.
func (e embedded) fields() (fields []structField, deeper []embedded) {
	for i := range e.typ.NumField() {
		sf := e.typ.Field(i)
		typ := sf.Type
		if typ.Kind() == reflect.Pointer && typ.Name() == "" {
			typ = typ.Elem()
		}
		if !sf.IsExported() && (!sf.Anonymous || typ.Kind() != reflect.Struct) {
			continue
		}
		tag := sf.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if !validName(name) {
			name = ""
		}
		index := append(slices.Clone(e.index), i)
		if sf.Anonymous && name == "" && typ.Kind() == reflect.Struct {
			deeper = append(deeper, embedded{typ, index})
			continue
		}
		f := structField{name: name, index: index, tagged: name != ""}
		if name == "" {
			f.name = sf.Name
		}
		f.key = string(append(appendQuoted(nil, f.name), ':'))
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				f.omitEmpty = true
			case "omitzero":
				f.omitZero = true
			case "string":
				f.quoted = quotable(typ.Kind())
			}
		}
		fields = append(fields, f)
	}
	return fields, deeper
}

// quotable reports whether the string option of a tag means something for k.
func quotable(k reflect.Kind) bool {
	return k == reflect.Bool || k == reflect.String ||
		k >= reflect.Int && k <= reflect.Float64 // the integers and floats
}

// validName reports whether encoding/json accepts name in a tag.
func validName(name string) bool {
	for _, c := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return name != ""
}
