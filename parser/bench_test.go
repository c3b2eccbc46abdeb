package parser_test

import (
	"strings"
	"testing"

	"github.com/roomwire/roomwire/parser"
)

// benchEvent is an event of 64 bytes.
const benchEvent = `2["chat message",{"room":"lobby","text":"hello there, friends"}]`

func BenchmarkDecodeEvent(b *testing.B) {
	for name, msg := range map[string]string{
		"64B":     benchEvent,
		"string":  `2["chat","hello"]`,
		"binary":  `51-["echo",{"_placeholder":true,"num":0}]`,
		"text64K": `2["e","` + strings.Repeat("lorem ipsum dolor sit ", 3000) + `"]`,
		"list64K": `2["e",[` + strings.Repeat(`{"id":12345,"name":"some one","ok":true},`, 1600) + `{}]]`,
	} {
		b.Run(name, func(b *testing.B) {
			d := parser.JSON.NewDecoder(parser.Limits{})
			var p parser.Packet
			data, attachment := []byte(msg), []byte{1, 2, 3}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				done, err := d.Decode(&p, false, data)
				if err == nil && !done {
					done, err = d.Decode(&p, true, attachment)
				}
				if !done || err != nil {
					b.Fatal(done, err)
				}
			}
		})
	}
}

func BenchmarkEventName(b *testing.B) {
	p := parser.Payload{Data: []byte(benchEvent[1:])}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parser.JSON.Event(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	type message struct{ Room, Text string }
	var (
		s string
		n int
		m message
		x []byte
	)
	for _, bm := range []struct {
		name   string
		p      parser.Payload
		target any
	}{
		{"string", parser.Payload{Data: []byte(`["chat message","hello there"]`)}, &s},
		{"int", parser.Payload{Data: []byte(`["chat message",12345]`)}, &n},
		{"struct", parser.Payload{Data: []byte(benchEvent[1:])}, &m},
		{"binary", withAttachments(`["e",` + hole(0) + `]`), &x},
	} {
		b.Run(bm.name, func(b *testing.B) {
			out := []any{bm.target}
			b.ReportAllocs()
			for b.Loop() {
				if err := parser.JSON.Unmarshal(bm.p, 1, out...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMarshal(b *testing.B) {
	type message struct {
		Room string `json:"room"`
		Text string `json:"text"`
	}
	type file struct {
		Name string `json:"name"`
		Data []byte `json:"data"`
	}
	for name, arg := range map[string]any{
		"string": "hello there", "struct": message{"lobby", "hello there, friends"}, "binary": []byte("hello"), "file": file{"a.txt", []byte("hello")},
		"map": map[string]any{"room": "lobby", "n": 1.5},
	} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 256)
			args := []any{arg}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parser.JSON.Marshal(buf, "chat message", args...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	p := parser.Packet{Type: parser.Event, Namespace: "/chat", ID: 123, Payload: parser.Payload{Data: []byte(benchEvent[1:])}}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf = parser.JSON.AppendHeader(buf[:0], &p)
	}
}
