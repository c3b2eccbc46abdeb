package load

import (
	"encoding/binary"
	"errors"
)

// Opcodes of RFC 6455 §5.2.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

const maxMessage = 16 << 20

var (
	errFrame     = errors.New("load: the server sent a frame that is none")
	errFrameSize = errors.New("load: the server sent a message above 16 MiB")
)

// maskKey masks every frame. It is fixed so that frames can be built once, and
// not zero because a server may skip unmasking then, which no real client lets it.
var maskKey = [4]byte{0x5a, 0xc3, 0x17, 0x9e}

// appendFrame appends one masked client frame.
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = append(dst, maskKey[:]...)
	at := len(dst)
	dst = append(dst, payload...)
	for i := range payload {
		dst[at+i] ^= maskKey[i&3]
	}
	return dst
}

// frame is one server frame.
type frame struct {
	fin     bool
	opcode  byte
	payload []byte
}

// nextFrame cuts the first frame off b. size 0 means that b holds only a part.
func nextFrame(b []byte) (f frame, size int, err error) {
	if len(b) < 2 {
		return f, 0, nil
	}
	if b[0]&0x70 != 0 || b[1]&0x80 != 0 {
		return f, 0, errFrame
	}
	head, n := 2, uint64(b[1])
	switch n {
	case 126:
		if head = 4; len(b) < head {
			return f, 0, nil
		}
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return f, 0, nil
		}
		n = binary.BigEndian.Uint64(b[2:])
	}
	if n > maxMessage {
		return f, 0, errFrameSize
	}
	if size = head + int(n); len(b) < size {
		return f, 0, nil
	}
	return frame{b[0]&0x80 != 0, b[0] & 15, b[head:size]}, size, nil
}
