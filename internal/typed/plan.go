package typed

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/roomwire/roomwire/parser"
)

// A Plan tells how a T is laid over arguments. It may be used by many
// goroutines at once.
type Plan[T any] struct{ layout *layout }

var plans sync.Map // reflect.Type to *Plan of it

// PlanFor inspects T once. It panics when no argument can ever be decoded to
// T, since that is a mistake in the program: a T, or an argument of it, that
// is or is made of functions, channels, complex numbers or interfaces with
// methods.
func PlanFor[T any]() *Plan[T] {
	t := reflect.TypeFor[T]()
	if known, ok := plans.Load(t); ok {
		return known.(*Plan[T])
	}
	l, err := layoutOf(t)
	if err != nil {
		panic(err)
	}
	switch l.kind {
	case single:
		mustDecode(t, t)
	case positional:
		s := t
		if l.pointer {
			s = t.Elem()
		}
		for _, i := range l.fields {
			mustDecode(t, s.Field(i).Type)
		}
		if l.rest >= 0 {
			mustDecode(t, s.Field(l.rest).Type)
		}
	}
	known, _ := plans.LoadOrStore(t, &Plan[T]{l})
	return known.(*Plan[T])
}

func mustDecode(t, arg reflect.Type) {
	if bad := undecodable(arg); bad != nil {
		panic(fmt.Sprintf("typed: no argument of an event can be decoded to %v, because of %v", t, bad))
	}
}

// target keeps a T beside the list of pointers into it: one allocation.
type target[T any] struct {
	value T
	out   [1]any
}

// Decode fills a T from the arguments of p after the first skip. Missing ones
// leave their part of T zero, those too many are passed over. The error is an
// [Error] when an argument is of the wrong type.
func (p *Plan[T]) Decode(c parser.Codec, data parser.Payload, skip int) (T, error) {
	switch p.layout.kind {
	case nothing:
		var zero T
		return zero, nil
	case single:
		t := new(target[T])
		t.out[0] = &t.value
		if err := c.Unmarshal(data, skip, t.out[:]...); err != nil {
			var zero T
			return zero, explain(err, func(int) reflect.Type { return reflect.TypeFor[T]() })
		}
		return t.value, nil
	}
	value := new(T)
	v := reflect.ValueOf(value).Elem()
	if p.layout.pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if err := p.layout.decode(v, c, data, skip); err != nil {
		var zero T
		return zero, err
	}
	return *value, nil
}

// decode fills the fields of the positional struct v.
func (l *layout) decode(v reflect.Value, c parser.Codec, data parser.Payload, skip int) error {
	out := make([]any, len(l.fields))
	for i, f := range l.fields {
		out[i] = v.Field(f).Addr().Interface()
	}
	var rest reflect.Value
	if l.rest >= 0 {
		if n := c.Args(data) - skip - len(out); n > 0 {
			rest = v.Field(l.rest)
			rest.Set(reflect.MakeSlice(rest.Type(), n, n))
			for i := range n {
				out = append(out, rest.Index(i).Addr().Interface())
			}
		}
	}
	if err := c.Unmarshal(data, skip, out...); err != nil {
		return explain(err, func(i int) reflect.Type { return reflect.TypeOf(out[i]).Elem() })
	}
	return nil
}

// Into fills what out points to as [Plan.Decode] fills a T, for callers that
// know the type only when they run.
func Into(c parser.Codec, data parser.Payload, out any) error {
	v := reflect.ValueOf(out)
	if v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Struct {
		l, err := layoutOf(v.Type().Elem())
		if err != nil {
			return err
		}
		switch l.kind {
		case nothing:
			return nil
		case positional:
			return l.decode(v.Elem(), c, data, 0)
		}
	}
	return c.Unmarshal(data, 0, out)
}
