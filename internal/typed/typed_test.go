package typed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/internal/typed"
	"github.com/roomwire/roomwire/parser"
)

type message struct {
	Room string `json:"room"`
	Text string `json:"text"`
}

type move struct {
	event.Args
	X, Y int
	note string
	Who  *message
}

type late struct {
	Name string
	event.Args
	Data []byte
}

type words struct {
	event.Args
	First string
	More  []string `sio:"rest"`
}

type list []list

func decode[T any](t *testing.T, event string) (T, error) {
	t.Helper()
	return typed.PlanFor[T]().Decode(parser.JSON, parser.Payload{Data: []byte(event), Attachments: [][]byte{[]byte("bin")}}, 1)
}

func expect[T any](t *testing.T, event string, want T) {
	t.Helper()
	got, err := decode[T](t, event)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, %v, want %#v", event, got, err, want)
	}
}

func TestArgumentsAreLaidOverTheType(t *testing.T) {
	expect(t, `["e","x"]`, "x")
	expect(t, `["e"]`, "")
	expect(t, `["e",null]`, 0)
	expect(t, `["e",1,2]`, 1)
	expect(t, `["e",{"room":"a","text":"b"},"extra"]`, message{"a", "b"})
	expect(t, `["e",{"room":"a"}]`, &message{Room: "a"})
	expect(t, `["e"]`, (*message)(nil))
	expect(t, `["e",[1,"x"]]`, []any{1.0, "x"})
	expect(t, `["e",[1,"x"]]`, []json.RawMessage{json.RawMessage("1"), json.RawMessage(`"x"`)})
	expect(t, `["e",{"room":1}]`, struct{}{})
	expect(t, `["e","x"]`, any("x"))
	expect(t, `["e",{"_placeholder":true,"num":0}]`, []byte("bin"))
	expect(t, `["e",[[],[[]]]]`, list{{}, {{}}})

	expect(t, `["e",1,2,{"room":"a"}]`, move{X: 1, Y: 2, Who: &message{Room: "a"}})
	expect(t, `["e",1]`, move{X: 1})
	expect(t, `["e"]`, move{})
	expect(t, `["e",1,2,null,4,5]`, move{X: 1, Y: 2})
	expect(t, `["e",1,2]`, &move{X: 1, Y: 2})
	expect(t, `["e","n",{"_placeholder":true,"num":0}]`, late{Name: "n", Data: []byte("bin")})

	expect(t, `["e","a","b","c"]`, words{First: "a", More: []string{"b", "c"}})
	expect(t, `["e","a"]`, words{First: "a"})
	expect(t, `["e"]`, words{})
}

func TestErrorsTellThePeerWhatToSend(t *testing.T) {
	fails := func(err error, arg int, typ reflect.Type, text string) {
		t.Helper()
		e, ok := errors.AsType[*typed.Error](err)
		if !ok || e.Arg != arg || e.Type != typ || e.Error() != text {
			t.Errorf("got %v (%+v), want %s of %v", err, e, text, typ)
		}
	}
	_, err := decode[int](t, `["e","x"]`)
	fails(err, 1, reflect.TypeFor[int](), "argument 1: want number, got string")
	_, err = decode[uint8](t, `["e",300]`)
	fails(err, 1, reflect.TypeFor[uint8](), "argument 1: number 300 does not fit")
	_, err = decode[move](t, `["e",1,true]`)
	fails(err, 2, reflect.TypeFor[int](), "argument 2: want number, got boolean")
	_, err = decode[words](t, `["e","a","b",[3]]`)
	fails(err, 3, reflect.TypeFor[string](), "argument 3: want string, got array")
	_, err = decode[message](t, `["e",{"text":{}}]`)
	fails(err, 1, reflect.TypeFor[message](), `argument 1: field "text": want string, got object`)
	_, err = decode[message](t, `["e",7]`)
	fails(err, 1, reflect.TypeFor[message](), `argument 1: want object, got number`)
	_, err = decode[string](t, `["e",{"_placeholder":true,"num":0}]`)
	fails(err, 1, reflect.TypeFor[string](), `argument 1: want string, got binary`)
	_, err = decode[[]int](t, `["e",[1,{"_placeholder":true,"num":0}]]`)
	fails(err, 1, reflect.TypeFor[[]int](), `argument 1: want number, got binary`)
	_, err = decode[time.Time](t, `["e","yesterday"]`)
	fails(err, 1, reflect.TypeFor[time.Time](), `argument 1: invalid value`)
	_, err = decode[[]byte](t, `["e","?"]`)
	fails(err, 1, reflect.TypeFor[[]byte](), `argument 1: invalid value`)

	if _, err = decode[int](t, `["e",`); !errors.Is(err, parser.ErrInvalid) {
		t.Errorf("malformed JSON: %v", err)
	}
	if got, err := decode[move](t, `["e",1,"x"]`); err == nil || got != (move{}) {
		t.Errorf("a failed decode returns the zero value, got %+v, %v", got, err)
	}
}

