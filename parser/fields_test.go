package parser_test

import (
	"fmt"
	"testing"
	"time"
)

// Each struct here has a field of type any, so that it is not left to encoding/json.

type Deep struct{ D, Same, Clash any }

type Left struct {
	Deep
	Clash, Same any
	Tie         int
}

type Right struct {
	Clash int `json:"Clash"`
	Tie   int
}

type conflicts struct {
	*Left
	Right
	Same int
	X    any
}

type again struct {
	Left
	Also
	X any
}

type Also struct{ Deep }

type recursive struct {
	*recursive
	Any any
}

type zeroWhenSeven int

func (z zeroWhenSeven) IsZero() bool { return z == 7 }

type zeroByPointer struct{ N int }

func (z *zeroByPointer) IsZero() bool { return z.N == 7 }

type optional struct {
	I   int             `json:",omitempty"`
	U   uint8           `json:",omitempty"`
	F   float64         `json:",omitempty"`
	B   bool            `json:",omitempty"`
	S   string          `json:",omitempty"`
	P   *int            `json:",omitempty"`
	A   any             `json:",omitempty"`
	L   []any           `json:",omitempty"`
	M   map[string]any  `json:",omitempty"`
	E   [0]any          `json:",omitempty"`
	T   time.Time       `json:",omitempty"`
	ZI  int             `json:",omitzero"`
	ZT  time.Time       `json:",omitzero"`
	ZS  zeroWhenSeven   `json:",omitzero"`
	ZP  zeroByPointer   `json:",omitzero"`
	ZQ  *zeroByPointer  `json:",omitzero"`
	ZW  *zeroWhenSeven  `json:",omitzero"`
	ZA  fmt.Stringer    `json:",omitzero"`
	ZSt struct{ X any } `json:",omitzero"`
}

type quotedFields struct {
	X any
	I *int          `json:",string"`
	S string        `json:"s,string"`
	F float32       `json:",string"`
	D time.Duration `json:",string"`
	T *time.Time    `json:",string"`
	L []int         `json:",string"`
	N textNumber    `json:",string"`
}

// textNumber is a number that writes itself as text.
type textNumber int

func (n textNumber) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "<n%d>", int(n)), nil }

type odd struct {
	X       any
	Bad     int `json:"a\"b"`
	Quote   int `json:"a'b"`
	Comma   int `json:"c,d"`
	Unicode int `json:"ключ"`
	Punct   int `json:"a<b&c/$%-d"`
	Dash    any `json:"-,"`
	Empty   int `json:","`
}

func TestFieldsAreChosenAsByEncodingJSON(t *testing.T) {
	one, seven, when := 1, zeroWhenSeven(7), time.Unix(1, 0).UTC()
	for _, v := range []any{
		conflicts{},
		conflicts{Left: &Left{Clash: 1, Same: 2, Tie: 3, Deep: Deep{D: "d", Same: 4}}, Right: Right{5, 6}, Same: 7},
		again{},
		recursive{},
		recursive{recursive: &recursive{Any: 1}, Any: 2},
		optional{},
		&optional{},
		optional{ZS: 7, ZP: zeroByPointer{7}},
		&optional{ZS: 7, ZP: zeroByPointer{7}, ZQ: &zeroByPointer{7}, ZW: &seven},
		[]any{optional{ZP: zeroByPointer{7}}},
		&optional{I: 1, U: 1, F: 1, B: true, S: "s", P: &one, A: 0, L: []any{1}, M: map[string]any{"a": 1}, T: when, ZI: 1, ZT: when, ZQ: &zeroByPointer{1}, ZA: time.Second},
		quotedFields{},
		quotedFields{I: &one, S: "a\"<", F: 1e-9, D: 5, T: &when, L: []int{1}, N: 3},
		odd{},
		map[textNumber]any{2: 1, 10: nil},
		map[*textNumber]any{nil: 1},
		map[uint8]any{3: 1},
		map[int64]any{-3: 1, 4: 1},
		map[zeroWhenSeven]any{5: 1},
		[]any{map[string][]any{"a": {1}}, map[string]any(nil)},
		struct{ M map[string]any }{},
		struct{ N map[string]fmt.Stringer }{},
		[1]any{},
		[][]any{nil, {}},
	} {
		want := withoutBinary(t, v)
		if got := marshal(t, "", v); string(got.Data) != "["+want+"]" {
			t.Errorf("%T:\n got %s\nwant [%s]", v, got.Data, want)
		}
	}
}
