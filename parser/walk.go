package parser

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// reflect encodes v as encoding/json does, with binary values as attachments.
func (e *encoder) reflect(v reflect.Value) error {
	if !v.IsValid() {
		e.dst = append(e.dst, "null"...)
		return nil
	}
	plan := planOf(v.Type())
	if done, err := e.marshaler(v, plan); done {
		return err
	}
	switch v.Kind() {
	case reflect.Bool:
		e.dst = strconv.AppendBool(e.dst, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.dst = strconv.AppendInt(e.dst, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.dst = strconv.AppendUint(e.dst, v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return e.float(v.Float(), v.Type().Bits())
	case reflect.String:
		if v.Type() == reflect.TypeFor[json.Number]() {
			return e.std(json.Number(v.String())) // checks that it is a number
		}
		e.dst = appendQuoted(e.dst, v.String())
	case reflect.Interface, reflect.Pointer:
		return e.indirect(v)
	case reflect.Slice, reflect.Array:
		return e.array(v, plan)
	case reflect.Map:
		return e.mapping(v)
	case reflect.Struct:
		return e.object(v, plan)
	default:
		return &json.UnsupportedTypeError{Type: v.Type()}
	}
	return nil
}

// marshaler leaves a value that encodes itself to encoding/json.
func (e *encoder) marshaler(v reflect.Value, plan *typePlan) (done bool, err error) {
	switch {
	case v.Kind() == reflect.Interface || !v.CanInterface():
		return false, nil
	case plan.encodesItself:
		return true, e.std(v.Interface())
	case plan.pointerDoes && v.CanAddr():
		return true, e.std(v.Addr().Interface())
	}
	return false, nil
}

func (e *encoder) indirect(v reflect.Value) error {
	if v.IsNil() {
		e.dst = append(e.dst, "null"...)
		return nil
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if v.Kind() == reflect.Interface && v.CanInterface() {
		return e.value(v.Interface())
	}
	return e.reflect(v.Elem())
}

func (e *encoder) array(v reflect.Value, plan *typePlan) error {
	switch {
	case v.Kind() == reflect.Slice && v.IsNil():
		e.dst = append(e.dst, "null"...)
		return nil
	case plan.bytes:
		e.binary(v.Bytes())
		return nil
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	e.dst = append(e.dst, '[')
	for i := range v.Len() {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		if err := e.reflect(v.Index(i)); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, ']')
	return nil
}

func (e *encoder) mapping(v reflect.Value) error {
	if v.IsNil() {
		e.dst = append(e.dst, "null"...)
		return nil
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	type member struct {
		name  string
		value reflect.Value
	}
	members := make([]member, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		name, err := memberText(it.Key())
		if err != nil {
			return err
		}
		members = append(members, member{name, it.Value()})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	e.dst = append(e.dst, '{')
	for i, m := range members {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		e.dst = append(appendQuoted(e.dst, m.name), ':')
		if err := e.reflect(m.value); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, '}')
	return nil
}

// memberText returns a map's key as the name of a member.
func memberText(key reflect.Value) (string, error) {
	if key.Kind() == reflect.String {
		return key.String(), nil
	}
	if key.CanInterface() {
		if m, ok := key.Interface().(encoding.TextMarshaler); ok {
			if key.Kind() == reflect.Pointer && key.IsNil() {
				return "", nil
			}
			text, err := m.MarshalText()
			return string(text), err
		}
	}
	switch {
	case key.CanInt():
		return strconv.FormatInt(key.Int(), 10), nil
	case key.CanUint():
		return strconv.FormatUint(key.Uint(), 10), nil
	}
	return "", &json.UnsupportedTypeError{Type: key.Type()}
}

func (e *encoder) object(v reflect.Value, plan *typePlan) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	e.dst = append(e.dst, '{')
	first := true
	for _, f := range plan.fields() {
		value, ok := fieldByIndex(v, f.index)
		if !ok || f.omitEmpty && isEmpty(value) || f.omitZero && isZero(value) {
			continue
		}
		if !first {
			e.dst = append(e.dst, ',')
		}
		first = false
		e.dst = append(e.dst, f.key...)
		if err := e.field(value, f.quoted); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, '}')
	return nil
}

// field encodes a member's value, as a string when the tag says so.
func (e *encoder) field(v reflect.Value, quoted bool) error {
	start := len(e.dst)
	err := e.reflect(v)
	if err != nil || !quoted || v.Kind() == reflect.Pointer && v.IsNil() {
		return err
	}
	if plan := planOf(v.Type()); plan.encodesItself || plan.pointerDoes && v.CanAddr() {
		return nil // as in encoding/json, the option means nothing to these
	}
	text := string(e.dst[start:])
	e.dst = appendQuoted(e.dst[:start], text)
	return nil
}

// fieldByIndex follows index; it reports false behind a nil pointer.
func fieldByIndex(v reflect.Value, index []int) (reflect.Value, bool) {
	for _, i := range index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return reflect.Value{}, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, true
}

// isEmpty is what omitempty leaves out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// isZero is what omitzero leaves out.
func isZero(v reflect.Value) bool {
	if !v.CanInterface() {
		return v.IsZero()
	}
	if v.Type().Implements(zeroer) {
		if k := v.Kind(); (k == reflect.Pointer || k == reflect.Interface) && v.IsNil() {
			return true
		}
		return v.Interface().(interface{ IsZero() bool }).IsZero()
	}
	if reflect.PointerTo(v.Type()).Implements(zeroer) {
		if !v.CanAddr() {
			boxed := reflect.New(v.Type()).Elem()
			boxed.Set(v)
			v = boxed
		}
		return v.Addr().Interface().(interface{ IsZero() bool }).IsZero()
	}
	return v.IsZero()
}
