package parser

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// A placeholder is an object that stands for an attachment:
// {"_placeholder":true,"num":0}. As in socket.io-parser, any object whose
// _placeholder is true is one, whatever else it holds.
type placeholder struct {
	start, end int // of the object
	num        int // of the attachment; negative: no non-negative integer
}

// What the name of an object's member, read last, means to placeholders.
type memberName uint8

const (
	nameExpected memberName = iota // the next string is a name
	nameOther
	nameFlag // _placeholder
	nameNum  // num
)

// openContainer is an array or object whose end is not reached.
type openContainer struct {
	placeholder
	object bool
	is     bool // _placeholder is true
	name   memberName
}

// placeholders calls visit for each placeholder in b, which must be valid
// JSON, in the order in which they end, until visit returns false. Of members
// of the same name the last one counts, as in JSON.parse.
func placeholders(b []byte, visit func(placeholder) bool) {
	var inline [16]openContainer
	open := inline[:1] // the first one is outside of everything
	for i := 0; i < len(b); {
		top := &open[len(open)-1]
		switch c := b[i]; c {
		case '{', '[':
			open = append(open, openContainer{placeholder: placeholder{start: i, num: -1}, object: c == '{'})
			i++
		case '}', ']':
			i++
			if len(open) == 1 {
				return // not JSON
			}
			open = open[:len(open)-1]
			if top.is {
				top.end = i
				if !visit(top.placeholder) {
					return
				}
			}
		case '"':
			end := scanString(b, i+1)
			if end < 0 {
				return // not JSON
			}
			top.string(b[i:end])
			i = end
		case ',':
			top.name = nameExpected
			i++
		case 't':
			top.is = top.is || top.object && top.name == nameFlag
			i++
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			end := scanNumber(b, i)
			if end < 0 {
				return // not JSON
			}
			if top.object && top.name == nameNum {
				top.num = attachmentNumber(b[i:end])
			}
			i = end
		default:
			i++
		}
	}
}

// string takes note of a string, with its quotes, directly inside o.
func (o *openContainer) string(quoted []byte) {
	if !o.object || o.name != nameExpected {
		return
	}
	switch text, err := unquote(quoted); {
	case err != nil:
		o.name = nameOther
	case string(text) == "_placeholder":
		o.name, o.is = nameFlag, false
	case string(text) == "num":
		o.name, o.num = nameNum, -1
	default:
		o.name = nameOther
	}
}

// attachmentNumber returns the index in b or -1 when b is not made of digits alone.
func attachmentNumber(b []byte) int {
	n, err := strconv.ParseUint(string(b), 10, 24)
	if err != nil {
		return -1
	}
	return int(n)
}

// appendPlaceholder appends the placeholder of attachment num.
func appendPlaceholder(dst []byte, num int) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	dst = strconv.AppendInt(dst, int64(num), 10)
	return append(dst, '}')
}

// placeholdersInRange reports whether each placeholder in b names one of n attachments.
func placeholdersInRange(b []byte, n int) bool {
	ok := true
	placeholders(b, func(p placeholder) bool {
		ok = p.num >= 0 && p.num < n
		return ok
	})
	return ok
}

// placeholdersInOrder reports whether b holds exactly the placeholders 0 to n-1, in order.
func placeholdersInOrder(b []byte, n int) bool {
	next := 0
	placeholders(b, func(p placeholder) bool {
		if p.num != next {
			next = -1
			return false
		}
		next++
		return true
	})
	return next == n
}

// unquote returns the text of a valid JSON string, an alias of it when it has no escapes.
func unquote(quoted []byte) ([]byte, error) {
	if plain(quoted) {
		return quoted[1 : len(quoted)-1], nil
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return []byte(s), err
}

// plain reports whether b has no backslash.
func plain(b []byte) bool { return bytes.IndexByte(b, '\\') < 0 }
