package ws

import (
	"encoding/binary"
	"math"
	"sync"
	"unicode/utf8"
)

// A fragment costs its bytes and fragmentCost more, so that a message cannot
// be made expensive by cutting it into crumbs.
const (
	fragmentCost = 64
	maxFragments = 16384
	minAllowance = 64 << 10
)

// A reader turns the bytes of one connection, however they are cut, into calls
// of its handler.
type reader struct {
	c    *Conn
	h    Handler
	part *partial // nil between frames, unless a message is in fragments
	err  error
}

// A partial is what is known of a frame or message that is not complete.
type partial struct {
	head    [maxHeader]byte
	headLen int // bytes of a header that is not complete

	inFrame bool
	frame   header // the current frame; its key fits the next byte of payload
	left    uint64 // bytes of its payload still to come

	control    [maxControl]byte // payload of a control frame so far
	controlLen int

	open      bool // a message is in fragments
	binary    bool
	deflated  bool
	message   []byte // payload so far
	checked   int    // bytes of it known to be UTF-8
	fragments int
	cost      uint64
}

var partials = sync.Pool{New: func() any { return new(partial) }}

func (p *partial) idle() bool { return !p.inFrame && !p.open && p.headLen == 0 }

// needPart returns r.part, made if there was none.
func (r *reader) needPart() *partial {
	if r.part == nil {
		r.part = partials.Get().(*partial)
	}
	return r.part
}

// drop gives back what the reader holds.
func (r *reader) drop() {
	p := r.part
	if p == nil {
		return
	}
	r.part = nil
	giveBuffer(p.message)
	*p = partial{}
	partials.Put(p)
}

// feed handles the next bytes of the stream. It changes b.
func (r *reader) feed(b []byte) error {
	for len(b) > 0 {
		var err error
		if r.part != nil && r.part.inFrame {
			b, err = r.payload(b)
		} else {
			b, err = r.frame(b)
		}
		if err != nil {
			return err
		}
		if r.part != nil && r.part.idle() {
			r.drop()
		}
		if r.c.closed() {
			return errStopped
		}
	}
	return nil
}

// frame reads the header of a frame and, if it is there, the whole frame.
func (r *reader) frame(b []byte) (rest []byte, err error) {
	var h header
	var size int
	if r.part == nil || r.part.headLen == 0 {
		if len(b) >= 2 {
			if err := r.checkStart(b[0], b[1]); err != nil {
				return nil, err
			}
			h, size = parseHeader(b)
		}
		if size == 0 {
			p := r.needPart()
			p.headLen = copy(p.head[:], b)
			return nil, nil
		}
		b = b[size:]
	} else {
		p := r.part
		had := p.headLen
		p.headLen += copy(p.head[had:], b)
		if p.headLen >= 2 {
			if err := r.checkStart(p.head[0], p.head[1]); err != nil {
				return nil, err
			}
		}
		if h, size = parseHeader(p.head[:p.headLen]); size == 0 {
			return nil, nil
		}
		p.headLen = 0
		b = b[size-had:]
	}
	if err := r.checkSize(h); err != nil {
		return nil, err
	}
	if h.length <= uint64(len(b)) && (r.part == nil || h.op.control()) {
		whole := b[:h.length]
		if h.op.control() || h.fin {
			mask(h.key, whole)
			return b[h.length:], r.whole(h, whole)
		}
	}
	r.start(h)
	return r.payload(b)
}

// whole handles a frame that came in one piece and needs no other.
func (r *reader) whole(h header, payload []byte) error {
	if h.op.control() {
		return r.control(h.op, payload)
	}
	return r.deliver(h.op == OpBinary, h.rsv1, false, payload)
}

// checkStart looks at the first two bytes of a frame.
func (r *reader) checkStart(b0, b1 byte) error {
	op := Opcode(b0 & opcodeBits)
	switch {
	case (b1&maskBit != 0) == r.c.client:
		return violation(closeProtocol, "frame has the wrong masking")
	case b0&rsvBits&^rsv1Bit != 0, b0&rsv1Bit != 0 && (!r.c.compress || op == OpContinuation || op.control()):
		return violation(closeProtocol, "reserved bit is set")
	}
	open := r.part != nil && r.part.open
	switch op {
	case OpContinuation:
		if !open {
			return violation(closeProtocol, "continuation of nothing")
		}
	case OpText, OpBinary:
		if open {
			return violation(closeProtocol, "message within a message")
		}
	case OpClose, OpPing, OpPong:
		if b0&finBit == 0 || b1&lengthBits > maxControl {
			return violation(closeProtocol, "control frame is fragmented or too long")
		}
	default:
		return violation(closeProtocol, "unknown opcode")
	}
	return nil
}

