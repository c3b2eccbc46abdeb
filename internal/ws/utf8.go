package ws

import "unicode/utf8"

// validStart looks at b, the text received so far of a message that is not
// complete. It returns how much of b is whole characters; the up to three
// bytes behind are the start of one that may still become valid. ok is false
// if nothing that follows can make b valid.
func validStart(b []byte) (n int, ok bool) {
	n = len(b)
	for i := len(b) - 1; i >= 0 && i >= len(b)-3; i-- {
		if utf8.RuneStart(b[i]) {
			// FullRune takes what can never become a character for a full one.
			if !utf8.FullRune(b[i:]) {
				n = i
			}
			break
		}
	}
	return n, utf8.Valid(b[:n])
}
