package typed

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/roomwire/roomwire/parser"
)

// An Error says which argument was of the wrong type. Its text tells a peer
// what to send instead, and nothing about this program.
type Error struct {
	Arg  int          // counted from 1, after those that were skipped
	Type reflect.Type // that the argument should have had, for logs
	Err  error        // of the codec, for logs
	text string
}

// Error returns a text like "argument 1: want number, got string".
func (e *Error) Error() string { return "argument " + strconv.Itoa(e.Arg) + ": " + e.text }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// explain turns a codec's error into one for the peer. Errors that concern no
// argument stay what they are.
func explain(err error, typeOf func(i int) reflect.Type) error {
	arg, ok := errors.AsType[*parser.ArgumentError](err)
	if !ok {
		return err
	}
	e := &Error{Arg: arg.Index + 1, Type: typeOf(arg.Index), Err: err, text: "invalid value"}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		e.text = describe(mismatch)
	}
	return e
}

func describe(m *json.UnmarshalTypeError) string {
	var text strings.Builder
	if m.Field != "" {
		text.WriteString("field " + strconv.Quote(m.Field) + ": ")
	}
	want := jsonName(m.Type)
	got, number, _ := strings.Cut(m.Value, " ") // "number 1.5" when it does not fit
	if got == "bool" {
		got = "boolean"
	}
	switch {
	case got == "number" && want == "number":
		text.WriteString("number " + number + " does not fit")
	case want == "", want == got:
		text.WriteString("invalid " + got)
	default:
		text.WriteString("want " + want + ", got " + got)
	}
	return text.String()
}

// jsonName returns what a JavaScript programmer calls a value of t.
func jsonName(t reflect.Type) string {
	if t == nil {
		return ""
	}
	switch k := t.Kind(); {
	case k == reflect.Bool:
		return "boolean"
	case k >= reflect.Int && k <= reflect.Float64:
		return "number"
	case k == reflect.String:
		return "string"
	case k == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "binary"
	case k == reflect.Slice, k == reflect.Array:
		return "array"
	case k == reflect.Struct, k == reflect.Map:
		return "object"
	case k == reflect.Pointer:
		return jsonName(t.Elem())
	}
	return ""
}
