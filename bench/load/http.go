package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

const maxHead = 64 << 10

var errAnswer = errors.New("load: the server's HTTP answer cannot be read")

// httpLink is one keep-alive HTTP/1.1 connection with one request at a time.
type httpLink struct {
	run    *run
	l      link
	rest   []byte
	open   bool
	queued []byte // the request waiting for the connection
	busy   bool
	answer func(status int, body []byte)
	failed func(err error)
}

func (h *httpLink) request(b []byte) {
	h.busy = true
	if h.open {
		h.l.write(b)
	} else {
		h.queued = append(h.queued[:0], b...)
	}
}

func (h *httpLink) opened() {
	h.open = true
	if len(h.queued) > 0 {
		h.l.write(h.queued)
		h.queued = nil
	}
}

func (h *httpLink) closed(err error) { h.failed(err) }

func (h *httpLink) received(b []byte) {
	h.run.tick()
	h.rest = append(h.rest, b...)
	status, body, size, err := readAnswer(h.rest)
	switch {
	case err != nil:
		h.failed(err)
	case size > 0 && size < len(h.rest):
		h.failed(errAnswer) // more than was asked for
	case size > 0:
		done := h.rest
		h.rest, h.busy = nil, false
		h.answer(status, body)
		if h.rest == nil {
			h.rest = done[:0]
		}
	}
	h.run.flush()
}

// readAnswer reads one answer at the start of b; size 0 means that it is not
// complete. body is b's memory unless the answer is chunked.
func readAnswer(b []byte) (status int, body []byte, size int, err error) {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		if len(b) > maxHead {
			err = errAnswer
		}
		return 0, nil, 0, err
	}
	if len(b) < 12 || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return 0, nil, 0, errAnswer
	}
	if status, err = strconv.Atoi(string(b[9:12])); err != nil {
		return 0, nil, 0, errAnswer
	}
	length, chunked := bodyForm(b[:end])
	at := end + len(headEnd)
	if chunked {
		body, n, err := readChunks(b[at:])
		if n == 0 || err != nil {
			return 0, nil, 0, err
		}
		return status, body, at + n, nil
	}
	if length < 0 || length > maxMessage {
		return 0, nil, 0, fmt.Errorf("%w: no usable length", errAnswer)
	}
	if len(b) < at+length {
		return 0, nil, 0, nil
	}
	return status, b[at : at+length], at + length, nil
}

// bodyForm reads the header lines that say how long the body is; -1 without any.
func bodyForm(head []byte) (length int, chunked bool) {
	length = -1
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if n, err := strconv.Atoi(string(value)); err == nil {
				length = n
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	return length, chunked
}

func readChunks(b []byte) (body []byte, size int, err error) {
	for {
		line := bytes.Index(b[size:], []byte("\r\n"))
		if line < 0 {
			return nil, 0, nil
		}
		n, err := strconv.ParseUint(string(b[size:size+line]), 16, 31)
		if err != nil || n > maxMessage {
			return nil, 0, errAnswer
		}
		size += line + 2
		if len(b) < size+int(n)+2 {
			return nil, 0, nil
		}
		body = append(body, b[size:size+int(n)]...)
		size += int(n) + 2
		if n == 0 {
			return body, size, nil
		}
	}
}
