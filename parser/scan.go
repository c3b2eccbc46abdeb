package parser

import (
	"encoding/binary"
	"math/bits"
)

// What scan and its helpers return instead of a position.
const (
	scanSyntax = -1 // not JSON
	scanDepth  = -2 // too many arrays and objects inside each other
)

// scanMaxDepth bounds texts that did not pass a decoder: what a program hands
// to Marshal, or what another node sent. It is that of encoding/json.
const scanMaxDepth = 10000

// scan returns the position after the JSON value that starts at or after i,
// or one of the constants above. It accepts what RFC 8259 and JSON.parse accept.
//
// It keeps one bit for each open array or object instead of recursing, since
// the depth is the peer's choice and a stack overflow cannot be recovered. Up
// to 512 of them need no memory.
func scan(b []byte, i, limit int) int {
	var inline [8]uint64
	objects := inline[:] // bit d: container d is an object
	depth := 0
	for {
		i = skipSpace(b, i)
		if i == len(b) {
			return scanSyntax
		}
		switch c := b[i]; c {
		case '"':
			i = scanString(b, i+1)
		case '{', '[':
			if depth == limit {
				return scanDepth
			}
			if depth>>6 == len(objects) {
				objects = append(objects, 0)
			}
			bit := uint64(1) << (depth & 63)
			closing := byte(']')
			objects[depth>>6] &^= bit
			if c == '{' {
				objects[depth>>6] |= bit
				closing = '}'
			}
			i = skipSpace(b, i+1)
			if i == len(b) || b[i] != closing {
				depth++
				if c == '{' {
					if i = scanKey(b, i); i < 0 {
						return i
					}
				}
				continue
			}
			i++
		default:
			i = scanScalar(b, i)
		}
		if i < 0 {
			return i
		}
		if i, depth = scanAfter(b, i, objects, depth); i < 0 || depth == 0 {
			return i
		}
	}
}

// scanAfter goes on behind a value: it closes what ends there and stops where
// the next value must start, or, with depth 0, where the outermost one ended.
func scanAfter(b []byte, i int, objects []uint64, depth int) (next, open int) {
	for depth > 0 {
		i = skipSpace(b, i)
		if i == len(b) {
			return scanSyntax, 0
		}
		object := objects[(depth-1)>>6]>>((depth-1)&63)&1 != 0
		switch c := b[i]; {
		case c == ',' && object:
			return scanKey(b, skipSpace(b, i+1)), depth
		case c == ',':
			return i + 1, depth
		case c == '}' && object, c == ']' && !object:
			depth--
			i++
		default:
			return scanSyntax, 0
		}
	}
	return i, 0
}

// scanKey returns the position after a member's name at i and its colon.
func scanKey(b []byte, i int) int {
	if i == len(b) || b[i] != '"' {
		return scanSyntax
	}
	if i = scanString(b, i+1); i < 0 {
		return i
	}
	if i = skipSpace(b, i); i == len(b) || b[i] != ':' {
		return scanSyntax
	}
	return i + 1
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

const (
	swarOnes  = 0x0101010101010101
	swarHighs = 0x8080808080808080
)

// scanString returns the position after the closing quote of the string whose
// first character is at i. It looks at eight bytes at a time for one that
// needs attention: a quote, a backslash or a control character.
func scanString(b []byte, i int) int {
	for {
		for len(b)-i >= 8 {
			x := binary.LittleEndian.Uint64(b[i:])
			quote := x ^ '"'*swarOnes
			slash := x ^ '\\'*swarOnes
			hit := ((x-' '*swarOnes)&^x | (quote-swarOnes)&^quote | (slash-swarOnes)&^slash) & swarHighs
			if hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				break
			}
			i += 8
		}
		for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i == len(b) || b[i] < ' ' {
			return scanSyntax
		}
		if b[i] == '"' {
			return i + 1
		}
		if i = scanEscape(b, i+1); i < 0 {
			return i
		}
	}
}

// scanEscape returns the position after the escape whose backslash is before i.
func scanEscape(b []byte, i int) int {
	if i == len(b) {
		return scanSyntax
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if len(b)-i < 5 {
			return scanSyntax
		}
		for _, c := range b[i+1 : i+5] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return scanSyntax
			}
		}
		return i + 5
	}
	return scanSyntax
}

// scanScalar returns the position after the literal or number at i.
func scanScalar(b []byte, i int) int {
	switch b[i] {
	case 't':
		return scanLiteral(b, i, "true")
	case 'f':
		return scanLiteral(b, i, "false")
	case 'n':
		return scanLiteral(b, i, "null")
	}
	return scanNumber(b, i)
}

func scanLiteral(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return scanSyntax
	}
	return i + len(word)
}

func scanNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = scanDigits(b, i); i < 0 {
		return i
	}
	if i < len(b) && b[i] == '.' {
		if i = scanDigits(b, i+1); i < 0 {
			return i
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return scanDigits(b, i)
	}
	return i
}

// scanDigits returns the position after the digits at i, of which there must be one.
func scanDigits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return scanSyntax
	}
	return i
}

// validJSON reports whether b is exactly one JSON value.
func validJSON(b []byte) bool {
	end := scan(b, 0, scanMaxDepth)
	return end >= 0 && skipSpace(b, end) == len(b)
}

// elements walks over the elements of a JSON array. It trusts nothing: text
// that is no array ends the walk with bad set.
type elements struct {
	text []byte
	pos  int // 0: before the first element
	bad  bool
}

// next returns the next element, without the space around it, or nil after the last one.
func (e *elements) next() []byte {
	b, i := e.text, e.pos
	if e.bad {
		return nil
	}
	switch i = skipSpace(b, i); {
	case i == len(b):
		e.bad = true
		return nil
	case e.pos == 0:
		if b[i] != '[' {
			e.bad = true
			return nil
		}
		if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
			e.pos = i
			return nil
		}
	case b[i] == ']':
		e.pos = i
		return nil
	case b[i] == ',':
		i = skipSpace(b, i+1)
	default:
		e.bad = true
		return nil
	}
	end := scan(b, i, scanMaxDepth)
	if end < 0 {
		e.bad = true
		return nil
	}
	e.pos = end
	return b[i:end:end]
}
