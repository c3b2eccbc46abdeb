// Parser-agreement decodes what agree.mjs sends, so that both can be compared:
// each line of the input is a JSON array of messages, a string for text and
// {"b": base64} for binary; each line of the output says what became of them.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/roomwire/roomwire/parser"
)

// A message is one of the input.
type message struct {
	text   string
	binary []byte
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *message) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &m.text)
	}
	var v struct{ B []byte }
	m.binary = []byte{}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	m.binary = append(m.binary, v.B...)
	return nil
}

// A verdict is one line of the output.
type verdict struct {
	Error   string   `json:"error,omitempty"`
	Packets []packet `json:"packets"`
}

type packet struct {
	Type        int      `json:"type"`
	Namespace   string   `json:"nsp"`
	ID          *int64   `json:"id,omitempty"`
	Data        string   `json:"data"`
	Attachments [][]byte `json:"attachments,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "parser-agreement:", err)
		os.Exit(1)
	}
}

func run() error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for in.Scan() {
		var all []message
		if err := json.Unmarshal(in.Bytes(), &all); err != nil {
			return err
		}
		if err := enc.Encode(decode(all)); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return err
	}
	return out.Flush()
}

func decode(all []message) (v verdict) {
	d := parser.JSON.NewDecoder(parser.Limits{MaxAttachmentBytes: 1 << 20})
	for _, m := range all {
		data := m.binary
		if m.binary == nil {
			data = []byte(m.text)
		}
		var p parser.Packet
		done, err := d.Decode(&p, m.binary != nil, data)
		if err != nil {
			v.Error = err.Error()
			return v
		}
		if !done {
			continue
		}
		q := packet{Type: int(p.Type), Namespace: p.Namespace, Data: string(p.Payload.Data)}
		if p.ID >= 0 {
			q.ID = &p.ID
		}
		for _, a := range p.Payload.Attachments {
			q.Attachments = append(q.Attachments, append([]byte{}, a...))
		}
		v.Packets = append(v.Packets, q)
	}
	return v
}
