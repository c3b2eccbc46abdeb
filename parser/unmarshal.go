package parser

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// Unmarshal decodes as encoding/json does. A nil in out passes over its
// element, null leaves what a pointer points to as it is (a pointer, map,
// slice or any becomes nil). Binary values alias the attachments of p; inside
// a json.RawMessage they are the placeholders, and a type that decodes itself
// sees an opaque string. The error is an [ArgumentError].
func (jsonCodec) Unmarshal(p Payload, skip int, out ...any) error {
	e := elements{text: p.Data}
	for range skip {
		if e.next() == nil {
			break
		}
	}
	for i, target := range out {
		elem := e.next()
		if elem == nil {
			break
		}
		if target == nil {
			continue
		}
		var err error
		if len(p.Attachments) == 0 {
			err = unmarshalElement(elem, target)
		} else {
			err = unmarshalBinary(elem, p.Attachments, target)
		}
		if err != nil {
			return &ArgumentError{Index: i, Err: err}
		}
	}
	if e.bad {
		return fmt.Errorf("%w: malformed JSON", ErrInvalid)
	}
	return nil
}

// unmarshalElement decodes a valid element without binary values. What is
// received most is decoded without reflection.
func unmarshalElement(elem []byte, target any) error {
	switch out := target.(type) {
	case *string:
		if out != nil && elem[0] == '"' && plain(elem) && utf8.Valid(elem) {
			*out = string(elem[1 : len(elem)-1])
			return nil
		}
	case *json.RawMessage:
		if out != nil {
			*out = append((*out)[:0], elem...)
			return nil
		}
	case *int:
		if n, err := strconv.Atoi(string(elem)); err == nil && out != nil {
			*out = n
			return nil
		}
	case *int64:
		if n, err := strconv.ParseInt(string(elem), 10, 64); err == nil && out != nil {
			*out = n
			return nil
		}
	case *float64:
		if out != nil && (elem[0] == '-' || elem[0]-'0' <= 9) {
			if f, err := strconv.ParseFloat(string(elem), 64); err == nil {
				*out = f
				return nil
			}
		}
	case *bool:
		if out != nil && (elem[0] == 't' || elem[0] == 'f') {
			*out = elem[0] == 't'
			return nil
		}
	case *any:
		if out != nil && *out == nil && elem[0] == '"' && plain(elem) && utf8.Valid(elem) {
			*out = string(elem[1 : len(elem)-1])
			return nil
		}
	}
	return json.Unmarshal(elem, target)
}

// unmarshalBinary decodes a valid element that may hold placeholders.
func unmarshalBinary(elem []byte, attachments [][]byte, target any) error {
	if raw, ok := target.(*json.RawMessage); ok && raw != nil {
		*raw = append((*raw)[:0], elem...)
		return nil
	}
	found := outermost(elem)
	if len(found) == 0 {
		return unmarshalElement(elem, target)
	}
	for _, p := range found {
		if p.num < 0 || p.num >= len(attachments) {
			return fmt.Errorf("%w: a placeholder names none of %d", ErrAttachments, len(attachments))
		}
	}
	if found[0].start == 0 && found[0].end == len(elem) {
		data := attachments[found[0].num]
		switch out := target.(type) {
		case *[]byte:
			if out != nil {
				*out = data
				return nil
			}
		case *any:
			if out != nil && *out == nil {
				*out = data
				return nil
			}
		}
	}
	s := newStandIns(attachments)
	text := s.replace(elem, found)
	if err := json.Unmarshal(text, target); err != nil {
		return s.explain(err, text)
	}
	return s.fill(reflect.ValueOf(target))
}

// outermost returns the placeholders in b that are not inside another one, in order.
func outermost(b []byte) []placeholder {
	var found []placeholder
	placeholders(b, func(p placeholder) bool {
		for len(found) > 0 && found[len(found)-1].start > p.start {
			found = found[:len(found)-1] // it is inside of p
		}
		found = append(found, p)
		return true
	})
	return found
}
