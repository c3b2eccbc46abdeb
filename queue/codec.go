package queue

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
)

// Everything stored is sealed: a version, a checksum over the key and the
// body, the body. A value that was changed, or that stands under another key
// than it was written for, does not open.
const (
	sealVersion = 1
	sealSize    = 1 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newSeal returns the beginning of a value; the body is appended to it.
func newSeal(size int) []byte {
	return append(make([]byte, 0, sealSize+size), sealVersion, 0, 0, 0, 0)
}

// seal closes a value that newSeal began.
func seal(key, v []byte) []byte {
	binary.LittleEndian.PutUint32(v[1:], checksum(key, v[sealSize:]))
	return v
}

func checksum(key, body []byte) uint32 {
	return crc32.Update(crc32.Update(sealVersion, castagnoli, key), castagnoli, body)
}

// unseal returns the body of a value, which is a part of v.
func unseal(key, v []byte) (*decoder, error) {
	if len(v) < sealSize {
		return nil, fmt.Errorf("%w: %d bytes under key %x", ErrDamaged, len(v), key)
	}
	if v[0] != sealVersion {
		return nil, fmt.Errorf("%w: version %d under key %x", ErrDamaged, v[0], key)
	}
	if binary.LittleEndian.Uint32(v[1:]) != checksum(key, v[sealSize:]) {
		return nil, fmt.Errorf("%w: checksum under key %x", ErrDamaged, key)
	}
	return &decoder{rest: v[sealSize:]}, nil
}

// A decoder takes a body apart. The first thing that is not as it should be
// makes it bad, and everything after it zero.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) number() uint64 {
	n, w := binary.Uvarint(d.rest)
	if w <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[w:]
	return n
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	if n == 0 {
		return nil
	}
	return b
}

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) texts() []string {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = d.text()
	}
	return list
}

// end returns an error unless everything was there and nothing is left.
func (d *decoder) end(key []byte) error {
	if d.bad || len(d.rest) != 0 {
		return fmt.Errorf("%w: form under key %x", ErrDamaged, key)
	}
	return nil
}

func putNumber(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }

func putBytes(b, v []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(v))), v...) }

func putText(b []byte, s string) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }

func putTexts(b []byte, list []string) []byte {
	b = putNumber(b, uint64(len(list)))
	for _, s := range list {
		b = putText(b, s)
	}
	return b
}

// Times are stored as milliseconds since 1970; zero is no time.
func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// encodeNumbers seals a state that is a row of numbers.
func encodeNumbers(key []byte, list ...uint64) []byte {
	v := newSeal(len(list) * 4)
	for _, n := range list {
		v = putNumber(v, n)
	}
	return seal(key, v)
}

// decodeNumbers opens what encodeNumbers sealed, into as many numbers.
func decodeNumbers(key, v []byte, into ...*uint64) error {
	d, err := unseal(key, v)
	if err != nil {
		return err
	}
	for _, n := range into {
		*n = d.number()
	}
	return d.end(key)
}
