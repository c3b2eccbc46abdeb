package parser

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
)

// standIns lets encoding/json decode text with placeholders. Each is replaced
// by a string in base64, so that it fits wherever binary does: in a []byte and
// in an any. Afterwards fill finds the stand-ins in the decoded value and puts
// the attachments there.
//
// Stand-ins are random and made anew for each element, so that no peer can
// write one.
type standIns struct {
	attachments [][]byte
	magic       [15]byte         // what each of them starts with, when decoded
	text        [20]byte         // the same in base64
	seen        map[any]struct{} // pointers followed by fill
}

// standInSize is that of a decoded stand-in: the magic and the number of the attachment.
const standInSize = 18

func newStandIns(attachments [][]byte) *standIns {
	s := &standIns{attachments: attachments}
	rand.Read(s.magic[:])
	base64.StdEncoding.Encode(s.text[:], s.magic[:])
	return s
}

// replace returns a copy of b with stand-ins in the place of found.
func (s *standIns) replace(b []byte, found []placeholder) []byte {
	out := make([]byte, 0, len(b))
	start := 0
	for _, p := range found {
		out = append(out, b[start:p.start]...)
		out = append(out, '"')
		out = append(out, s.text[:]...)
		out = base64.StdEncoding.AppendEncode(out, []byte{byte(p.num >> 16), byte(p.num >> 8), byte(p.num)})
		out = append(out, '"')
		start = p.end
	}
	return append(out, b[start:]...)
}

// number returns the attachment that b, decoded, stands for.
func (s *standIns) number(b []byte) (int, bool) {
	if len(b) != standInSize || !bytes.HasPrefix(b, s.magic[:]) {
		return 0, false
	}
	n := int(b[15])<<16 | int(b[16])<<8 | int(b[17])
	return n, n < len(s.attachments)
}

// parse is number for b in base64.
func (s *standIns) parse(b string) (int, bool) {
	if len(b) != standInSize/3*4 || b[:len(s.text)] != string(s.text[:]) {
		return 0, false
	}
	decoded, err := base64.StdEncoding.DecodeString(b)
	if err != nil {
		return 0, false
	}
	return s.number(decoded)
}

// explain corrects an error of encoding/json: what it took for a string may be
// a stand-in, which it read last.
func (s *standIns) explain(err error, text []byte) error {
	const size = standInSize/3*4 + 2
	mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if ok && mismatch.Value == "string" && mismatch.Offset >= size && mismatch.Offset <= int64(len(text)) &&
		bytes.Contains(text[mismatch.Offset-size:mismatch.Offset], s.text[:]) {
		mismatch.Value = "binary"
	}
	return err
}

// fill replaces the stand-ins in what v refers to by the attachments. One in
// a string is an error, for binary is no text.
func (s *standIns) fill(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		return s.fillPointer(v)
	case reflect.Interface:
		return s.fillInterface(v)
	case reflect.Slice, reflect.Array:
		return s.fillList(v)
	case reflect.Map:
		return s.fillMap(v)
	case reflect.Struct:
		t := v.Type()
		for i := range v.NumField() {
			if f := t.Field(i); f.IsExported() || f.Anonymous {
				if err := s.fill(v.Field(i)); err != nil {
					return err
				}
			}
		}
	case reflect.String:
		if _, ok := s.parse(v.String()); ok {
			return &json.UnmarshalTypeError{Value: "binary", Type: v.Type()}
		}
	}
	return nil
}

// fillPointer follows each pointer once: what the caller handed over may have cycles.
func (s *standIns) fillPointer(v reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	type target struct {
		typ reflect.Type
		ptr uintptr
	}
	key := target{v.Type(), v.Pointer()}
	if _, ok := s.seen[key]; ok {
		return nil
	}
	if s.seen == nil {
		s.seen = map[any]struct{}{}
	}
	s.seen[key] = struct{}{}
	return s.fill(v.Elem())
}

func (s *standIns) fillInterface(v reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	elem := v.Elem()
	if elem.Kind() != reflect.String {
		return s.fill(elem)
	}
	if n, ok := s.parse(elem.String()); ok && v.CanSet() {
		v.Set(reflect.ValueOf(s.attachments[n]))
	}
	return nil
}

func (s *standIns) fillList(v reflect.Value) error {
	t := v.Type()
	switch kind := t.Elem().Kind(); {
	case t == rawMessage:
		if v.CanSet() {
			v.SetBytes(s.restore(v.Bytes()))
		}
		return nil
	case kind == reflect.Uint8:
		if v.Kind() == reflect.Slice && v.CanSet() {
			if n, ok := s.number(v.Bytes()); ok {
				v.SetBytes(s.attachments[n])
			}
		}
		return nil
	case kind <= reflect.Complex128:
		return nil // numbers
	}
	for i := range v.Len() {
		if err := s.fill(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// fillMap works on a copy of each value, since those in a map cannot be changed in place.
func (s *standIns) fillMap(v reflect.Value) error {
	if v.Type().Elem().Kind() <= reflect.Complex128 {
		return nil // numbers
	}
	for it := v.MapRange(); it.Next(); {
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(it.Value())
		if err := s.fill(value); err != nil {
			return err
		}
		v.SetMapIndex(it.Key(), value)
	}
	return nil
}

// restore puts the placeholders back into encoded text.
func (s *standIns) restore(b []byte) []byte {
	const size = standInSize/3*4 + 2 // with its quotes
	if !bytes.Contains(b, s.text[:]) {
		return b
	}
	var out []byte
	for {
		at := bytes.Index(b, s.text[:]) - 1
		if at < 0 || len(b)-at < size {
			return append(out, b...)
		}
		out = append(out, b[:at]...)
		if n, ok := s.parse(string(b[at+1 : at+size-1])); ok {
			out = appendPlaceholder(out, n)
		} else {
			out = append(out, b[at:at+size]...)
		}
		b = b[at+size:]
	}
}
