package parser_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/roomwire/roomwire/parser"
)

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`0`, `0{"token":"123"}`, `0/admin,`, `1/admin`, `2["echo",1,"a",null]`, `2/a,12["echo",{"a":[1.5e-3,true]}]`, `37["x"]`, `4{"message":"no"}`,
		`51-["echo",{"_placeholder":true,"num":0}]`, `62-7[{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]`, `2["\u0063onnect"]`, `2[-0.5E+7]`, `2 [ "a" , "\ud83d\ude00" ] `,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := parser.JSON.NewDecoder(parser.Limits{})
		var p parser.Packet
		done, err := d.Decode(&p, false, []byte(s))
		if n := parser.Retained(d); n > 2*len(s)+64 {
			t.Errorf("%d bytes retained for %d", n, len(s))
		}
		for i := 0; err == nil && !done; i++ {
			done, err = d.Decode(&p, true, []byte{byte(i)})
		}
		if err != nil {
			return
		}
		checkPayload(t, &p)
		first := p
		first.Payload.Data = bytes.Clone(p.Payload.Data)
		again := parser.JSON.NewDecoder(parser.Limits{})
		done, err = again.Decode(&p, false, parser.JSON.AppendHeader(nil, &first))
		for _, a := range first.Payload.Attachments {
			if err != nil || done {
				t.Fatalf("%v, %v at an attachment", done, err)
			}
			done, err = again.Decode(&p, true, a)
		}
		if !done || err != nil || !reflect.DeepEqual(p, first) && len(p.Payload.Data)+len(first.Payload.Data) > 0 {
			t.Errorf("%q became %+v, %v; want %+v", s, p, err, first)
		}
	})
}

// checkPayload holds the codec's methods to what encoding/json says of a decoded payload.
func checkPayload(t *testing.T, p *parser.Packet) {
	if p.Type != parser.Event && p.Type != parser.Ack {
		return
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(p.Payload.Data, &raw); err != nil {
		t.Fatalf("a decoded payload is not an array: %v", err)
	}
	if n := parser.JSON.Args(p.Payload); n != len(raw) {
		t.Errorf("%d arguments, want %d", n, len(raw))
	}
	if p.Type == parser.Event {
		name, err := parser.JSON.Event(p.Payload)
		want := string(raw[0])
		if want[0] == '"' && strings.Contains(want, `\`) {
			json.Unmarshal(raw[0], &want)
		} else {
			want = strings.Trim(want, `"`)
		}
		if err != nil || string(name) != want {
			t.Errorf("the name is %q, %v, want %q", name, err, want)
		}
	}
	for i := range raw {
		var got, want any
		gotErr := parser.JSON.Unmarshal(p.Payload, i, &got)
		if len(p.Payload.Attachments) > 0 {
			if gotErr != nil && !strings.Contains(gotErr.Error(), "number") {
				t.Errorf("argument %d: %v", i, gotErr)
			}
			continue
		}
		wantErr := json.Unmarshal(raw[i], &want)
		if (gotErr == nil) != (wantErr == nil) || gotErr == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("argument %d is %v, %v, want %v, %v", i, got, gotErr, want, wantErr)
		}
	}
}

func FuzzDecodeSequence(f *testing.F) {
	f.Add([]byte("\x00\x2651-[\"e\",{\"_placeholder\":true,\"num\":0}]\x01\x03abc"))
	f.Add([]byte("\x00\x0852-[\"e\"]\x01\x01a\x01\x00\x00\x072[\"nx\"]"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 100
		d := parser.JSON.NewDecoder(parser.Limits{MaxAttachmentBytes: limit})
		var (
			p       parser.Packet
			fed     int
			pending [][]byte // what the next packet must be handed over with
		)
		for len(stream) >= 2 {
			binary := stream[0]&1 == 1
			n := min(int(stream[1]), len(stream)-2)
			msg := stream[2 : 2+n]
			stream = stream[2+n:]
			lent := bytes.Clone(msg)
			done, err := d.Decode(&p, binary, lent)
			if err != nil {
				if parser.Retained(d) > fed+len(msg) {
					t.Fatal("more retained than was fed")
				}
				return
			}
			fed += 2*len(msg) + 64
			if n := parser.Retained(d); n > fed {
				t.Fatalf("%d bytes retained after %d", n, fed)
			}
			if binary {
				pending = append(pending, msg)
			}
			if !done {
				clear(lent)
				continue
			}
			if len(p.Payload.Attachments) != len(pending) {
				t.Fatalf("%d attachments, want %d", len(p.Payload.Attachments), len(pending))
			}
			size := 0
			for i, a := range p.Payload.Attachments {
				if size += len(a); !bytes.Equal(a, pending[i]) {
					t.Fatalf("attachment %d is %q, want %q", i, a, pending[i])
				}
			}
			if size > limit {
				t.Fatalf("%d bytes of attachments", size)
			}
			pending = nil
		}
	})
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, `[1,2,{"a":"b\u00e9"}]`, ` -0.5e+7 `, `"\ud800"`, `tru`, `[1,]`, `{"a":1,}`, "\"\x1f\"", "\"1234567\x00\"", `[[[[]]]]`, `{"a":{"b":[{}]}}`, `01`, `1e`, "\ufeff1", `"12345678\"90"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := parser.ValidJSON(b), json.Valid(b); got != want {
			t.Errorf("%q: %v, encoding/json says %v", b, got, want)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("chat", "hello <b>&\u2028", int64(-5), 1.5e-7, []byte{1, 2}, "/admin", int64(7))
	f.Fuzz(func(t *testing.T, name, s string, n int64, x float64, b []byte, ns string, id int64) {
		if name == "" || x != x || !utf8.ValidString(name) || !utf8.ValidString(s) {
			t.Skip()
		}
		ns = "/" + strings.ReplaceAll(ns, ",", "")
		id = max(id, -1)
		payload, err := parser.JSON.Marshal(nil, name, s, n, map[string]any{"b": b, s: x}, []string{s})
		if err != nil {
			return // infinite
		}
		d := parser.JSON.NewDecoder(parser.Limits{})
		var p parser.Packet
		done, err := d.Decode(&p, false, parser.JSON.AppendHeader(nil, &parser.Packet{Type: parser.Event, Namespace: ns, ID: id, Payload: payload}))
		if err != nil {
			switch name {
			case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
				return
			}
			t.Fatal(err)
		}
		for _, a := range payload.Attachments {
			if done, err = d.Decode(&p, true, a); err != nil {
				return // more than the limit
			}
		}
		var (
			s2 string
			n2 int64
			m  map[string]any
			l  []string
		)
		if err := parser.JSON.Unmarshal(p.Payload, 1, &s2, &n2, &m, &l); err != nil {
			t.Fatal(err)
		}
		got, err := parser.JSON.Event(p.Payload)
		if !done || err != nil || string(got) != name || p.Namespace != ns || p.ID != id || s2 != s || n2 != n || m[s] != any(x) && s != "b" || len(l) != 1 || l[0] != s {
			t.Errorf("got %q %+v %q %d %v %q", got, p, s2, n2, m, l)
		}
		if s != "b" && b != nil && !reflect.DeepEqual(m["b"], any(b)) {
			t.Errorf("binary became %v, want %v", m["b"], b)
		}
	})
}
