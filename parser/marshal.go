package parser

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
)

// encodeMaxDepth bounds the pointers, arrays and objects that encoder follows
// inside each other, so that a cycle is an error.
const encodeMaxDepth = 1000

// Marshal writes what encoding/json writes, but for three things: binary
// values are attachments, <, > and & are not escaped, and NaN has no encoding
// in an any either. A nil []byte is null.
func (jsonCodec) Marshal(dst []byte, name string, args ...any) (Payload, error) {
	e := encoder{dst: append(dst, '[')}
	if name != "" {
		e.dst = appendQuoted(e.dst, name)
	}
	for i, arg := range args {
		if i > 0 || name != "" {
			e.dst = append(e.dst, ',')
		}
		if err := e.value(arg); err != nil {
			return Payload{}, &ArgumentError{Index: i, Err: err}
		}
	}
	e.dst = append(e.dst, ']')
	p := Payload{Data: e.dst[len(dst):], Attachments: e.attachments}
	// Data of a user who sends something like a placeholder must not take the
	// place of an attachment, nor make the receivers close their connections.
	if n := len(p.Attachments); n > 0 && !placeholdersInOrder(p.Data, n) {
		return Payload{}, fmt.Errorf("%w: beside binary values, a value is like a placeholder of one", ErrAttachments)
	}
	return p, nil
}

// An ArgumentError says which argument could not be encoded or decoded.
type ArgumentError struct {
	Index int   // of the argument, the first one after the name or the skipped ones is 0
	Err   error // mostly one of encoding/json
}

// Error names the argument, counted from 1.
func (e *ArgumentError) Error() string {
	return "parser: argument " + strconv.Itoa(e.Index+1) + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *ArgumentError) Unwrap() error { return e.Err }

// An encoder writes JSON to dst and collects the binary values it meets.
type encoder struct {
	dst         []byte
	attachments [][]byte
	depth       int
}

// value encodes v. What is sent most is encoded without reflection.
func (e *encoder) value(v any) error {
	switch v := v.(type) {
	case nil:
		e.dst = append(e.dst, "null"...)
	case string:
		e.dst = appendQuoted(e.dst, v)
	case bool:
		e.dst = strconv.AppendBool(e.dst, v)
	case int:
		e.dst = strconv.AppendInt(e.dst, int64(v), 10)
	case int64:
		e.dst = strconv.AppendInt(e.dst, v, 10)
	case int32:
		e.dst = strconv.AppendInt(e.dst, int64(v), 10)
	case uint64:
		e.dst = strconv.AppendUint(e.dst, v, 10)
	case float64:
		return e.float(v, 64)
	case []byte:
		e.binary(v)
	case json.RawMessage:
		return e.raw(v)
	case []any:
		return e.anys(v)
	case map[string]any:
		return e.anyMap(v)
	default:
		return e.other(v)
	}
	return nil
}

// other encodes a value of a type that has no case of its own.
func (e *encoder) other(v any) error {
	t := reflect.TypeOf(v)
	if planOf(t).holdsBinary {
		return e.reflect(reflect.ValueOf(v))
	}
	return e.std(v)
}

func (e *encoder) float(f float64, bits int) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return &json.UnsupportedValueError{Value: reflect.ValueOf(f), Str: strconv.FormatFloat(f, 'g', -1, bits)}
	}
	e.dst = appendFloat(e.dst, f, bits)
	return nil
}

func (e *encoder) binary(b []byte) {
	if b == nil {
		e.dst = append(e.dst, "null"...)
		return
	}
	e.dst = appendPlaceholder(e.dst, len(e.attachments))
	e.attachments = append(e.attachments, b)
}

// raw takes over text that is JSON already.
func (e *encoder) raw(b json.RawMessage) error {
	switch {
	case b == nil:
		e.dst = append(e.dst, "null"...)
		return nil
	case !validJSON(b):
		return fmt.Errorf("json.RawMessage is not valid JSON")
	case !utf8.Valid(b):
		return fmt.Errorf("json.RawMessage is not valid UTF-8")
	}
	e.dst = append(e.dst, b...)
	return nil
}

func (e *encoder) anys(s []any) error {
	if s == nil {
		e.dst = append(e.dst, "null"...)
		return nil
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	e.dst = append(e.dst, '[')
	for i, v := range s {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		if err := e.value(v); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, ']')
	return nil
}

func (e *encoder) anyMap(m map[string]any) error {
	if m == nil {
		e.dst = append(e.dst, "null"...)
		return nil
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	e.dst = append(e.dst, '{')
	for i, k := range keys {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		e.dst = append(appendQuoted(e.dst, k), ':')
		if err := e.value(m[k]); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, '}')
	return nil
}

func (e *encoder) enter() error {
	if e.depth++; e.depth > encodeMaxDepth {
		return fmt.Errorf("%w, or a cycle", ErrDepth)
	}
	return nil
}

func (e *encoder) leave() { e.depth-- }

// stdEncoder is an encoding/json encoder that appends to dst.
type stdEncoder struct {
	json *json.Encoder
	dst  []byte
}

func (s *stdEncoder) Write(b []byte) (int, error) {
	s.dst = append(s.dst, b...)
	return len(b), nil
}

var stdEncoders = sync.Pool{New: func() any {
	s := new(stdEncoder)
	s.json = json.NewEncoder(s)
	s.json.SetEscapeHTML(false)
	return s
}}

// std leaves v to encoding/json.
func (e *encoder) std(v any) error {
	s := stdEncoders.Get().(*stdEncoder)
	start := len(e.dst)
	s.dst = e.dst
	err := s.json.Encode(v)
	dst := s.dst
	s.dst = nil
	stdEncoders.Put(s)
	if err != nil {
		return err
	}
	e.dst = dst[:len(dst)-1] // without the encoder's newline
	if !utf8.Valid(e.dst[start:]) {
		return fmt.Errorf("%T encodes itself to what is not valid UTF-8", v)
	}
	return nil
}
