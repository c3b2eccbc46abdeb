package client

import "sync"

// A buffer is for bytes on their way to the connection.
type buffer struct{ data []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func getBuffer() *buffer {
	b := buffers.Get().(*buffer)
	b.data = b.data[:0]
	return b
}

// free gives the buffer back; nothing may refer to its bytes any more.
func (b *buffer) free() {
	if cap(b.data) <= 64<<10 {
		buffers.Put(b)
	}
}
