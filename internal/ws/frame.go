package ws

import (
	"encoding/binary"
	"math/rand/v2"
	"unicode/utf8"
)

// An Opcode is the kind of a frame.
type Opcode byte

// The opcodes of RFC 6455 section 5.2.
const (
	OpContinuation Opcode = 0
	OpText         Opcode = 1
	OpBinary       Opcode = 2
	OpClose        Opcode = 8
	OpPing         Opcode = 9
	OpPong         Opcode = 10
)

const (
	finBit     = 0x80
	rsv1Bit    = 0x40 // RFC 7692: the message is compressed
	rsvBits    = 0x70
	opcodeBits = 0x0f
	maskBit    = 0x80
	lengthBits = 0x7f

	maxControl = 125 // bytes of payload in a control frame
	maxHeader  = 14
)

func (op Opcode) control() bool { return op&8 != 0 }

// AppendFrame appends a whole, final, unmasked frame to dst. It does not
// allocate if dst has room for the payload and 10 bytes more.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	dst = appendHeader(dst, finBit|byte(op), 0, len(payload))
	return append(dst, payload...)
}

// AppendMasked is AppendFrame for a client: the payload is masked with a key
// that an onlooker cannot foresee. dst needs room for 14 bytes more than the
// payload. payload itself is left as it is.
func AppendMasked(dst []byte, op Opcode, payload []byte) []byte {
	return appendMasked(dst, finBit|byte(op), payload)
}

// AppendClose appends a close frame, masked if masked is set. A reason of more
// than 123 bytes is cut at the end of a character. A code which must not
// travel, such as 1005, gives an empty frame.
func AppendClose(dst []byte, code int, reason string, masked bool) []byte {
	var payload [maxControl]byte
	n := 0
	if validCloseCode(code) {
		binary.BigEndian.PutUint16(payload[:], uint16(code))
		n = 2 + copy(payload[2:], cut(reason, maxControl-2))
	}
	if masked {
		return AppendMasked(dst, OpClose, payload[:n])
	}
	return AppendFrame(dst, OpClose, payload[:n])
}

// cut returns the longest start of s that is no longer than n and ends with a
// whole character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func appendMasked(dst []byte, first byte, payload []byte) []byte {
	dst = appendHeader(dst, first, maskBit, len(payload))
	// The functions of rand draw from a ChaCha8 stream seeded by the
	// operating system, which is what section 10.3 asks of the keys.
	key := rand.Uint32()
	dst = binary.LittleEndian.AppendUint32(dst, key)
	start := len(dst)
	dst = append(dst, payload...)
	mask(key, dst[start:])
	return dst
}

func appendHeader(dst []byte, first, masked byte, length int) []byte {
	switch {
	case length <= maxControl:
		return append(dst, first, masked|byte(length))
	case length <= 0xffff:
		return append(dst, first, masked|126, byte(length>>8), byte(length))
	default:
		dst = append(dst, first, masked|127)
		return binary.BigEndian.AppendUint64(dst, uint64(length))
	}
}

// A header is the start of a frame.
type header struct {
	op     Opcode
	fin    bool
	rsv1   bool
	masked bool
	key    uint32 // as mask wants it
	length uint64 // of the payload, as declared
}

// parseHeader reads the header at the start of b. size is 0 while b is too short.
func parseHeader(b []byte) (h header, size int) {
	if len(b) < 2 {
		return h, 0
	}
	h.op = Opcode(b[0] & opcodeBits)
	h.fin = b[0]&finBit != 0
	h.rsv1 = b[0]&rsv1Bit != 0
	h.masked = b[1]&maskBit != 0
	size = 2
	switch n := b[1] & lengthBits; n {
	case 126:
		size += 2
	case 127:
		size += 8
	default:
		h.length = uint64(n)
	}
	if h.masked {
		size += 4
	}
	if len(b) < size {
		return h, 0
	}
	switch b[1] & lengthBits {
	case 126:
		h.length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		h.length = binary.BigEndian.Uint64(b[2:])
	}
	if h.masked {
		h.key = binary.LittleEndian.Uint32(b[size-4:])
	}
	return h, size
}
