package parser_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/parser"
)

func withAttachments(data string) parser.Payload {
	return parser.Payload{Data: []byte(data), Attachments: [][]byte{[]byte("zero"), []byte("one"), {}}}
}

// hole is the placeholder of attachment i.
func hole(i int) string { return fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i) }

// decodeOne decodes the only argument of an event with attachments to a T.
func decodeOne[T any](t *testing.T, arg string) (T, error) {
	t.Helper()
	var out T
	err := parser.JSON.Unmarshal(withAttachments(`["e",`+arg+`]`), 1, &out)
	return out, err
}

func expectOne[T any](t *testing.T, arg string, want T) {
	t.Helper()
	got, err := decodeOne[T](t, arg)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, %v, want %#v", arg, got, err, want)
	}
}

type Promoted struct{ P []byte }

type promoted struct{ Q blob }

type rich struct {
	Promoted
	promoted
	A    any
	B    []byte
	N    blob
	L    [][]byte
	M    map[string][]byte
	S    map[string]rich
	Ptr  *[]byte
	R    json.RawMessage
	Arr  [2]any
	Ints []int
	Str  []string
	Text string
}

// own decodes itself, as a type with a second form of the same fields does.
type own struct{ B []byte }

func (o *own) UnmarshalJSON(b []byte) error {
	type fields own
	return json.Unmarshal(b, (*fields)(o))
}

func TestBinaryArrivesAsBytes(t *testing.T) {
	zero, one := []byte("zero"), []byte("one")
	expectOne(t, hole(0), zero)
	expectOne(t, hole(1), blob("one"))
	expectOne(t, hole(2), []byte{})
	expectOne(t, hole(1), any(one))
	expectOne(t, hole(1), &one)
	expectOne(t, `{ "num" : 1 , "x":[{}], "_placeholder" : true }`, one)
	expectOne(t, `{"a":`+hole(0)+`,"b":[1,`+hole(1)+`,"s",null]}`, any(map[string]any{"a": zero, "b": []any{1.0, one, "s", nil}}))
	expectOne(t, `{"_placeholder":true,"num":0,"x":`+hole(1)+`}`, any(zero))
	expectOne(t, `[`+hole(1)+`,`+hole(1)+`]`, [][]byte{one, one})
	expectOne(t, `[`+hole(1)+`,`+hole(0)+`]`, [2]any{one, zero})
	expectOne(t, `{"B":`+hole(0)+`}`, own{zero})
	expectOne(t, `{"a":[`+hole(0)+`]}`, map[string][]any{"a": {zero}})
	expectOne(t, `"text"`, "text")
	expectOne(t, `[1,2]`, []int{1, 2})
	all := `{"P":` + hole(0) + `,"Q":` + hole(1) + `,"A":{"x":` + hole(0) + `},"B":` + hole(1) + `,"N":` + hole(0) + `,"L":[null,` + hole(1) + `],"M":{"k":` + hole(0) +
		`},"S":{"s":{"B":` + hole(1) + `,"A":"a"}},"Ptr":` + hole(0) + `,"R":[1,` + hole(1) + `,"` + strings.Repeat("y", 30) + `",` + hole(0) + `],"Arr":[` + hole(0) + `,2],"Ints":[1],"Str":["x"],"Text":"t"}`
	expectOne(t, all, rich{
		Promoted: Promoted{zero}, promoted: promoted{blob("one")}, A: map[string]any{"x": zero}, B: one, N: blob("zero"), L: [][]byte{nil, one}, M: map[string][]byte{"k": zero},
		S: map[string]rich{"s": {B: one, A: "a"}}, Ptr: &zero, R: json.RawMessage(`[1,` + hole(1) + `,"` + strings.Repeat("y", 30) + `",` + hole(0) + `]`),
		Arr: [2]any{zero, 2.0}, Ints: []int{1}, Str: []string{"x"}, Text: "t",
	})
}

func TestRawMessageKeepsPlaceholders(t *testing.T) {
	expectOne(t, hole(1), json.RawMessage(hole(1)))
	expectOne(t, `[`+hole(1)+`]`, []json.RawMessage{json.RawMessage(hole(1))})
	expectOne(t, `{"a":`+hole(0)+`}`, map[string]json.RawMessage{"a": json.RawMessage(hole(0))})
}

func TestBinaryIsNoText(t *testing.T) {
	check := func(err error) {
		t.Helper()
		if m, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok || m.Value != "binary" {
			t.Errorf("got %v", err)
		}
	}
	_, err := decodeOne[string](t, hole(0))
	check(err)
	_, err = decodeOne[[]string](t, `["a",`+hole(0)+`]`)
	check(err)
	_, err = decodeOne[map[string]string](t, `{"a":`+hole(0)+`}`)
	check(err)
	_, err = decodeOne[int](t, hole(0))
	check(err)
	_, err = decodeOne[rich](t, `{"Ints":[`+hole(0)+`]}`)
	check(err)
	if _, err := decodeOne[[]int](t, `["x",`+hole(0)+`]`); err == nil || strings.Contains(err.Error(), "binary") {
		t.Errorf("a string is not binary: %v", err)
	}
}

func TestPlaceholdersOfOtherPayloadsAreChecked(t *testing.T) {
	for _, in := range []string{hole(3), `{"_placeholder":true}`, `[[` + hole(-1) + `]]`, `{"_placeholder":true,"num":1.5}`} {
		if got, err := decodeOne[any](t, in); !errors.Is(err, parser.ErrAttachments) {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
	var out any
	if err := parser.JSON.Unmarshal(parser.Payload{Data: []byte(`[` + hole(0) + `]`)}, 0, &out); err != nil || !reflect.DeepEqual(out, map[string]any{"_placeholder": true, "num": 0.0}) {
		t.Errorf("without attachments it is plain data: got %v, %v", out, err)
	}
}

func TestDecodingIntoACycleEnds(t *testing.T) {
	ring := &node{}
	ring.Next = ring
	if err := parser.JSON.Unmarshal(withAttachments(`[{"B":`+hole(1)+`}]`), 0, ring); err != nil || string(ring.B) != "one" || ring.Next != ring {
		t.Errorf("got %q, %v", ring.B, err)
	}
}

func TestValuesSurviveTheRoundTrip(t *testing.T) {
	sent := rich{A: map[string]any{"b": []byte("x"), "l": []any{[]byte{}, "s", 1.5, nil}}, B: []byte("b"), M: map[string][]byte{"m": []byte("m")}, S: map[string]rich{}, Arr: [2]any{[]byte("arr"), true}, R: json.RawMessage("1")}
	p := marshal(t, "e", sent, []byte("last"))
	d := parser.JSON.NewDecoder(parser.Limits{})
	var got parser.Packet
	done, err := d.Decode(&got, false, parser.JSON.AppendHeader(nil, &parser.Packet{Type: parser.Event, Namespace: "/", ID: -1, Payload: p}))
	for _, a := range p.Attachments {
		if done || err != nil {
			t.Fatal(done, err)
		}
		done, err = d.Decode(&got, true, a)
	}
	if !done || err != nil {
		t.Fatal(done, err)
	}
	var out rich
	var last []byte
	if err := parser.JSON.Unmarshal(got.Payload, 1, &out, &last); err != nil || string(last) != "last" || !reflect.DeepEqual(out, sent) {
		t.Errorf("got  %#v, %q, %v\nsent %#v", out, last, err, sent)
	}
}
