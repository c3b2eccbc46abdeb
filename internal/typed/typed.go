// Package typed binds the arguments of an event to a Go type, planned once per type.
//
// A struct{} takes no argument. A struct that embeds event.Args takes one for
// each of its other exported fields, in order; when the last of these is a
// slice tagged `sio:"rest"`, it takes all that remain. Anything else is itself
// the first argument. The same rules lay a value out as arguments.
package typed

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"github.com/roomwire/roomwire/event"
)

// A layout tells how a type is laid over arguments.
type layout struct {
	kind    layoutKind
	pointer bool  // the type is a pointer to the struct
	fields  []int // of the struct, one for each argument
	rest    int   // the field that takes all further ones; negative: none
	broken  error // why the struct cannot be laid out
}

type layoutKind uint8

const (
	single     layoutKind = iota // the value is the argument
	nothing                      // struct{}
	positional                   // embeds event.Args
)

var (
	argsType        = reflect.TypeFor[event.Args]()
	emptyType       = reflect.TypeFor[struct{}]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

var layouts sync.Map // reflect.Type of structs and pointers to them, to *layout or error

// layoutOf returns the layout of t, or an error when it has the mark of a
// positional struct but is none.
func layoutOf(t reflect.Type) (*layout, error) {
	known, ok := layouts.Load(t)
	if !ok {
		l, err := inspect(t)
		if known = any(l); err != nil {
			known = err
		}
		layouts.Store(t, known)
	}
	if err, bad := known.(error); bad {
		return nil, err
	}
	return known.(*layout), nil
}

func inspect(t reflect.Type) (*layout, error) {
	l := &layout{rest: -1}
	if t == emptyType {
		l.kind = nothing
		return l, nil
	}
	s := t
	if s.Kind() == reflect.Pointer {
		s, l.pointer = s.Elem(), true
	}
	if s.Kind() != reflect.Struct || !embedsArgs(s) {
		return &layout{rest: -1}, nil
	}
	l.kind = positional
	for i := range s.NumField() {
		f := s.Field(i)
		if f.Type == argsType && f.Anonymous || !f.IsExported() {
			continue
		}
		if l.rest >= 0 {
			return nil, fmt.Errorf(`typed: %v: no field can follow %s, which is tagged sio:"rest"`, s, s.Field(l.rest).Name)
		}
		switch tag := f.Tag.Get("sio"); {
		case tag == "":
			l.fields = append(l.fields, i)
		case tag == "rest" && f.Type.Kind() == reflect.Slice:
			l.rest = i
		default:
			return nil, fmt.Errorf(`typed: %v: field %s of type %v cannot be tagged sio:%q; the only tag is "rest", of a slice`, s, f.Name, f.Type, tag)
		}
	}
	return l, nil
}

func embedsArgs(s reflect.Type) bool {
	for i := range s.NumField() {
		if f := s.Field(i); f.Anonymous && f.Type == argsType {
			return true
		}
	}
	return false
}

// undecodable returns the type within t that no JSON can be decoded to, or nil.
// Fields of structs are left out: they may be absent.
func undecodable(t reflect.Type) reflect.Type {
	for seen := map[reflect.Type]bool{}; !seen[t]; t = t.Elem() {
		seen[t] = true
		p := reflect.PointerTo(t)
		if p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
			return nil
		}
		switch t.Kind() {
		case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
			return t
		case reflect.Interface:
			if t.NumMethod() > 0 {
				return t
			}
			return nil
		case reflect.Map:
			if !decodableKey(t.Key()) {
				return t
			}
		case reflect.Pointer, reflect.Slice, reflect.Array:
		default:
			return nil
		}
	}
	return nil // type list []list
}

func decodableKey(t reflect.Type) bool {
	k := t.Kind()
	return k == reflect.String || k >= reflect.Int && k <= reflect.Uintptr || reflect.PointerTo(t).Implements(textUnmarshaler)
}
