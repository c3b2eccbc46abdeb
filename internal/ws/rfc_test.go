package ws_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/internal/ws"
)

// The groups of this file are those of the Autobahn suite, whose cases it
// follows: every one runs over a TCP connection, in one write and byte by byte.

const maxMessage = 5 << 20

const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
)

// raw makes a client's frame with any first byte.
func raw(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 65536:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := []byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return string(b)
}

func text(s string) string { return raw(fin|1, s) }
func data(s string) string { return raw(fin|2, s) }
func ping(s string) string { return raw(fin|9, s) }
func pong(s string) string { return raw(fin|10, s) }

func closing(code int, reason string) string {
	return raw(fin|8, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// fragments cuts s into frames of n bytes.
func fragments(first byte, s string, n int) string {
	var out strings.Builder
	for {
		piece := s[:min(n, len(s))]
		if s = s[len(piece):]; s == "" {
			return out.String() + raw(fin|first, piece)
		}
		out.WriteString(raw(first, piece))
		first = 0
	}
}

var bye = closing(1000, "")

const left = "peer 1000 "

// A rfcCase is what a client sends and what is to come of it.
type rfcCase struct {
	name string
	in   string
	want []string
	end  string
}

func TestFraming(t *testing.T) { // 1
	var cases []rfcCase
	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		s := strings.Repeat("*", n)
		cases = append(cases,
			rfcCase{fmt.Sprintf("1.1 text of %d", n), text(s) + bye, []string{"text " + brief([]byte(s))}, left},
			rfcCase{fmt.Sprintf("1.2 binary of %d", n), data(s) + bye, []string{"binary " + brief([]byte(s))}, left})
	}
	cases = append(cases, rfcCase{
		"length longer than needed",
		"\x81\xfe\x00\x02\x00\x00\x00\x00hi" + "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00ho" + bye,
		[]string{"text hi", "text ho"},
		left,
	})
	run(t, cases)
}

func TestPingsAndPongs(t *testing.T) { // 2
	ten := strings.Repeat(ping("p"), 10)
	run(t, []rfcCase{
		{"2.1 empty", ping("") + bye, []string{"ping "}, left},
		{"2.2 text", ping("Hello, world!") + bye, []string{"ping Hello, world!"}, left},
		{"2.3 binary", ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff") + bye, []string{"ping \x00\xff\xfe\xfd\xfc\xfb\x00\xff"}, left},
		{"2.4 125 bytes", ping(strings.Repeat("\xfe", 125)) + bye, []string{"ping " + strings.Repeat("\xfe", 125)}, left},
		{"2.5 126 bytes", ping(strings.Repeat("\xfe", 126)), nil, "violation 1002 control frame is fragmented or too long"},
		{"2.7 pong nobody asked for", pong("") + pong("x") + bye, []string{"pong ", "pong x"}, left},
		{"2.9 pong, then ping", pong("x") + ping("y") + bye, []string{"pong x", "ping y"}, left},
		{"2.10 ten pings", ten + bye, strings.Split(strings.Repeat("ping p,", 9)+"ping p", ","), left},
	})
}

func TestReservedBitsAreRefused(t *testing.T) { // 3
	const refused = "violation 1002 reserved bit is set"
	var cases []rfcCase
	for bits := byte(rsv3); bits <= rsv1|rsv2|rsv3; bits += rsv3 {
		for _, op := range []byte{1, 2, 8, 9, 10} {
			cases = append(cases, rfcCase{
				fmt.Sprintf("3 bits %x of opcode %d", bits, op),
				text("a") + raw(fin|bits|op, "b") + text("c"),
				[]string{"text a"},
				refused,
			})
		}
	}
	run(t, cases)
}

func TestUnknownOpcodesAreRefused(t *testing.T) { // 4
	var cases []rfcCase
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		for _, payload := range []string{"", "x"} {
			cases = append(cases, rfcCase{
				fmt.Sprintf("4 opcode %d with %q", op, payload),
				text("a") + raw(fin|op, payload) + ping("b"),
				[]string{"text a"},
				"violation 1002 unknown opcode",
			})
		}
	}
	run(t, cases)
}

func TestFragmentation(t *testing.T) { // 5
	const (
		control = "violation 1002 control frame is fragmented or too long"
		nothing = "violation 1002 continuation of nothing"
		within  = "violation 1002 message within a message"
	)
	run(t, []rfcCase{
		{"5.1 fragmented ping", raw(9, "a") + raw(fin, "b"), nil, control},
		{"5.2 fragmented pong", raw(10, "a") + raw(fin, "b"), nil, control},
		{"fragmented close", raw(8, "\x03\xe8"), nil, control},
		{"5.3 text", raw(1, "ab") + raw(fin, "cd") + bye, []string{"text abcd"}, left},
		{"binary", raw(2, "ab") + raw(0, "\xff") + raw(fin, "cd") + bye, []string{"binary ab\xffcd"}, left},
		{"5.6 ping within", raw(1, "ab") + ping("p") + raw(fin, "cd") + bye, []string{"ping p", "text abcd"}, left},
		{"5.9 continuation of nothing, final", raw(fin, "x") + text("y"), nil, nothing},
		{"5.12 continuation of nothing", raw(0, "x") + text("y"), nil, nothing},
		{"5.15 continuation after the end", raw(1, "ab") + raw(fin, "cd") + raw(0, "ef"), []string{"text abcd"}, nothing},
		{"5.16 only continuations", raw(0, "ab") + text("cd"), nil, nothing},
		{"5.18 text within text", raw(1, "ab") + raw(fin|1, "cd"), nil, within},
		{"binary within text", raw(1, "ab") + raw(2, "cd"), nil, within},
		{"5.19 pings within, empty fragments", raw(1, "a") + raw(0, "") + ping("p") + raw(0, "b") + ping("q") + raw(fin, "") + bye, []string{"ping p", "ping q", "text ab"}, left},
		{"two messages", raw(1, "a") + raw(fin, "b") + raw(2, "c") + raw(fin, "d") + bye, []string{"text ab", "binary cd"}, left},
		{"empty message in fragments", raw(1, "") + raw(0, "") + raw(fin, "") + bye, []string{"text "}, left},
		{"close within", raw(1, "a") + bye, nil, left},
	})
}

func TestTextIsCheckedToBeUTF8(t *testing.T) { // 6
	valid := []string{
		"Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\u0000", "\u0080", "\u0800", "\U00010000", "\u007f", "\u07ff", "\uffff",
		"\U0010ffff", "\ud7ff", "\ue000", "\ufffd", "\ufeff", "\ufffe", "\U0001fffe", strings.Repeat("€", 50_000),
	}
	invalid := []string{
		"\x80", "\xbf", "\xc0", "\xfe", "\xff", "\xc3\x28", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x88\x80\x80\x80",
		"\xfc\x84\x80\x80\x80\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64", "\xe2\x82", "\xf0\x9f\x98", "a\xc3",
	}
	var cases []rfcCase
	for _, s := range valid {
		for _, n := range []int{1 << 20, 1, 2, 3} {
			if len(s) < 1000 || n > 3 {
				cases = append(cases, rfcCase{fmt.Sprintf("valid %.20q by %d", s, n), fragments(1, s, n) + bye, []string{"text " + brief([]byte(s))}, left})
			}
		}
	}
	for _, s := range invalid {
		for _, n := range []int{100, 1, 2} {
			cases = append(cases, rfcCase{fmt.Sprintf("invalid %q by %d", s, n), ping("p") + fragments(1, s, n) + text("x"), []string{"ping p"}, "violation 1007 text is not UTF-8"})
			cases = append(cases, rfcCase{fmt.Sprintf("binary %q by %d", s, n), fragments(2, s, n) + bye, []string{"binary " + s}, left})
		}
	}
	// 6.4: told as soon as it is sure, though the message has not ended.
	cases = append(cases,
		rfcCase{"early, fragments", raw(1, "κόσμε\xf4\x90") + ping("late"), nil, "violation 1007 text is not UTF-8"},
		rfcCase{"early, one frame", text("κόσμε\xf4\x90" + strings.Repeat("x", 30))[:24], nil, "violation 1007 text is not UTF-8"})
	run(t, cases)
}

func TestCloseHandling(t *testing.T) { // 7
	cases := []rfcCase{
		{"7.1 nothing after close", text("a") + bye + text("b") + ping("c"), []string{"text a"}, left},
		{"7.3.1 empty", raw(fin|8, ""), nil, "peer 1005 "},
		{"7.3.2 one byte", raw(fin|8, "\x03"), nil, "violation 1002 close frame of one byte"},
		{"7.3.4 with reason", closing(1000, "Hello World!"), nil, "peer 1000 Hello World!"},
		{"7.3.5 reason of 123", closing(1000, strings.Repeat("*", 123)), nil, "peer 1000 " + strings.Repeat("*", 123)},
		{"7.3.6 reason of 124", closing(1000, strings.Repeat("*", 124)), nil, "violation 1002 control frame is fragmented or too long"},
		{"7.5.1 reason not UTF-8", closing(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"), nil, "violation 1007 close reason is not UTF-8"},
		{"unmasked", text("a") + "\x81\x0240", []string{"text a"}, "violation 1002 frame has the wrong masking"},
		{"end without close", text("a"), []string{"text a"}, "end"},
		{"end within a frame", text("a") + text("b")[:4], []string{"text a"}, "end"},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, rfcCase{fmt.Sprint("7.7 code ", code), closing(code, ""), nil, fmt.Sprintf("peer %d ", code)})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, rfcCase{fmt.Sprint("7.9 code ", code), closing(code, ""), nil, "violation 1002 close code is not valid"})
	}
	run(t, cases)
}

func TestLimits(t *testing.T) { // 9, 10
	var cases []rfcCase
	for _, n := range []int{1 << 16, 1 << 18, 1 << 20, 4 << 20} {
		s := strings.Repeat("BAsd7&jh23", n/10)
		want := func(kind string) []string { return []string{kind + " " + brief([]byte(s))} }
		cases = append(cases,
			rfcCase{fmt.Sprint("9.1 text of ", n), text(s) + bye, want("text"), left},
			rfcCase{fmt.Sprint("9.2 binary of ", n), data(s) + bye, want("binary"), left})
		for _, cut := range []int{256, 1300, 4096, 1 << 16, 1 << 20} {
			cases = append(cases, rfcCase{fmt.Sprintf("9.3 text of %d by %d", n, cut), fragments(1, s, cut) + bye, want("text"), left})
		}
	}
	full := strings.Repeat("x", maxMessage)
	const tooBig = "violation 1009 message is too big"
	cases = append(cases,
		rfcCase{"all that is allowed", data(full) + bye, []string{"binary " + brief([]byte(full))}, left},
		rfcCase{"one byte more", data(full + "x"), nil, tooBig},
		rfcCase{"one byte more in fragments", fragments(2, full+"x", 1<<20), nil, tooBig},
		rfcCase{"a gigabyte announced", "\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00", nil, tooBig},
		rfcCase{"2^63-1 announced", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", nil, tooBig},
		rfcCase{"2^63-1 announced for a continuation", raw(2, "x") + "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", nil, tooBig},
		rfcCase{"2^64-1 announced", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", nil, "violation 1002 length is negative"},
		rfcCase{"as many fragments as are allowed", fragments(2, full[:16384], 1) + bye, []string{"binary " + brief([]byte(full[:16384]))}, left},
		rfcCase{"one fragment more", fragments(2, full[:16385], 1), nil, "violation 1008 message is in too many fragments"},
		rfcCase{"empty fragments without end", raw(2, "") + strings.Repeat(raw(0, ""), 131_000), nil, "violation 1008 message is in too many fragments"})
	run(t, cases)
}

func TestSmallLimitAllowsFewFragments(t *testing.T) {
	for n, want := range map[int]string{1000: left, 1100: "violation 1008 message is in too many fragments"} {
		in := raw(2, "x") + strings.Repeat(raw(0, ""), n-2) + raw(fin, "") + bye
		got := converse(t, &ws.Options{MaxMessage: 1000}, "", in, len(in))
		if got.end != want {
			t.Errorf("%d fragments end with %q, want %q", n, got.end, want)
		}
	}
}

// compressed returns the payload of a compressed message.
func compressed(s string) string {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestSpeed)
	_, _ = w.Write([]byte(s))
	_ = w.Flush()
	return strings.TrimSuffix(out.String(), "\x00\x00\xff\xff")
}

func TestCompression(t *testing.T) { // 12, 13
	var cases []rfcCase
	for _, n := range []int{16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072} {
		s := strings.Repeat("{\"k\": \"größer\"}\n", n/16)
		want := []string{"text " + brief([]byte(s)), "text plain", "text " + brief([]byte(s))}
		in := raw(fin|rsv1|1, compressed(s)) + text("plain")
		cases = append(cases, rfcCase{fmt.Sprint("12 text of ", n), in + raw(fin|rsv1|1, compressed(s)) + bye, want, left})
		for _, cut := range []int{1, 7, 256} {
			cases = append(cases, rfcCase{fmt.Sprintf("12 text of %d by %d", n, cut), in + fragments(rsv1|1, compressed(s), cut) + bye, want, left})
		}
	}
	const damaged = "violation 1007 compressed message is damaged"
	bomb := strings.Repeat("\x00", maxMessage+1)
	cases = append(cases,
		rfcCase{"empty", raw(fin|rsv1|1, "\x00") + bye, []string{"text "}, left},
		rfcCase{"nothing at all", raw(fin|rsv1|1, "") + bye, nil, damaged},
		rfcCase{"stored block", raw(fin|rsv1|1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00") + bye, []string{"text Hello"}, left},
		rfcCase{"last block set", raw(fin|rsv1|1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00") + bye, []string{"text Hello"}, left},
		rfcCase{"two blocks", raw(fin|rsv1|1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00") + bye, []string{"text Hello"}, left},
		rfcCase{"damaged", raw(fin|rsv1|1, "\x07garbage") + text("x"), nil, damaged},
		rfcCase{"cut off", raw(fin|rsv1|1, compressed(strings.Repeat("abc", 100))[:4]) + text("x"), nil, damaged},
		rfcCase{"not UTF-8 inside", raw(fin|rsv1|1, compressed(strings.Repeat("\xff", 100))) + text("x"), nil, "violation 1007 text is not UTF-8"},
		rfcCase{"binary", raw(fin|rsv1|2, compressed(strings.Repeat("\xff", 100))) + bye, []string{"binary " + strings.Repeat("\xff", 100)}, left},
		rfcCase{"bit on a continuation", raw(rsv1|1, "a") + raw(fin|rsv1, "b"), nil, "violation 1002 reserved bit is set"},
		rfcCase{"bit on a ping", raw(fin|rsv1|9, "a"), nil, "violation 1002 reserved bit is set"},
		rfcCase{"all that is allowed", raw(fin|rsv1|2, compressed(bomb[1:])) + bye, []string{"binary " + brief([]byte(bomb[1:]))}, left},
		rfcCase{"bomb", raw(fin|rsv1|2, compressed(bomb)), nil, "violation 1009 message is too big"},
		rfcCase{"bomb in fragments", fragments(rsv1|2, compressed(bomb), 1000), nil, "violation 1009 message is too big"})
	runWith(t, cases, &ws.Options{MaxMessage: maxMessage, Deflate: &ws.Deflate{}}, deflateExtension)
}

func run(t *testing.T, cases []rfcCase) {
	t.Helper()
	runWith(t, cases, &ws.Options{MaxMessage: maxMessage}, "")
}

// byteByByte is the longest input that is sent in single bytes.
const byteByByte = 600

func runWith(t *testing.T, cases []rfcCase, o *ws.Options, header string) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			sizes := []int{len(tc.in), 1000}
			if len(tc.in) <= byteByByte {
				sizes = []int{len(tc.in), 1}
			}
			for _, size := range sizes {
				got := converse(t, o, header, tc.in, size)
				equal(t, got.lines, tc.want)
				if got.end != tc.end {
					t.Fatalf("ended with %q, want %q", got.end, tc.end)
				}
			}
		})
	}
}

type outcome struct {
	lines []string
	end   string
}

// converse sends in to a server, size bytes in each write, and then no more.
func converse(t *testing.T, o *ws.Options, header, in string, size int) outcome {
	t.Helper()
	got := make(chan outcome, 1)
	s := serveOne(t, o, func(c *ws.Conn) {
		var rec recorder
		err := c.Serve(&rec)
		got <- outcome{rec.lines, describe(err)}
		// Let the client finish: closing now would reset what it still sends.
		_, _ = bytes.NewBuffer(nil).ReadFrom(c.NetConn())
		_ = c.Close()
	})
	nc, _ := dialRaw(t, s, header)
	send(t, nc, in, size)
	return <-got
}

func send(t *testing.T, nc *net.TCPConn, in string, size int) {
	t.Helper()
	for len(in) > 0 {
		n := min(size, len(in))
		if _, err := nc.Write([]byte(in[:n])); err != nil {
			t.Fatal(err)
		}
		in = in[n:]
	}
	must(t, nc.CloseWrite())
}
