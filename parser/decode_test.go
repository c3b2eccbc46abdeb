package parser_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/parser"
)

// decodeText decodes one text message with a new decoder.
func decodeText(s string, l parser.Limits) (parser.Packet, bool, error) {
	var p parser.Packet
	done, err := parser.JSON.NewDecoder(l).Decode(&p, false, []byte(s))
	return p, done, err
}

func TestLegalPacketsAreDecoded(t *testing.T) {
	tests := map[string]parser.Packet{
		`0`:                                      {Type: parser.Connect, Namespace: "/", ID: -1},
		`0{"token":"123"}`:                       {Type: parser.Connect, Namespace: "/", ID: -1, Payload: data(`{"token":"123"}`)},
		`0/custom`:                               {Type: parser.Connect, Namespace: "/custom", ID: -1},
		`0/custom,`:                              {Type: parser.Connect, Namespace: "/custom", ID: -1},
		`0/admin?token=1,`:                       {Type: parser.Connect, Namespace: "/admin?token=1", ID: -1},
		`0/admin,{"a":1}`:                        {Type: parser.Connect, Namespace: "/admin", ID: -1, Payload: data(`{"a":1}`)},
		`0/,{"a":1}`:                             {Type: parser.Connect, Namespace: "/", ID: -1, Payload: data(`{"a":1}`)},
		`1`:                                      {Type: parser.Disconnect, Namespace: "/", ID: -1},
		`1/admin,`:                               {Type: parser.Disconnect, Namespace: "/admin", ID: -1},
		`1/admin`:                                {Type: parser.Disconnect, Namespace: "/admin", ID: -1},
		`2["ev",1]`:                              {Type: parser.Event, Namespace: "/", ID: -1, Payload: data(`["ev",1]`)},
		`2 ["ev", 1] `:                           {Type: parser.Event, Namespace: "/", ID: -1, Payload: data(`["ev", 1]`)},
		`212["ev",1]`:                            {Type: parser.Event, Namespace: "/", ID: 12, Payload: data(`["ev",1]`)},
		`2/a,0["ev",{"x":"]"}]`:                  {Type: parser.Event, Namespace: "/a", ID: 0, Payload: data(`["ev",{"x":"]"}]`)},
		`2[7]`:                                   {Type: parser.Event, Namespace: "/", ID: -1, Payload: data(`[7]`)},
		`2["error"]`:                             {Type: parser.Event, Namespace: "/", ID: -1, Payload: data(`["error"]`)},
		`2["connected"]`:                         {Type: parser.Event, Namespace: "/", ID: -1, Payload: data(`["connected"]`)},
		`2["e",{"__proto__":1,"constructor":2}]`: {Type: parser.Event, Namespace: "/", ID: -1, Payload: data(`["e",{"__proto__":1,"constructor":2}]`)},
		`2["e",{"_placeholder":true,"num":"splice"}]`: {Type: parser.Event, Namespace: "/", ID: -1, Payload: data(`["e",{"_placeholder":true,"num":"splice"}]`)},
		`39223372036854775807[]`:                      {Type: parser.Ack, Namespace: "/", ID: 9223372036854775807, Payload: data(`[]`)},
		`31["x"]`:                                     {Type: parser.Ack, Namespace: "/", ID: 1, Payload: data(`["x"]`)},
		`4{"message":"no"}`:                           {Type: parser.ConnectError, Namespace: "/", ID: -1, Payload: data(`{"message":"no"}`)},
		`4/a,"no"`:                                    {Type: parser.ConnectError, Namespace: "/a", ID: -1, Payload: data(`"no"`)},
	}
	for in, want := range tests {
		p, done, err := decodeText(in, parser.Limits{})
		if err != nil || !done {
			t.Errorf("%s: done %v, %v", in, done, err)
			continue
		}
		if p.Type != want.Type || p.Namespace != want.Namespace || p.ID != want.ID || !bytes.Equal(p.Payload.Data, want.Payload.Data) || p.Payload.Attachments != nil {
			t.Errorf("%s: got %+v (%s)", in, p, p.Payload.Data)
		}
	}
}

func data(s string) parser.Payload { return parser.Payload{Data: []byte(s)} }