func TestPlansOfUndecodableTypesPanic(t *testing.T) {
	type follows struct {
		event.Args
		A []int `sio:"rest"`
		B int
	}
	type noSlice struct {
		event.Args
		A int `sio:"rest"`
	}
	type unknown struct {
		event.Args
		A int `sio:"first"`
	}
	type channel struct {
		event.Args
		A chan int
	}
	type restOfFuncs struct {
		event.Args
		A []func() `sio:"rest"`
	}
	for name, plan := range map[string]func(){
		"chan int": func() { typed.PlanFor[chan int]() }, "func()": func() { typed.PlanFor[func()]() }, "complex128": func() { typed.PlanFor[complex128]() },
		"error": func() { typed.PlanFor[error]() }, "io.Reader": func() { typed.PlanFor[[]*io.Reader]() }, "map[string]func()": func() { typed.PlanFor[map[string]func()]() },
		"map[[2]int]string": func() { typed.PlanFor[map[[2]int]string]() }, `field A of type int cannot be tagged sio:"rest"`: func() { typed.PlanFor[noSlice]() },
		"no field can follow A": func() { typed.PlanFor[follows]() }, `sio:"first"`: func() { typed.PlanFor[*unknown]() }, "typed_test.channel": func() { typed.PlanFor[channel]() }, "restOfFuncs": func() { typed.PlanFor[restOfFuncs]() },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, name) || !strings.HasPrefix(got, "typed: ") {
					t.Errorf("panic %q does not name %s", got, name)
				}
			}()
			plan()
		})
	}
}

func TestPlansOfAllDecodableTypesAreMade(t *testing.T) {
	typed.PlanFor[time.Time]()
	typed.PlanFor[map[int]any]()
	typed.PlanFor[map[string][]*message]()
	typed.PlanFor[list]()
	type a []map[string]a
	typed.PlanFor[a]()
	if first, second := typed.PlanFor[string](), typed.PlanFor[string](); first != second {
		t.Error("a plan is made once")
	}
}

func TestValuesAreLaidOutAsArguments(t *testing.T) {
	pos := move{X: 1, Y: 2, note: "private"}
	for _, tt := range []struct {
		v    any
		want []any
	}{
		{nil, []any{nil}},
		{"x", []any{"x"}},
		{1, []any{1}},
		{[]byte("b"), []any{[]byte("b")}},
		{message{}, []any{message{}}},
		{&message{}, []any{&message{}}},
		{[]any{1, 2}, []any{[]any{1, 2}}},
		{struct{}{}, nil},
		{pos, []any{1, 2, (*message)(nil)}},
		{&pos, []any{1, 2, (*message)(nil)}},
		{(*move)(nil), nil},
		{words{First: "a", More: []string{"b", "c"}}, []any{"a", "b", "c"}},
		{words{}, []any{""}},
	} {
		if got := typed.Args(tt.v); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Args(%#v) = %#v, want %#v", tt.v, got, tt.want)
		}
		want := append(append([]any{"before"}, tt.want...), append(tt.want, "after")...)
		if got := typed.Expand([]any{"before", tt.v, tt.v, "after"}); !reflect.DeepEqual(got, want) {
			t.Errorf("Expand of %#v = %#v, want %#v", tt.v, got, want)
		}
	}
}

func TestAWronglyTaggedStructCannotBeSent(t *testing.T) {
	type wrong struct {
		event.Args
		A int `sio:"rest"`
	}
	_, err := parser.JSON.Marshal(nil, "e", typed.Args(wrong{})...)
	if err == nil || !strings.Contains(err.Error(), "cannot be tagged") {
		t.Errorf("got %v", err)
	}
}

func TestExpandingOrdinaryArgumentsAllocatesNothing(t *testing.T) {
	args := []any{"a", 1, true, map[string]any{}, message{}, &message{}, []int{1}}
	if n := testing.AllocsPerRun(100, func() { args = typed.Expand(args) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// recorder is what an event is sent to.
type recorder struct{ args []any }

func (r *recorder) Emit(_ context.Context, _ string, args ...any) error {
	r.args = typed.Expand(args)
	return nil
}

func TestWhatOneSideSendsTheOtherReceives(t *testing.T) {
	const moved event.Of[move] = "moved"
	sent := move{X: 3, Y: 4, Who: &message{Room: "r"}}
	var r recorder
	if err := moved.Emit(t.Context(), &r, sent); err != nil {
		t.Fatal(err)
	}
	p, err := parser.JSON.Marshal(nil, string(moved), r.args...)
	if err != nil || string(p.Data) != `["moved",3,4,{"room":"r","text":""}]` {
		t.Fatalf("got %s, %v", p.Data, err)
	}
	got, err := typed.PlanFor[move]().Decode(parser.JSON, p, 1)
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func BenchmarkDecodeString(b *testing.B) {
	p := parser.Payload{Data: []byte(`["chat message","hello"]`)}
	plan := typed.PlanFor[string]()
	b.ReportAllocs()
	for b.Loop() {
		plan.Decode(parser.JSON, p, 1)
	}
}

func BenchmarkDecodePositional(b *testing.B) {
	p := parser.Payload{Data: []byte(`["moved",1,2]`)}
	plan := typed.PlanFor[move]()
	b.ReportAllocs()
	for b.Loop() {
		plan.Decode(parser.JSON, p, 1)
	}
}

func BenchmarkExpand(b *testing.B) {
	args := []any{"hello", message{}}
	b.ReportAllocs()
	for b.Loop() {
		typed.Expand(args)
	}
}
