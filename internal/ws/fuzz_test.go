package ws_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/internal/ws"
)

// A script is a connection whose peer says what chunks hold, and then leaves.
type script struct {
	chunks [][]byte
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.chunks[0])
	if s.chunks[0] = s.chunks[0][n:]; len(s.chunks[0]) == 0 {
		s.chunks = s.chunks[1:]
	}
	return n, nil
}

func (*script) Write(b []byte) (int, error)      { return len(b), nil }
func (*script) Close() error                     { return nil }
func (*script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*script) SetDeadline(time.Time) error      { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }

type hijacker struct {
	http.ResponseWriter
	nc net.Conn
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReaderSize(h.nc, 16), bufio.NewWriterSize(h.nc, 16)), nil
}

// play serves a script.
func play(t testing.TB, in []byte, o *ws.Options, cut func(rest []byte) int) (lines []string, end string) {
	t.Helper()
	var chunks [][]byte
	for rest := slices.Clone(in); len(rest) > 0; {
		n := max(1, min(cut(rest), len(rest)))
		chunks = append(chunks, rest[:n:n])
		rest = rest[n:]
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(upgrade + deflateExtension + "\r\n")))
	must(t, err)
	c, err := ws.Accept(hijacker{httptest.NewRecorder(), &script{chunks}}, r, o)
	must(t, err)
	var rec recorder
	err = c.Serve(&rec)
	_ = c.Close()
	return rec.lines, describe(err)
}

func FuzzServe(f *testing.F) {
	for _, s := range []string{
		text("hello") + bye, fragments(1, "größer", 1) + ping("p"), raw(1, "a") + ping("p") + raw(0, "\xc3") + raw(fin, "\xb6"),
		raw(fin|rsv1|1, compressed("hello hello hello")), fragments(rsv1|2, compressed(strings.Repeat("x", 2000)), 3),
		data(strings.Repeat("y", 200)) + closing(4000, "why"), "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00xyz",
		raw(fin|rsv1|1, compressed(strings.Repeat("\x00", 9000))), text("\xed\xa0\x80"), strings.Repeat(raw(1, "")+raw(fin, ""), 5),
	} {
		for _, n := range []byte{1, 2, 3, 5} {
			f.Add([]byte(s), []byte{n}, n%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte, deflate bool) {
		o := &ws.Options{MaxMessage: 4096}
		if deflate {
			o.Deflate = &ws.Deflate{}
		}
		wantLines, wantEnd := play(t, in, o, func(rest []byte) int { return len(rest) })
		i := 0
		lines, end := play(t, in, o, func([]byte) int {
			if len(cuts) == 0 {
				return 1
			}
			i++
			return int(cuts[i%len(cuts)])
		})
		if end != wantEnd || !slices.Equal(lines, wantLines) {
			t.Errorf("in one piece %q, %q\nin many %q, %q", wantLines, wantEnd, lines, end)
		}
	})
}

func TestMemoryFollowsWhatArrives(t *testing.T) {
	if raceDetector {
		t.Skip("pools do not keep everything under the race detector")
	}
	announce := "\x82\xff\x00\x00\x00\xff\x00\x00\x00\x00\x00\x00\x00\x00"
	inputs := map[string]string{
		"crumbs of a message":  raw(2, "") + strings.Repeat(raw(0, "x"), 16_000),
		"start of a huge one":  announce + strings.Repeat("x", 100_000),
		"many small ones":      strings.Repeat(text("abc"), 20_000),
		"pings":                strings.Repeat(ping("abc"), 20_000),
		"empty fragments":      raw(2, "") + strings.Repeat(raw(0, ""), 1_000_000),
		"a bomb, then another": strings.Repeat(raw(fin|rsv1|2, compressed(strings.Repeat("\x00", 1<<20))), 50),
	}
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{len(in), 1000} {
				var before, after runtime.MemStats
				r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(upgrade + deflateExtension + "\r\n")))
				must(t, err)
				var chunks [][]byte
				for rest := []byte(in); len(rest) > 0; {
					n := min(size, len(rest))
					chunks = append(chunks, rest[:n:n])
					rest = rest[n:]
				}
				c, err := ws.Accept(hijacker{httptest.NewRecorder(), &script{chunks}}, r, &ws.Options{Deflate: &ws.Deflate{}})
				must(t, err)
				runtime.ReadMemStats(&before)
				_ = c.Serve(funcs{})
				runtime.ReadMemStats(&after)
				_ = c.Close()
				// All that was ever allocated, not only what was held at once:
				// a buffer that doubles adds up to four times what it holds. The
				// inflater of a pool may be lost to each of a few collections.
				limit := uint64(4*len(in) + 1<<20)
				if name == "a bomb, then another" {
					limit += 50 * 4 << 20
				}
				if got := after.TotalAlloc - before.TotalAlloc; got > limit {
					t.Errorf("%d bytes allocated for %d that came by %d", got, len(in), size)
				}
			}
		})
	}
}

// What a connection holds between two reads is bounded by what has come, not
// by what was announced.
func FuzzRetained(f *testing.F) {
	for _, s := range []string{
		text("hello"), raw(1, "a") + ping("p") + raw(0, "b"), "\x82\xff\x00\x00\x00\x00\x00\x0f\x00\x00\x00\x00\x00\x00" + strings.Repeat("x", 5000),
		raw(rsv1|2, compressed(strings.Repeat("x", 2000))), strings.Repeat(raw(0, ""), 10), "\x81\xfe\x10", raw(2, "") + strings.Repeat(raw(0, "x"), 50),
	} {
		f.Add([]byte(s), []byte{1, 7}, false)
		f.Add([]byte(s), []byte{200}, true)
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte, deflate bool) {
		o := &ws.Options{MaxMessage: 1 << 20}
		if deflate {
			o.Deflate = &ws.Deflate{}
		}
		var chunks [][]byte
		for i, rest := 0, slices.Clone(in); len(rest) > 0; i++ {
			n := len(rest)
			if len(cuts) > 0 {
				n = max(1, min(n, int(cuts[i%len(cuts)])))
			}
			chunks = append(chunks, rest[:n:n])
			rest = rest[n:]
		}
		const pooled = 4 << 10 // the smallest buffer
		if got, _ := ws.Retained(chunks, o, funcs{}); got > 4*len(in)+pooled+200 {
			t.Errorf("%d bytes are held after %d", got, len(in))
		}
	})
}
