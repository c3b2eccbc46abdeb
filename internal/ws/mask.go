package ws

import (
	"encoding/binary"
	"math/bits"
)

// mask masks or unmasks b in place, RFC 6455 section 5.3. The lowest byte of
// key belongs to b[0]. It returns the key for the bytes that follow b.
func mask(key uint32, b []byte) uint32 {
	if key == 0 {
		return 0 // not masked
	}
	wide := uint64(key)<<32 | uint64(key)
	for len(b) >= 32 {
		p := b[:32:32]
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		binary.LittleEndian.PutUint64(p[8:], binary.LittleEndian.Uint64(p[8:])^wide)
		binary.LittleEndian.PutUint64(p[16:], binary.LittleEndian.Uint64(p[16:])^wide)
		binary.LittleEndian.PutUint64(p[24:], binary.LittleEndian.Uint64(p[24:])^wide)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key)
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
