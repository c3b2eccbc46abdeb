package load

import (
	"bytes"
	"strings"
	"testing"
)

// serverForm turns a masked client frame into the frame a server would send.
func serverForm(b []byte, head int) []byte {
	out := append([]byte(nil), b[:head]...)
	out[1] &^= 0x80
	for i, c := range b[head+4:] {
		out = append(out, c^maskKey[i&3])
	}
	return out
}

func TestFramesOfEverySizeComeBack(t *testing.T) {
	for n, head := range map[int]int{0: 2, 125: 2, 126: 4, 65535: 4, 65536: 10} {
		payload := []byte(strings.Repeat("p", n))
		b := serverForm(appendFrame(nil, opText, payload), head)
		f, size, err := nextFrame(append(b, 'x'))
		if err != nil || size != len(b) || !f.fin || f.opcode != opText || !bytes.Equal(f.payload, payload) {
			t.Errorf("%d bytes: size %d of %d, err %v", n, size, len(b), err)
		}
		for cut := range min(len(b), 12) {
			if _, size, err := nextFrame(b[:cut]); size != 0 || err != nil {
				t.Errorf("%d bytes cut at %d: size %d, err %v", n, cut, size, err)
			}
		}
	}
}

func TestFramesAServerMustNotSendAreErrors(t *testing.T) {
	for name, b := range map[string][]byte{
		"masked":   {0x81, 0x80, 0, 0, 0, 0},
		"reserved": {0xc1, 0x00},
		"too long": {0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, _, err := nextFrame(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHTTPAnswersAreReadWholeOrNotAtAll(t *testing.T) {
	for name, c := range map[string]struct {
		text, body string
		status     int
	}{
		"length":  {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello", 200},
		"empty":   {"HTTP/1.1 413 Big\r\nContent-Length: 0\r\n\r\n", "", 413},
		"chunked": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello", 200},
	} {
		status, body, size, err := readAnswer([]byte(c.text))
		if err != nil || status != c.status || string(body) != c.body || size != len(c.text) {
			t.Errorf("%s: %d %q size %d err %v", name, status, body, size, err)
		}
		for cut := range len(c.text) {
			if _, _, size, err := readAnswer([]byte(c.text[:cut])); size != 0 || err != nil {
				t.Errorf("%s cut at %d: size %d err %v", name, cut, size, err)
			}
		}
	}
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\n\r\n", "SPDY/1.1 200 OK\r\n\r\n", "HTTP/1.1 abc\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		if _, _, _, err := readAnswer([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
