package ws_test

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/roomwire/roomwire/internal/ws"
)

func TestFramesHaveTheShortestHeader(t *testing.T) {
	for n, head := range map[int]string{
		0: "\x82\x00", 125: "\x82\x7d", 126: "\x82\x7e\x00\x7e", 65535: "\x82\x7e\xff\xff", 65536: "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
	} {
		payload := bytes.Repeat([]byte("x"), n)
		want := "before" + head + string(payload)
		if got := ws.AppendFrame([]byte("before"), ws.OpBinary, payload); string(got) != want {
			t.Errorf("frame of %d is %.20q", n, got)
		}
	}
}

func TestMaskedFramesAreReadBack(t *testing.T) {
	for n := range 100 {
		payload := bytes.Repeat([]byte("abcdefg"), 15)[:n]
		before := string(payload)
		a, b := ws.AppendMasked(nil, ws.OpBinary, payload), ws.AppendMasked(nil, ws.OpBinary, payload)
		if string(payload) != before {
			t.Fatal("the payload was changed")
		}
		if n > 8 && bytes.Equal(a, b) {
			t.Error("two frames have the same key")
		}
		lines, _ := play(t, append(a, b...), &ws.Options{}, func(rest []byte) int { return 1 + n%7 })
		equal(t, lines, []string{"binary " + before, "binary " + before})
	}
}

func TestCloseFrames(t *testing.T) {
	long := strings.Repeat("€", 50) // 150 bytes
	for _, masked := range []bool{false, true} {
		for _, tc := range []struct {
			code   int
			reason string
			want   string
		}{
			{1000, "", "peer 1000 "},
			{4001, "because", "peer 4001 because"},
			{1005, "x", "peer 1005 "},
			{1006, "x", "peer 1005 "},
			{0, "", "peer 1005 "},
			{1011, long, "peer 1011 " + long[:123]},
		} {
			f := ws.AppendClose(nil, tc.code, tc.reason, masked)
			if (f[1]&0x80 != 0) != masked {
				t.Errorf("masked: %v", !masked)
			}
			if !masked {
				f = []byte(raw(f[0], string(f[2:])))
			}
			if _, end := play(t, f, &ws.Options{}, func(rest []byte) int { return len(rest) }); end != tc.want {
				t.Errorf("close %d %q reads as %q", tc.code, tc.reason, end)
			}
		}
	}
	if f := ws.AppendClose(nil, 1000, "x"+long, false); !utf8.Valid(f[4:]) || len(f) != 4+1+120 {
		t.Errorf("reason is cut within a character: %q", f[4:])
	}
}

func TestDeflatedFramesOfAllLevelsAreReadBack(t *testing.T) {
	o := &ws.Options{Deflate: &ws.Deflate{}}
	for level := flate.HuffmanOnly - 1; level <= flate.BestCompression+1; level++ {
		for _, s := range []string{"", "x", strings.Repeat("some text ", 1000)} {
			var in []byte
			for range 3 { // no frame depends on one before
				in = ws.AppendDeflated(in, ws.OpText, []byte(s), level, true)
			}
			if len(s) > 1000 && len(in) > 3*len(s)*9/10 {
				t.Errorf("level %d: %d bytes for %d", level, len(in), 3*len(s))
			}
			lines, _ := play(t, in, o, func(rest []byte) int { return len(rest) })
			line := "text " + brief([]byte(s))
			equal(t, lines, []string{line, line, line})
		}
	}
}

func TestFrameThatWouldGrowIsNotCompressed(t *testing.T) {
	if f := ws.AppendDeflated(nil, ws.OpText, []byte("x"), 0, false); string(f) != "\x81\x01x" {
		t.Errorf("got %q", f)
	}
}

func TestAppendingToABufferWithRoomDoesNotAllocate(t *testing.T) {
	dst, payload := make([]byte, 0, 1000), bytes.Repeat([]byte("x"), 500)
	for name, f := range map[string]func(){
		"frame":  func() { ws.AppendFrame(dst, ws.OpText, payload) },
		"masked": func() { ws.AppendMasked(dst, ws.OpText, payload) },
		"close":  func() { ws.AppendClose(dst, 1000, "bye", true) },
		"deflated": func() {
			if !raceDetector {
				ws.AppendDeflated(dst, ws.OpText, payload, 0, false)
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