func TestIllegalPacketsAreErrors(t *testing.T) {
	deep := strings.Repeat("[", 10000) + strings.Repeat("]", 10000)
	for want, inputs := range map[error][]string{
		parser.ErrInvalid: {
			"", "z", "7", "9", "b", "-", "\x00", "2", "3", "4", "21", "2/a", "2/a,", "3/a,1",
			`2{}`, `2[]`, `2[null]`, `2abc`, `2[`, `2[{"toString":"foo"}]`, `2[["a"]]`, `2[true,"a"]`, `2null`, `2"x"`, `2[-]`, `2[ ]`,
			`21x["e"]`, `2-1["e"]`, `2+1["e"]`, `21.5["e"]`, `29223372036854775808["e"]`, `299999999999999999999["e"]`,
			`2["e"]x`, `2["e"],`, `2["e",]`, `2["e" 1]`, `2["e"`, `2["e`, `2["e",01]`, `2["e",1.]`, `2["e",tru]`, `2["e",nul`, `2["e",.5]`, `2["e",+1]`, `2["e",1e]`,
			"2[\"e\x01\"]", "2[\"e\n\"]", `2["\x"]`, `2["\u12"]`, `2["\u12g4"]`, `2["\`, `2["e",{a:1}]`, `2["e",{"a"}]`, `2["e",{"a":}]`, `2["e",{"a":1,}]`, `2["e",{"a":1]]`, `2["e",[1}]`, `2["e",{,}]`,
			`0null`, `0[]`, `0"x"`, `0{`, `0{"a":1}x`, `0true`, `1{}`, `1"x"`, `1/a,[]`, `3{}`, `3null`, `3"x"`, `4`, `4[]`, `4null`, `45`, "2 ",
		},
		parser.ErrReserved: {
			`2["connect"]`, `2["connect_error"]`, `2["disconnect"]`, `2["disconnecting"]`, `2["newListener"]`, `2["removeListener"]`,
			`2["c\u006fnnect",1]`, `2[ "\u0072\u0065\u006d\u006f\u0076\u0065\u004c\u0069\u0073\u0074\u0065\u006e\u0065\u0072"]`, `51-["connect",{"_placeholder":true,"num":0}]`,
		},
		parser.ErrAttachments: {
			`50-["x"]`, `60-["x"]`, `511-["x"]`, `5999999999999999999999999-["x"]`, `51.5-["x"]`, `5a-["x"]`, `5-["x"]`, `51["x"]`, `5`, `51`, `5 1-["x"]`, `5-1-["x"]`, `51e0-["x"]`, `5["x"]`,
			`51-["e",{"_placeholder":true,"num":"splice"}]`, `51-["e",{"_placeholder":true,"num":10}]`, `51-["e",{"_placeholder":true,"num":1}]`, `51-["e",{"_placeholder":true,"num":-1}]`,
			`51-["e",{"_placeholder":true,"num":1.5}]`, `51-["e",{"_placeholder":true,"num":null}]`, `51-["e",{"_placeholder":true}]`, `51-["e",{"_placeholder":true,"num":[0]}]`, `51-["e",{"_placeholder":true,"num":{"num":0}}]`,
			`51-["e",{"num":0,"_placeholder":true,"num":"x"}]`, `51-["e",{"_placeholder":false,"_placeholder":true}]`, `51-["e",{"\u005fplaceholder":true,"num":5}]`, `51-["e",{"x":{"_placeholder" : true , "n\u0075m":5}}]`,
			`51-["e",{"_placeholder":true,"num":99999999999999999999}]`, `51-["e",[[{"_placeholder":true,"num":0}],{"_placeholder":true,"num":2}]]`,
		},
		parser.ErrDepth: {`2["e",` + deep + `]`, `0{"a":` + deep + `}`, `2["e",` + deep},
	} {
		for _, in := range inputs {
			if p, done, err := decodeText(in, parser.Limits{}); !errors.Is(err, want) || done {
				t.Errorf("%.60s: got %+v, %v, %v; want %v", in, p, done, err, want)
			}
		}
	}
}

func TestDepthIsBoundedByTheLimit(t *testing.T) {
	nested := func(n int) string { return `2["e",` + strings.Repeat(`[`, n-1) + strings.Repeat(`]`, n-1) + `]` }
	for _, limit := range []int{1, 2, 63, 64, 65, 512, 513, 2000} {
		l := parser.Limits{MaxDepth: limit}
		if limit > 1 {
			if _, _, err := decodeText(nested(limit), l); err != nil {
				t.Errorf("depth %d: %v", limit, err)
			}
		}
		if _, _, err := decodeText(nested(limit+1), l); !errors.Is(err, parser.ErrDepth) {
			t.Errorf("depth %d + 1: %v", limit, err)
		}
	}
	objects := `2["e",` + strings.Repeat(`{"a":`, 511) + "1" + strings.Repeat(`}`, 511) + `]`
	if _, _, err := decodeText(objects, parser.Limits{}); err != nil {
		t.Error(err)
	}
	mixed := `2["e",` + strings.Repeat(`[{"a":`, 255) + "1" + strings.Repeat(`}]`, 255) + `]`
	if _, _, err := decodeText(mixed, parser.Limits{}); err != nil {
		t.Error(err)
	}
	if _, _, err := decodeText(strings.Replace(mixed, "}]", "]}", 1), parser.Limits{}); !errors.Is(err, parser.ErrInvalid) {
		t.Errorf("crossed brackets: %v", err)
	}
}

func TestAttachmentsArriveInOrder(t *testing.T) {
	d := parser.JSON.NewDecoder(parser.Limits{})
	header := []byte(`52-/a,7["e",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`)
	first, second := []byte("first"), []byte("second")
	var p parser.Packet
	for i, step := range []struct {
		binary bool
		data   []byte
		done   bool
	}{{false, header, false}, {true, first, false}, {true, second, true}} {
		done, err := d.Decode(&p, step.binary, step.data)
		if err != nil || done != step.done || p.Type != parser.Event || p.Namespace != "/a" || p.ID != 7 {
			t.Fatalf("step %d: %+v, %v, %v", i, p, done, err)
		}
		if !step.done {
			clear(step.data) // it is only lent
			if p.Payload.Data != nil || p.Payload.Attachments != nil {
				t.Errorf("step %d: an incomplete packet has a payload", i)
			}
		}
	}
	if got := fmt.Sprintf("%s %s", p.Payload.Data, p.Payload.Attachments); got != `["e",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}] [first second]` {
		t.Errorf("got %s", got)
	}
	if done, err := d.Decode(&p, false, []byte(`2["next"]`)); !done || err != nil || p.Namespace != "/" || p.Payload.Attachments != nil {
		t.Errorf("the next packet: %+v, %v", p, err)
	}
}

func TestMessagesOfTheWrongKindAreErrors(t *testing.T) {
	var p parser.Packet
	d := parser.JSON.NewDecoder(parser.Limits{})
	if _, err := d.Decode(&p, true, []byte("x")); !errors.Is(err, parser.ErrInvalid) {
		t.Errorf("binary without a header: %v", err)
	}
	header := []byte(`51-["e",{"_placeholder":true,"num":0}]`)
	if done, err := d.Decode(&p, false, header); done || err != nil {
		t.Fatal(done, err)
	}
	if _, err := d.Decode(&p, false, []byte(`2["e"]`)); !errors.Is(err, parser.ErrInvalid) {
		t.Errorf("text while attachments are missing: %v", err)
	}
	if _, err := d.Decode(&p, false, header); err != nil {
		t.Fatal(err)
	}
	d.Reset()
	if _, err := d.Decode(&p, true, []byte("x")); !errors.Is(err, parser.ErrInvalid) {
		t.Errorf("binary after Reset: %v", err)
	}
}

func TestAttachmentsAreBoundedTogether(t *testing.T) {
	d := parser.JSON.NewDecoder(parser.Limits{MaxAttachments: 3, MaxAttachmentBytes: 10})
	var p parser.Packet
	if _, err := d.Decode(&p, false, []byte(`54-["e"]`)); !errors.Is(err, parser.ErrAttachments) {
		t.Errorf("one too many: %v", err)
	}
	for _, sizes := range [][]int{{11}, {5, 6}, {10, 0, 1}} {
		d.Reset()
		if _, err := d.Decode(&p, false, []byte(`53-["e",{"_placeholder":true,"num":2}]`)); err != nil {
			t.Fatal(err)
		}
		for i, n := range sizes {
			_, err := d.Decode(&p, true, make([]byte, n))
			if last := i == len(sizes)-1; last != errors.Is(err, parser.ErrTooLarge) {
				t.Errorf("%v at %d: %v", sizes, i, err)
			}
		}
	}
	d.Reset()
	d.Decode(&p, false, []byte(`52-["e"]`))
	d.Decode(&p, true, make([]byte, 5))
	if done, err := d.Decode(&p, true, make([]byte, 5)); !done || err != nil {
		t.Errorf("exactly the limit: %v, %v", done, err)
	}
	d.Decode(&p, false, []byte(`51-["e"]`))
	if done, err := d.Decode(&p, true, make([]byte, 10)); !done || err != nil {
		t.Errorf("the next packet counts anew: %v, %v", done, err)
	}
}

func TestNestedAndRepeatedPlaceholdersAreLegal(t *testing.T) {
	for _, in := range []string{
		`51-["e",{"_placeholder":true,"num":0},{"num":0,"_placeholder":true}]`,
		`51-["e",{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":0}}]`,
		`51-["e",{"_placeholder":false,"num":9},{"_placeholder":"true"},{"_placeholder":1},{"num":9},{"x":true,"num":9},{"_placeholder":[true]},["_placeholder",true]]`,
		`51-["e",{"_placeholder":true,"_placeholder":null},{"a":"_placeholder","b":true}]`,
		`51-["e"]`,
	} {
		if p, done, err := decodeText(in, parser.Limits{}); done || err != nil {
			t.Errorf("%s: %+v, %v, %v", in, p, done, err)
		}
	}
}

func TestTextIsDecodedWithoutAllocating(t *testing.T) {
	d := parser.JSON.NewDecoder(parser.Limits{})
	var p parser.Packet
	for _, in := range []string{
		`0{"token":"x"}`, `2["chat message",{"room":"lobby","text":"hello there"}]`, `2/chat,12["chat message","hello"]`, `37["ok"]`, `1/chat,`,
		`2["e",` + strings.Repeat(`[`, 500) + strings.Repeat(`]`, 500) + `]`,
	} {
		msg := []byte(in)
		if n := testing.AllocsPerRun(100, func() {
			if done, err := d.Decode(&p, false, msg); !done || err != nil {
				t.Fatal(done, err)
			}
			if p.Type == parser.Event {
				if _, err := parser.JSON.Event(p.Payload); err != nil {
					t.Fatal(err)
				}
			}
		}); n != 0 {
			t.Errorf("%.40s: %v allocations", in, n)
		}
	}
}

func TestEncodingAHeaderAllocatesNothing(t *testing.T) {
	p := parser.Packet{Type: parser.Event, Namespace: "/chat", ID: 123456, Payload: data(`["ev",1]`)}
	dst := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { dst = parser.JSON.AppendHeader(dst[:0], &p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestADeclaredCountAllocatesNothing(t *testing.T) {
	d := parser.JSON.NewDecoder(parser.Limits{MaxAttachments: 1 << 62})
	var p parser.Packet
	msg := []byte(`516000000-["e"]`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, err := d.Decode(&p, false, msg); err != nil {
			t.Fatal(err)
		}
		d.Reset()
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / 100; n > 1024 {
		t.Errorf("%d bytes for a packet of %d", n, len(msg))
	}
}

func TestLongNamespaceIsNotKept(t *testing.T) {
	d := parser.JSON.NewDecoder(parser.Limits{})
	var p parser.Packet
	name := "/" + strings.Repeat("n", 1e6)
	for _, packet := range []string{"0" + name + ",", "0" + name, "2" + name + `,["e"]`} {
		if done, err := d.Decode(&p, false, []byte(packet)); !done || err != nil || p.Namespace != name {
			t.Errorf("%.20q: %v, %v, %.20q", packet, done, err, p.Namespace)
		}
		if n := parser.Retained(d); n > 1000 {
			t.Errorf("%d bytes are kept after %.20q", n, packet)
		}
	}
}
