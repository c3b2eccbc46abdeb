package ws

// Retained feeds a server's reader with chunks and returns how many bytes it
// holds then for messages and frames that are not complete.
func Retained(chunks [][]byte, o *Options, h Handler) (bytes int, err error) {
	c := newConn(nil, o, false, o.Deflate != nil, nil)
	r := &reader{c: c, h: h}
	for _, b := range chunks {
		if err = r.feed(b); err != nil {
			break
		}
	}
	if p := r.part; p != nil {
		bytes = cap(p.message) + len(p.head) + len(p.control)
	}
	r.drop()
	return bytes, err
}
