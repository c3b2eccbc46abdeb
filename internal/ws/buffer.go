package ws

import "sync"

// Buffers come in three pooled sizes. Larger ones are left to the garbage
// collector, so that one huge message does not pin its size for ever.
const (
	smallBuffer  = 4 << 10
	readBuffer   = 16 << 10
	mediumBuffer = readBuffer
	largeBuffer  = 64 << 10
)

var (
	smallBuffers  = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	mediumBuffers = sync.Pool{New: func() any { return new([mediumBuffer]byte) }}
	largeBuffers  = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// takeBuffer returns an empty buffer with room for n bytes, and for no more
// than four times as many if n is more than smallBuffer.
func takeBuffer(n int) []byte {
	switch {
	case n <= smallBuffer:
		return smallBuffers.Get().(*[smallBuffer]byte)[:0]
	case n <= mediumBuffer:
		return mediumBuffers.Get().(*[mediumBuffer]byte)[:0]
	case n <= largeBuffer:
		return largeBuffers.Get().(*[largeBuffer]byte)[:0]
	default:
		return make([]byte, 0, n)
	}
}

// giveBuffer takes back what takeBuffer gave, or nil.
func giveBuffer(b []byte) {
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case mediumBuffer:
		mediumBuffers.Put((*[mediumBuffer]byte)(b[:mediumBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}

// growBuffer returns b with room for n more bytes. What it adds beyond them is
// bounded by the size of b, and leads no further than ceiling bytes in all, so
// that memory follows what arrived and not what was announced.
func growBuffer(b []byte, n, ceiling int) []byte {
	need := len(b) + n
	if need <= cap(b) {
		return b
	}
	grown := takeBuffer(max(need, min(2*cap(b), ceiling)))
	grown = append(grown, b...)
	giveBuffer(b)
	return grown
}
