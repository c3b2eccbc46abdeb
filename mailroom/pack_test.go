package mailroom

import (
	"bytes"
	"testing"

	"github.com/roomwire/roomwire/sio"
)

// What is stored of an event is read again as it was, or is an error.
func FuzzPack(f *testing.F) {
	f.Add([]byte{3, 2}, []byte(`[1]ab`), []byte("x"))
	f.Add([]byte{}, []byte(`["e"]`), []byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, []byte(`x`), []byte{})
	f.Fuzz(func(t *testing.T, header, data, attachment []byte) {
		if p, err := unpack(header, data); err == nil {
			size := len(p.Data)
			for _, a := range p.Attachments {
				size += len(a)
			}
			if size > len(data) || len(p.Attachments) > len(header) {
				t.Errorf("%d bytes in %d parts from %d", size, len(p.Attachments), len(data))
			}
		}
		in := sio.Payload{Data: data, Attachments: [][]byte{attachment, data}}
		out, err := unpack(pack(in))
		if err != nil || !bytes.Equal(out.Data, data) || len(out.Attachments) != 2 || !bytes.Equal(out.Attachments[0], attachment) || !bytes.Equal(out.Attachments[1], data) {
			t.Errorf("%q became %q, %v", in, out, err)
		}
	})
}
