package session

import (
	"io"
	"slices"
)

// The keys that the keyboard knows.
const (
	ctrlC = 0x03
	ctrlD = 0x04
	ctrlE = 0x05 // to the end of the line
	ctrlU = 0x15 // take back what is before
	enter = '\r'
)

// A keyboard is a terminal whose Ctrl-C takes back what is being typed, as in a
// shell; for the line editor it is the end. It is read by one goroutine.
type keyboard struct {
	in    io.Reader
	out   io.Writer
	typed func() // called after each read
	line  bool   // something is being typed
	rest  []byte // read, and not handed over yet
}

// Write implements [io.Writer].
func (k *keyboard) Write(p []byte) (int, error) { return k.out.Write(p) }

// Read implements [io.Reader].
func (k *keyboard) Read(p []byte) (int, error) {
	if len(k.rest) == 0 {
		buf := make([]byte, 256)
		n, err := k.in.Read(buf)
		if n == 0 {
			return 0, err
		}
		k.rest = k.translate(buf[:n])
	}
	k.typed()
	n := copy(p, k.rest)
	k.rest = slices.Delete(k.rest, 0, n)
	return n, nil
}

func (k *keyboard) translate(keys []byte) []byte {
	var out []byte
	for _, key := range keys {
		if key == ctrlC && k.line {
			out = append(out, ctrlE, ctrlU)
			k.line = false
			continue
		}
		out = append(out, key)
		k.line = key != enter && key != ctrlU && key != ctrlC && (k.line || key != ctrlD)
	}
	return out
}
