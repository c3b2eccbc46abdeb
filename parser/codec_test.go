package parser_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/parser"
)

func marshal(t testing.TB, name string, args ...any) parser.Payload {
	t.Helper()
	p, err := parser.JSON.Marshal(nil, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHeaderHasThePartsThatAreNeeded(t *testing.T) {
	att := [][]byte{{1}, {2}}
	for want, p := range map[string]parser.Packet{
		`0`:                            {Type: parser.Connect, Namespace: "/", ID: -1},
		`0{"sid":"x"}`:                 {Type: parser.Connect, ID: -1, Payload: parser.Payload{Data: []byte(`{"sid":"x"}`)}},
		`1/admin,`:                     {Type: parser.Disconnect, Namespace: "/admin", ID: -1},
		`2["ev",1]`:                    {Type: parser.Event, Namespace: "/", ID: -1, Payload: parser.Payload{Data: []byte(`["ev",1]`)}},
		`2/a,12["ev",1]`:               {Type: parser.Event, Namespace: "/a", ID: 12, Payload: parser.Payload{Data: []byte(`["ev",1]`)}},
		`30[]`:                         {Type: parser.Ack, Namespace: "/", ID: 0, Payload: parser.Payload{Data: []byte(`[]`)}},
		`4{"message":"no"}`:            {Type: parser.ConnectError, Namespace: "/", ID: -1, Payload: parser.Payload{Data: []byte(`{"message":"no"}`)}},
		`52-["e",1]`:                   {Type: parser.Event, Namespace: "/", ID: -1, Payload: parser.Payload{Data: []byte(`["e",1]`), Attachments: att}},
		`62-/a,9223372036854775807[1]`: {Type: parser.Ack, Namespace: "/a", ID: math.MaxInt64, Payload: parser.Payload{Data: []byte(`[1]`), Attachments: att}},
	} {
		if got := string(parser.JSON.AppendHeader([]byte("4"), &p)); got != "4"+want {
			t.Errorf("got %s, want 4%s", got, want)
		}
	}
	if parser.JSON.BinaryHeader() {
		t.Error("the header of JSON is text")
	}
}

func TestAppendArgExtendsTheArray(t *testing.T) {
	for in, want := range map[string]string{
		`["a",1]`: `["a",1,"x\"<\n"]`, `[]`: `["x\"<\n"]`, ` [ ] `: ` [ "x\"<\n"]`, `[[]]`: `[[],"x\"<\n"]`, ``: ``,
	} {
		p := parser.JSON.AppendArg(parser.Payload{Data: []byte(in)}, "x\"<\n")
		if string(p.Data) != want {
			t.Errorf("%s: got %s, want %s", in, p.Data, want)
		}
	}
}

func TestEventNameIsReadFromAnyArray(t *testing.T) {
	for in, want := range map[string]string{
		`["chat",1]`: "chat", ` [ "chat" ]`: "chat", `["a\u0062\n"]`: "ab\n", `[7,"x"]`: "7", `[-1.5e3]`: "-1.5e3", `[""]`: "", `["héé"]`: "héé",
	} {
		name, err := parser.JSON.Event(parser.Payload{Data: []byte(in)})
		if err != nil || string(name) != want {
			t.Errorf("%s: got %q, %v", in, name, err)
		}
	}
	for _, in := range []string{``, ` `, `[`, `[]`, `[null]`, `{"a":1}`, `["a`, `[{"toString":"foo"}]`, `[-]`, `["\x"]`} {
		if name, err := parser.JSON.Event(parser.Payload{Data: []byte(in)}); !errors.Is(err, parser.ErrInvalid) {
			t.Errorf("%s: got %q, %v, want ErrInvalid", in, name, err)
		}
	}
}

func TestArgsCountsElements(t *testing.T) {
	for in, want := range map[string]int{`["a",1,[2,3],{"x":[4]}]`: 4, `[]`: 0, ` [ 1 , 2 ] `: 2, ``: 0, `{}`: 0} {
		if got := parser.JSON.Args(parser.Payload{Data: []byte(in)}); got != want {
			t.Errorf("%s: got %d, want %d", in, got, want)
		}
	}
}

type inner struct {
	Data  []byte `json:"data"`
	Label string `json:"label,omitempty"`
}

type Base struct {
	ID   int `json:"id"`
	Name string
}

type blob []byte

type everything struct {
	Base
	*inner
	Name    string
	Blob    blob            `json:"blob"`
	List    [][]byte        `json:",omitempty"`
	Map     map[int]any     `json:"map,omitempty"`
	Quoted  int             `json:"quoted,string"`
	QuotedS string          `json:"qs,string"`
	Zero    time.Time       `json:"zero,omitzero"`
	When    time.Time       `json:"when"`
	IP      net.IP          `json:"ip"`
	Raw     json.RawMessage `json:"raw"`
	Array   [2]byte         `json:"array"`
	Skip    []byte          `json:"-"`
	Dash    int             `json:"-,"`
	Any     any             `json:"any"`
	Ptr     *inner          `json:"ptr"`
	F32     float32         `json:"f32"`
	Num     json.Number     `json:"num"`
	hidden  []byte
}

// withoutBinary returns v as encoding/json writes it, without HTML escapes.
func withoutBinary(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestValuesAreWrittenAsByEncodingJSON(t *testing.T) {
	var nilInner *inner
	values := []any{
		nil, "", "a<b>&c\"\\/\x00\x1f\t\b\f\r\n\x7fé", true, false, 0, -5, int8(-8), int16(3), int32(7), int64(math.MinInt64), uint(1), uint8(2), uint16(3), uint32(4), uint64(math.MaxUint64), uintptr(9),
		0.0, 1.5, -0.1, 1e20, 1e21, 1e-6, 1e-7, 123456789e-20, math.MaxFloat64, math.SmallestNonzeroFloat64, float32(1e-7), float32(3.4e38), float32(0.1),
		json.RawMessage(`{"a":1}`), json.RawMessage(nil), []byte(nil), blob(nil), nilInner, []any(nil),
		[]any{},
		[]any{1, "x", nil, map[string]any{"b": 1, "a": []any{}}},
		map[string]any(nil),
		map[string]any{},
		[]string{"x<"},
		map[int]string{2: "b", 10: "c"},
		[3]byte{1, 2, 3},
		[]any{[2]byte{4, 5}},
		time.Unix(0, 0).UTC(), net.IPv4(1, 2, 3, 4),
		[]any{net.IPv4(1, 2, 3, 4)},
		everything{},
		&everything{inner: &inner{Label: "l"}, Base: Base{ID: 3, Name: "base"}, Name: "top", QuotedS: "q\"", Quoted: 5, When: time.Unix(0, 0).UTC(), IP: net.IPv4(9, 9, 9, 9), Raw: json.RawMessage(`[1,2]`), Any: map[string]any{"x": 1.5}, Map: map[int]any{10: 1, 9: "x"}, F32: 0.1, Num: "12.50", hidden: []byte("x"), Skip: []byte("y")},
		[]any{everything{Any: everything{}}},
		[]*everything{nil},
		struct{ V fmt.Stringer }{},
		map[string]fmt.Stringer{"a": nil},
		struct {
			P *int `json:"p,string"`
			B bool `json:",string"`
			A any  `json:",string"`
			Z []int
		}{B: true},
	}
	for _, v := range values {
		want := withoutBinary(t, v)
		got := marshal(t, "", v)
		if string(got.Data) != "["+want+"]" || got.Attachments != nil {
			t.Errorf("%T: got %s and %d attachments, want [%s]", v, got.Data, len(got.Attachments), want)
		}
	}
}

type pointerMarshaler struct{ B any }

func (p *pointerMarshaler) MarshalJSON() ([]byte, error) { return []byte(`"own <"`), nil }

func TestMarshalJSONOfAPointerCountsWhereEncodingJSONUsesIt(t *testing.T) {
	for _, v := range []any{
		pointerMarshaler{B: 1},
		&pointerMarshaler{B: 1},
		[]pointerMarshaler{{B: 1}},
		[]any{pointerMarshaler{}},
		map[string]pointerMarshaler{"a": {}},
		struct{ P pointerMarshaler }{},
		&struct {
			P pointerMarshaler
			X any
		}{},
	} {
		want := withoutBinary(t, v)
		if got := marshal(t, "", v); string(got.Data) != "["+want+"]" {
			t.Errorf("%T: got %s, want [%s]", v, got.Data, want)
		}
	}
}

func TestBinaryAtAnyDepthBecomesAnAttachment(t *testing.T) {
	hole := func(i int) string { return fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i) }
	b := func(s string) []byte { return []byte(s) }
	one := b("1")
	tests := []struct {
		args []any
		data string
		atts []string
	}{
		{[]any{b("a")}, hole(0), []string{"a"}},
		{[]any{b("")}, hole(0), []string{""}},
		{[]any{1, b("a"), b("b")}, "1," + hole(0) + "," + hole(1), []string{"a", "b"}},
		{[]any{blob("n")}, hole(0), []string{"n"}},
		{[]any{&one}, hole(0), []string{"1"}},
		{[]any{map[string]any{"z": b("z"), "a": []any{b("a")}}}, `{"a":[` + hole(0) + `],"z":` + hole(1) + `}`, []string{"a", "z"}},
		{[]any{map[int][]byte{2: b("two"), 10: b("ten")}}, `{"10":` + hole(0) + `,"2":` + hole(1) + `}`, []string{"ten", "two"}},
		{[]any{[1][]byte{b("x")}}, `[` + hole(0) + `]`, []string{"x"}},
		{[]any{inner{Data: b("in")}}, `{"data":` + hole(0) + `}`, []string{"in"}},
		{[]any{&struct {
			*inner
			X any
		}{&inner{Data: b("p")}, b("q")}}, `{"data":` + hole(0) + `,"X":` + hole(1) + `}`, []string{"p", "q"}},
		{[]any{json.RawMessage(`{"a":1}`), b("r")}, `{"a":1},` + hole(0), []string{"r"}},
	}
	for _, tt := range tests {
		p := marshal(t, "e", tt.args...)
		if want := `["e",` + tt.data + `]`; string(p.Data) != want {
			t.Errorf("got %s, want %s", p.Data, want)
		}
		if got := fmt.Sprintf("%q", p.Attachments); got != fmt.Sprintf("%q", tt.atts) {
			t.Errorf("attachments %s, want %q", got, tt.atts)
		}
	}
}

type selfMap map[string]any

type node struct {
	Next *node
	B    []byte
}

type badUTF8 struct{}

func (badUTF8) MarshalJSON() ([]byte, error) { return []byte("\"\xff\""), nil }

func TestValuesWithoutAnEncodingAreErrors(t *testing.T) {
	cycle := selfMap{}
	cycle["me"] = cycle
	list := []any{nil}
	list[0] = list
	ring := &node{}
	ring.Next = ring
	type plainRing struct{ Next *plainRing }
	std := &plainRing{}
	std.Next = std
	for name, v := range map[string]any{
		"chan": make(chan int), "func": func() {}, "nan": math.NaN(), "inf": math.Inf(1), "nan32": float32(math.NaN()), "complex": 1i,
		"nested chan": []any{make(chan int)}, "field": struct{ A any }{func() {}}, "map": cycle, "slice": list, "ring": ring, "std ring": std,
		"raw": json.RawMessage(`{"a":`), "raw empty": json.RawMessage{}, "raw utf8": json.RawMessage("\"\xff\""), "marshaler utf8": badUTF8{}, "number": json.Number("x"), "any number": []any{json.Number("1x")},
		"key": map[[1]int][]byte{{1}: nil},
	} {
		p, err := parser.JSON.Marshal(nil, "e", "ok", v)
		var arg *parser.ArgumentError
		if !errors.As(err, &arg) || arg.Index != 1 {
			t.Errorf("%s: got %s, %v", name, p.Data, err)
		}
	}
	if _, err := parser.JSON.Marshal(nil, "e", ring); !errors.Is(err, parser.ErrDepth) {
		t.Errorf("got %v, want ErrDepth", err)
	}
}

func TestDataThatForgesAPlaceholderIsNotSentBesideBinary(t *testing.T) {
	forged := map[string]any{"_placeholder": true, "num": 0}
	if _, err := parser.JSON.Marshal(nil, "e", forged, []byte("x")); !errors.Is(err, parser.ErrAttachments) {
		t.Errorf("got %v, want ErrAttachments", err)
	}
	if _, err := parser.JSON.Marshal(nil, "e", json.RawMessage(`{"\u005fplaceholder":true}`), []byte("x")); !errors.Is(err, parser.ErrAttachments) {
		t.Errorf("got %v, want ErrAttachments", err)
	}
	if p := marshal(t, "e", forged); string(p.Data) != `["e",{"_placeholder":true,"num":0}]` || p.Attachments != nil {
		t.Errorf("alone it is plain data, got %s", p.Data)
	}
}

func TestMarshalAppendsBehindWhatIsThere(t *testing.T) {
	dst := append(make([]byte, 0, 64), "head"...)
	p, err := parser.JSON.Marshal(dst, "e", 1)
	if err != nil || string(p.Data) != `["e",1]` || string(dst[:11]) != `head["e",1]` {
		t.Errorf("got %s in %s, %v", p.Data, dst[:11], err)
	}
}

func TestValuesOfConnectPackets(t *testing.T) {
	p, err := parser.JSON.MarshalValue(nil, map[string]string{"sid": "<x>"})
	if err != nil || string(p.Data) != `{"sid":"<x>"}` {
		t.Errorf("got %s, %v", p.Data, err)
	}
	var out struct{ Sid string }
	if err := parser.JSON.UnmarshalValue(p, &out); err != nil || out.Sid != "<x>" {
		t.Errorf("got %+v, %v", out, err)
	}
	if p, err := parser.JSON.MarshalValue(nil, nil); err != nil || len(p.Data) != 0 {
		t.Errorf("nil is no payload, got %s, %v", p.Data, err)
	}
	if err := parser.JSON.UnmarshalValue(parser.Payload{}, &out); err != nil {
		t.Errorf("no payload: %v", err)
	}
	if _, err := parser.JSON.MarshalValue(nil, []byte("x")); !errors.Is(err, parser.ErrAttachments) {
		t.Errorf("got %v, want ErrAttachments", err)
	}
	if err := parser.JSON.UnmarshalValue(parser.Payload{Data: []byte(`{`)}, &out); err == nil {
		t.Error("malformed JSON must be an error")
	}
}

func TestArgumentsAreDecodedToTheirTypes(t *testing.T) {
	p := parser.Payload{Data: []byte(` [ "ev", "s\n", 7, -8, 1.5, true, {"a":[1]}, "plain", null, "é" ] `)}
	var (
		s     = ""
		i     int
		i64   int64
		f     float64
		b     bool
		a     any
		raw   json.RawMessage
		keep  = 5
		plain string
		extra = "as it was"
	)
	if err := parser.JSON.Unmarshal(p, 1, &s, &i, &i64, &f, &b, &a, &raw, &keep, &plain, &extra); err != nil {
		t.Fatal(err)
	}
	got := []any{s, i, i64, f, b, a, string(raw), keep, plain, extra}
	want := []any{"s\n", 7, int64(-8), 1.5, true, map[string]any{"a": []any{1.0}}, `"plain"`, 5, "é", "as it was"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	var last string
	if err := parser.JSON.Unmarshal(p, 8, nil, &last); err != nil || last != "é" {
		t.Errorf("nil passes over an element: got %q, %v", last, err)
	}
	if err := parser.JSON.Unmarshal(p, 99, &last); err != nil {
		t.Error(err)
	}
}

func TestAMismatchNamesTheArgument(t *testing.T) {
	var i int
	var s string
	err := parser.JSON.Unmarshal(parser.Payload{Data: []byte(`["ev",1,2]`)}, 1, &i, &s)
	var arg *parser.ArgumentError
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &arg) || arg.Index != 1 || !errors.As(err, &mismatch) || !strings.HasPrefix(err.Error(), "parser: argument 2: ") {
		t.Errorf("got %v", err)
	}
	for _, in := range []string{`[1,`, `[1 2]`, `{}`, `[1,]`, ``} {
		var x, y int
		if err := parser.JSON.Unmarshal(parser.Payload{Data: []byte(in)}, 0, &x, &y); !errors.Is(err, parser.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", in, err)
		}
	}
	for _, target := range []any{(*int)(nil), (*string)(nil), (*any)(nil), (*bool)(nil), (*float64)(nil), (*int64)(nil), (*json.RawMessage)(nil), 5} {
		for _, in := range []string{`[1]`, `["1"]`, `[true]`} {
			if err := parser.JSON.Unmarshal(parser.Payload{Data: []byte(in)}, 0, target); err == nil {
				t.Errorf("%T: no error", target)
			}
		}
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	if p := marshal(t, "\xff", "a\xc3"); string(p.Data) != "[\"\uFFFD\",\"a\uFFFD\"]" {
		t.Errorf("got %q", p.Data)
	}
}
