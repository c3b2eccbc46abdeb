package parser_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/parser"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(got, "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(lines) || lines[i] != line {
			t.Fatalf("%s differs at line %d, want: %s\ngot:\n%s", path, i+1, line, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s is shorter than what came:\n%s", path, got)
	}
}

var typeNames = map[parser.Type]string{
	parser.Connect: "CONNECT", parser.Disconnect: "DISCONNECT", parser.Event: "EVENT", parser.Ack: "ACK", parser.ConnectError: "CONNECT_ERROR",
}

func TestCapturedMessagesDecodeAsRecorded(t *testing.T) {
	input, err := os.ReadFile(filepath.Join("testdata", "packets.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	d := parser.JSON.NewDecoder(parser.Limits{})
	var p parser.Packet
	for line := range strings.Lines(string(input)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		data, binary := []byte(line), strings.HasPrefix(line, "<")
		if binary {
			if data, err = hex.DecodeString(strings.Trim(line, "<>")); err != nil {
				t.Fatal(err)
			}
		}
		done, err := d.Decode(&p, binary, data)
		fmt.Fprintf(&out, "%s\n", line)
		switch {
		case err != nil:
			fmt.Fprintf(&out, "\trefused: %v\n", err)
			d.Reset()
		case !done:
			fmt.Fprintf(&out, "\t%s in %s is incomplete\n", typeNames[p.Type], p.Namespace)
		default:
			fmt.Fprintf(&out, "\t%s in %s, id %d, %s", typeNames[p.Type], p.Namespace, p.ID, p.Payload.Data)
			if p.Payload.Attachments != nil {
				fmt.Fprintf(&out, " with %x", p.Payload.Attachments)
			}
			if p.Type == parser.Event {
				name, err := parser.JSON.Event(p.Payload)
				fmt.Fprintf(&out, ", named %q, %v", name, err)
			}
			out.WriteByte('\n')
			checkEncoding(t, &p, line)
		}
	}
	golden(t, "packets.golden", out.String())
}

// checkEncoding encodes a packet again, which must give the message it was read from.
func checkEncoding(t *testing.T, p *parser.Packet, message string) {
	t.Helper()
	if p.Payload.Attachments != nil {
		return // message is the last attachment
	}
	got := string(parser.JSON.AppendHeader(nil, p))
	if got != message && got != message+"," { // the comma at the end may be left out
		t.Errorf("encoded as %s, want %s", got, message)
	}
}
