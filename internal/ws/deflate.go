package ws

import (
	"compress/flate"
	"io"
	"math"
	"sync"
)

// deflateTail is what RFC 7692 section 7.2.1 removes from the end of a
// compressed message, and an empty last block, which tells compress/flate that
// the stream ends there.
const deflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

const syncTail = 4 // bytes of deflateTail that a flush writes

// A deflater compresses one message after the other, each on its own.
type deflater struct {
	w   *flate.Writer
	out []byte
}

// Write gathers what the compressor produces.
func (d *deflater) Write(b []byte) (int, error) {
	d.out = append(growBuffer(d.out, len(b), math.MaxInt), b...)
	return len(b), nil
}

// deflaters hold one pool for each level from flate.HuffmanOnly to
// flate.BestCompression: a compressor cannot change its level.
var deflaters [flate.BestCompression - flate.HuffmanOnly + 1]sync.Pool

// AppendDeflated appends a whole frame with payload compressed, masked if
// masked is set. Level is that of compress/flate, and 0, or one that does not
// exist, the fastest. A payload that compression would make longer is appended
// as it is. Only for a connection where [Conn.Compress] is true, and OpText or
// OpBinary.
func AppendDeflated(dst []byte, op Opcode, payload []byte, level int, masked bool) []byte {
	if level == 0 || level < flate.HuffmanOnly || level > flate.BestCompression {
		level = flate.BestSpeed
	}
	pool := &deflaters[level-flate.HuffmanOnly]
	d, _ := pool.Get().(*deflater)
	if d == nil {
		d = new(deflater)
		d.w, _ = flate.NewWriter(d, level) // fails for a wrong level only
	} else {
		d.w.Reset(d)
	}
	_, _ = d.w.Write(payload) // d.Write cannot fail
	_ = d.w.Flush()
	first, body := finBit|rsv1Bit|byte(op), d.out[:len(d.out)-syncTail]
	if len(body) > len(payload) && len(payload) > 0 {
		first, body = finBit|byte(op), payload
	}
	if masked {
		dst = appendMasked(dst, first, body)
	} else {
		dst = append(appendHeader(dst, first, 0, len(body)), body...)
	}
	giveBuffer(d.out)
	d.out = nil
	pool.Put(d)
	return dst
}

// An inflater decompresses one message after the other.
type inflater struct {
	r    io.ReadCloser // of compress/flate, also a flate.Resetter
	data []byte
	tail string
}

var inflaters = sync.Pool{New: func() any {
	in := new(inflater)
	in.r = flate.NewReader(in)
	return in
}}

// Read reads the message and the tail behind it.
func (in *inflater) Read(b []byte) (int, error) {
	n := copy(b, in.data)
	in.data = in.data[n:]
	if n == 0 {
		n = copy(b, in.tail)
		in.tail = in.tail[n:]
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// ReadByte keeps compress/flate from putting a buffer of its own in between.
func (in *inflater) ReadByte() (byte, error) {
	if len(in.data) > 0 {
		b := in.data[0]
		in.data = in.data[1:]
		return b, nil
	}
	if in.tail == "" {
		return 0, io.EOF
	}
	b := in.tail[0]
	in.tail = in.tail[1:]
	return b, nil
}

// inflate returns what data holds, in a buffer to be given back also if there
// is an error. It stops as soon as there is more than limit.
func inflate(data []byte, limit uint64) ([]byte, error) {
	in := inflaters.Get().(*inflater)
	in.data, in.tail = data, deflateTail
	_ = in.r.(flate.Resetter).Reset(in, nil)
	ceiling := math.MaxInt
	if limit < math.MaxInt {
		ceiling = int(limit) + 1
	}
	out := takeBuffer(min(2*len(data), largeBuffer))
	var err error
	for err == nil {
		out = growBuffer(out, 1, ceiling)
		room := out[len(out):min(cap(out), ceiling)]
		var n int
		n, err = in.r.Read(room)
		out = out[:len(out)+n]
		if uint64(len(out)) > limit {
			err = violation(closeTooBig, "message is too big")
		}
	}
	in.data, in.tail = nil, ""
	inflaters.Put(in)
	if err == io.EOF {
		return out, nil
	}
	if _, ok := err.(*CloseError); !ok {
		err = violation(closeInvalidData, "compressed message is damaged")
	}
	return out, err
}
