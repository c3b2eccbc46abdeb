package parser

import (
	"bytes"
	"fmt"
	"math"
)

// maxKeptName bounds the namespace that a decoder remembers, so that an idle
// connection does not keep what its client once asked for.
const maxKeptName = 128

// maxAttachmentNumber is what a placeholder may hold, whatever the limits say.
const maxAttachmentNumber = 1<<24 - 1

func (l Limits) withDefaults() Limits {
	if l.MaxAttachments == 0 {
		l.MaxAttachments = 10
	}
	if l.MaxAttachmentBytes == 0 {
		l.MaxAttachmentBytes = 1e6
	}
	if l.MaxDepth == 0 {
		l.MaxDepth = 512
	}
	l.MaxAttachments = min(l.MaxAttachments, maxAttachmentNumber)
	return l
}

type jsonDecoder struct {
	limits    Limits
	namespace string // of the packet before; a connection mostly stays in one
	waiting   Packet // its attachments are incomplete when missing is not 0
	missing   int
	size      int // of the attachments of waiting, in bytes
}

func (d *jsonDecoder) Reset() {
	d.waiting, d.missing, d.size = Packet{}, 0, 0
}

func (d *jsonDecoder) Decode(p *Packet, binary bool, data []byte) (bool, error) {
	if binary {
		return d.attachment(p, data)
	}
	if d.missing > 0 {
		d.Reset()
		return false, fmt.Errorf("%w: text while attachments are missing", ErrInvalid)
	}
	attachments, err := d.header(p, data)
	if err != nil || attachments == 0 {
		return err == nil, err
	}
	d.missing = attachments
	d.waiting = *p
	d.waiting.Payload.Data = bytes.Clone(p.Payload.Data)
	p.Payload = Payload{}
	return false, nil
}

// attachment takes the next attachment. All but the last one are copied: the
// packet is handed over together with that one.
func (d *jsonDecoder) attachment(p *Packet, data []byte) (bool, error) {
	if d.missing == 0 {
		return false, fmt.Errorf("%w: binary when no attachment is missing", ErrInvalid)
	}
	if len(data) > d.limits.MaxAttachmentBytes-d.size {
		d.Reset()
		return false, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, d.limits.MaxAttachmentBytes)
	}
	d.size += len(data)
	d.missing--
	if data == nil {
		data = []byte{} // an empty attachment is not a missing one
	}
	*p = d.waiting
	if d.missing == 0 {
		p.Payload.Attachments = append(p.Payload.Attachments, data)
		d.Reset()
		return true, nil
	}
	d.waiting.Payload.Attachments = append(d.waiting.Payload.Attachments, append(make([]byte, 0, len(data)), data...))
	p.Payload = Payload{}
	return false, nil
}

// header reads a text message into p and returns how many attachments follow it.
func (d *jsonDecoder) header(p *Packet, data []byte) (attachments int, err error) {
	if len(data) == 0 || data[0]-'0' > wireBinaryAck {
		return 0, fmt.Errorf("%w: unknown packet type", ErrInvalid)
	}
	p.Type = Type(data[0] - '0')
	i := 1
	if p.Type >= wireBinaryEvent {
		p.Type -= wireBinaryEvent - Event
		if attachments, i, err = d.attachmentCount(data, i); err != nil {
			return 0, err
		}
	}
	i = d.readNamespace(p, data, i)
	if i, err = readID(p, data, i); err != nil {
		return 0, err
	}
	p.Payload = Payload{}
	if i == len(data) {
		if p.Type == Connect || p.Type == Disconnect {
			return 0, nil
		}
		return 0, fmt.Errorf("%w: no payload", ErrInvalid)
	}
	if p.Payload.Data, err = d.payload(p.Type, data[i:]); err != nil {
		return 0, err
	}
	if attachments > 0 && !placeholdersInRange(p.Payload.Data, attachments) {
		return 0, fmt.Errorf("%w: a placeholder names none of %d", ErrAttachments, attachments)
	}
	return attachments, nil
}

// attachmentCount reads digits and a dash at i. It stops at the first digit beyond the limit.
func (d *jsonDecoder) attachmentCount(data []byte, i int) (n, next int, err error) {
	for ; i < len(data) && data[i]-'0' <= 9; i++ {
		n = n*10 + int(data[i]-'0')
		if n > d.limits.MaxAttachments {
			return 0, 0, fmt.Errorf("%w: more than %d", ErrAttachments, d.limits.MaxAttachments)
		}
	}
	if n == 0 || i == len(data) || data[i] != '-' {
		return 0, 0, fmt.Errorf("%w: no count", ErrAttachments)
	}
	return n, i + 1, nil
}

// readNamespace reads a namespace at i: from a slash to a comma or the end.
func (d *jsonDecoder) readNamespace(p *Packet, data []byte, i int) int {
	p.Namespace = "/"
	if i == len(data) || data[i] != '/' {
		return i
	}
	name := data[i:]
	i = len(data)
	if comma := bytes.IndexByte(name, ','); comma >= 0 {
		i -= len(name) - comma - 1
		name = name[:comma]
	}
	if len(name) > 1 {
		switch {
		case string(name) == d.namespace:
			p.Namespace = d.namespace
		case len(name) > maxKeptName:
			p.Namespace = string(name)
		default:
			d.namespace = string(name)
			p.Namespace = d.namespace
		}
	}
	return i
}

func readID(p *Packet, data []byte, i int) (int, error) {
	p.ID = -1
	start := i
	var n uint64
	for ; i < len(data) && data[i]-'0' <= 9; i++ {
		if n > math.MaxInt64/10 {
			return 0, fmt.Errorf("%w: acknowledgement id out of range", ErrInvalid)
		}
		if n = n*10 + uint64(data[i]-'0'); n > math.MaxInt64 {
			return 0, fmt.Errorf("%w: acknowledgement id out of range", ErrInvalid)
		}
	}
	if i > start {
		p.ID = int64(n)
	}
	return i, nil
}

// payload checks the text of a packet and returns it without the space around it.
func (d *jsonDecoder) payload(t Type, data []byte) ([]byte, error) {
	data = data[skipSpace(data, 0):]
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: empty payload", ErrInvalid)
	}
	legal := false
	switch c := data[0]; t {
	case Connect:
		legal = c == '{'
	case ConnectError:
		legal = c == '{' || c == '"'
	case Event, Ack:
		legal = c == '['
	}
	if !legal {
		return nil, fmt.Errorf("%w: illegal payload", ErrInvalid)
	}
	if t == Event {
		name, err := eventName(data, skipSpace(data, 1))
		if err != nil {
			return nil, err
		}
		if reserved(name) {
			return nil, ErrReserved
		}
	}
	end := scan(data, 0, d.limits.MaxDepth)
	switch {
	case end == scanDepth:
		return nil, fmt.Errorf("%w: more than %d levels", ErrDepth, d.limits.MaxDepth)
	case end < 0 || skipSpace(data, end) != len(data):
		return nil, fmt.Errorf("%w: malformed JSON", ErrInvalid)
	}
	return data[:end:end], nil
}
