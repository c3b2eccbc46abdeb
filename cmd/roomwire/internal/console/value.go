package console

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Value is one argument of an event as it arrived: its JSON, in which binary
// is a placeholder, and the same decoded, with binary as []byte. Numbers and
// the order of keys are those of the sender, since the JSON is what is shown.
type Value struct {
	Raw     json.RawMessage
	Decoded any
}

// ValueOf returns the value of something that was decoded already.
func ValueOf(v any) Value {
	var scrub func(v any) any // encoding/json would write binary as a string
	scrub = func(v any) any {
		switch v := v.(type) {
		case []byte:
			return nil
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = scrub(v[i])
			}
			return out
		case map[string]any:
			out := make(map[string]any, len(v))
			for k := range v {
				out[k] = scrub(v[k])
			}
			return out
		}
		return v
	}
	raw, err := json.Marshal(scrub(v))
	if err != nil {
		raw = []byte("null")
	}
	return Value{Raw: raw, Decoded: v}
}

// A binder decodes arguments: a request or a payload.
type binder func(out ...any) error

// Values reads n arguments.
func Values(n int, bind binder) ([]Value, error) {
	vs := make([]Value, n)
	raw, decoded := make([]any, n), make([]any, n)
	for i := range vs {
		raw[i], decoded[i] = &vs[i].Raw, &vs[i].Decoded
	}
	if err := bind(raw...); err != nil {
		return nil, err
	}
	return vs, bind(decoded...)
}

// AppendJSON appends the value, with binary as {"base64":"…"}.
func (v Value) AppendJSON(dst []byte) []byte {
	w := jsonWriter{dst: dst, binary: func(b []byte) string {
		return `{"base64":"` + base64.StdEncoding.EncodeToString(b) + `"}`
	}}
	w.value(v.Raw, v.Decoded)
	return w.dst
}

// MarshalJSON is AppendJSON.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// Text returns the value as people read it: compact JSON in colour, with
// binary as its size and first bytes.
func (v Value) Text(s Style) string {
	w := jsonWriter{style: s, binary: func(b []byte) string {
		text := hex.EncodeToString(b[:min(len(b), 8)])
		if len(b) > 8 {
			text += "…"
		}
		return s.Paint(Magenta, "<"+strings.TrimSpace(Bytes(len(b))+" "+text)+">")
	}}
	w.value(v.Raw, v.Decoded)
	return string(w.dst)
}

// Text joins values with two spaces.
func Text(s Style, vs []Value) string {
	parts := make([]string, len(vs))
	for i, v := range vs {
		parts[i] = v.Text(s)
	}
	return strings.Join(parts, "  ")
}

// A jsonWriter writes JSON compactly.
type jsonWriter struct {
	dst    []byte
	style  Style
	binary func(b []byte) string
}

func (w *jsonWriter) add(color, text string) { w.dst = append(w.dst, w.style.Paint(color, text)...) }

// value writes raw, whose decoded form is v.
func (w *jsonWriter) value(raw json.RawMessage, v any) {
	switch v := v.(type) {
	case []byte:
		w.add("", w.binary(v))
	case []any:
		w.array(raw, v)
	case map[string]any:
		w.object(raw, v)
	case string:
		w.add(Green, quote(raw, v))
	case nil:
		w.add(Dim, "null")
	default:
		w.add(Cyan, string(bytes.TrimSpace(raw)))
	}
}

func (w *jsonWriter) array(raw json.RawMessage, vs []any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token()
	w.add("", "[")
	for i, v := range vs {
		var element json.RawMessage
		if d.Decode(&element) != nil {
			break
		}
		if i > 0 {
			w.add("", ",")
		}
		w.value(element, v)
	}
	w.add("", "]")
}

func (w *jsonWriter) object(raw json.RawMessage, vs map[string]any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token()
	w.add("", "{")
	for first := true; d.More(); first = false {
		var element json.RawMessage
		key, err := d.Token()
		if err != nil || d.Decode(&element) != nil {
			break
		}
		name, _ := key.(string)
		v := vs[name]
		if !first {
			w.add("", ",")
		}
		w.add(Dim, quote(nil, name))
		w.add("", ":")
		w.value(element, v)
	}
	w.add("", "}")
}

// quote returns s as JSON: as it came, unless that would confuse a terminal.
func quote(raw json.RawMessage, s string) string {
	if raw = bytes.TrimSpace(raw); raw != nil && utf8.Valid(raw) && Printable(string(raw)) == string(raw) {
		return string(raw)
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Clip cuts painted text to so many columns.
func Clip(s string, width int) string {
	if width <= 0 || Columns(strip(s)) <= width {
		return s
	}
	var b strings.Builder
	n, escape := 0, false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			if n += Columns(string(r)); n > width-1 {
				b.WriteString("…")
				if strings.Contains(s, "\x1b") {
					b.WriteString("\x1b[0m")
				}
				return b.String()
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

// strip removes colours.
func strip(s string) string {
	for {
		i := strings.IndexByte(s, '\x1b')
		if i < 0 {
			return s
		}
		j := strings.IndexByte(s[i:], 'm')
		if j < 0 {
			return s[:i]
		}
		s = s[:i] + s[i+j+1:]
	}
}