// checkSize refuses a data frame by what it announces, before anything is
// allocated for it.
func (r *reader) checkSize(h header) error {
	if h.length>>63 != 0 {
		return violation(closeProtocol, "length is negative")
	}
	if h.op.control() {
		return nil
	}
	have, deflated, limit := uint64(0), h.rsv1, r.c.limit.Load()
	if h.op == OpContinuation {
		have, deflated = uint64(len(r.part.message)), r.part.deflated
	}
	if deflated && limit < math.MaxInt/2 {
		limit += limit/256 + 64 // what cannot be compressed grows a little
	}
	if h.length > limit || have > limit-h.length {
		return violation(closeTooBig, "message is too big")
	}
	if h.op == OpContinuation {
		p := r.part
		p.fragments++
		p.cost += h.length + fragmentCost
		if limit := r.c.limit.Load(); p.fragments > maxFragments || p.cost > limit+max(limit, minAllowance) {
			return violation(closePolicy, "message is in too many fragments")
		}
	}
	return nil
}

// start prepares for a frame whose payload is gathered.
func (r *reader) start(h header) {
	p := r.needPart()
	p.inFrame, p.frame, p.left = true, h, h.length
	switch {
	case h.op.control():
		p.controlLen = 0
	case h.op != OpContinuation:
		p.binary, p.deflated = h.op == OpBinary, h.rsv1
		p.message, p.checked = p.message[:0], 0
		p.fragments, p.cost = 1, h.length+fragmentCost
	}
}

// payload takes what b has of the current frame.
func (r *reader) payload(b []byte) (rest []byte, err error) {
	p := r.part
	n := len(b)
	if p.left < uint64(n) {
		n = int(p.left)
	}
	piece := b[:n]
	p.frame.key = mask(p.frame.key, piece)
	p.left -= uint64(n)
	if p.frame.op.control() {
		p.controlLen += copy(p.control[p.controlLen:], piece)
	} else {
		if err := p.add(piece); err != nil {
			return nil, err
		}
	}
	if p.left > 0 {
		return nil, nil
	}
	p.inFrame = false
	switch {
	case p.frame.op.control():
		err = r.control(p.frame.op, p.control[:p.controlLen])
	case p.frame.fin:
		p.open = false
		err = r.deliver(p.binary, p.deflated, true, p.message)
	default:
		p.open = true
	}
	return b[n:], err
}

// add appends a piece of a message and, if it is text, checks it.
func (p *partial) add(piece []byte) error {
	if len(piece) == 0 {
		return nil
	}
	ceiling := math.MaxInt
	if p.frame.fin && p.left < math.MaxInt/2 {
		ceiling = len(p.message) + len(piece) + int(p.left)
	}
	p.message = append(growBuffer(p.message, len(piece), ceiling), piece...)
	if p.binary || p.deflated {
		return nil
	}
	n, ok := validStart(p.message[p.checked:])
	if !ok {
		return errNotUTF8()
	}
	p.checked += n
	return nil
}

// deliver hands a whole message to the handler. started tells that add has
// looked at it and that only its end may be missing.
func (r *reader) deliver(binary, deflated, started bool, data []byte) error {
	if deflated {
		return r.inflate(binary, data)
	}
	if !binary {
		if started {
			if r.part.checked != len(data) {
				return errNotUTF8()
			}
		} else if !utf8.Valid(data) {
			return errNotUTF8()
		}
	}
	return r.h.Message(binary, data)
}

// inflate delivers a compressed message.
func (r *reader) inflate(binary bool, data []byte) error {
	out, err := inflate(data, r.c.limit.Load())
	if err == nil {
		if !binary && !utf8.Valid(out) {
			err = errNotUTF8()
		} else {
			err = r.h.Message(binary, out)
		}
	}
	giveBuffer(out)
	return err
}

// control handles a whole control frame.
func (r *reader) control(op Opcode, payload []byte) error {
	switch op {
	case OpPing:
		r.h.Ping(payload)
	case OpPong:
		r.h.Pong(payload)
	case OpClose:
		return closeReceived(payload)
	}
	return nil
}

// closeReceived turns the payload of a close frame into the end of Serve.
func closeReceived(payload []byte) error {
	switch len(payload) {
	case 0:
		return &CloseError{Code: closeNoStatus, Remote: true}
	case 1:
		return violation(closeProtocol, "close frame of one byte")
	}
	code := int(binary.BigEndian.Uint16(payload))
	if !validCloseCode(code) {
		return violation(closeProtocol, "close code is not valid")
	}
	if !utf8.Valid(payload[2:]) {
		return violation(closeInvalidData, "close reason is not UTF-8")
	}
	return &CloseError{Code: code, Reason: string(payload[2:]), Remote: true}
}

func errNotUTF8() error { return violation(closeInvalidData, "text is not UTF-8") }
