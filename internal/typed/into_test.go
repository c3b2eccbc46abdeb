package typed_test

import (
	"reflect"
	"testing"

	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/internal/typed"
	"github.com/roomwire/roomwire/parser"
)

func TestIntoFillsWhatThePointerPointsTo(t *testing.T) {
	type pair struct {
		event.Args
		A int
		B string
	}
	type tail struct {
		event.Args
		A    int
		Rest []string `sio:"rest"`
	}
	p := parser.Payload{Data: []byte(`[1,"x","y"]`)}
	for _, c := range []struct{ out, want any }{
		{new(int), 1},
		{new(pair), pair{A: 1, B: "x"}},
		{new(tail), tail{A: 1, Rest: []string{"x", "y"}}},
		{new(struct{}), struct{}{}},
		{new(any), any(float64(1))},
	} {
		if err := typed.Into(parser.JSON, p, c.out); err != nil {
			t.Errorf("%T: %v", c.out, err)
		}
		if got := reflect.ValueOf(c.out).Elem().Interface(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("got %#v, want %#v", got, c.want)
		}
	}
}
