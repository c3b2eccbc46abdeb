package load

import (
	"bytes"
	"errors"
	"fmt"
)

// wsTransport is a session's WebSocket. It keeps bytes only while a frame or an
// answer is incomplete.
type wsTransport struct {
	s        *session
	l        link
	request  []byte // the upgrade request, shared by all sessions where it can be
	switched bool   // 101 was read
	rest     []byte
	message  []byte // of a fragmented message
	// probe, when not nil, takes the messages until the upgrade is done.
	probe      func(msg []byte)
	switchedTo func() // with probe: called at 101

	first *packet // the only one since the last flush
	more  []byte  // two or more
	dirty bool
}

var (
	errSwitch  = errors.New("load: no upgrade to WebSocket")
	errWSClose = errors.New("load: the server closed the WebSocket")
	headEnd    = []byte("\r\n\r\n")
	pongFrame  = appendFrame(nil, opPong, nil)
)

func (w *wsTransport) send(p *packet) {
	switch {
	case w.first == nil && len(w.more) == 0:
		w.first = p
	case w.first != nil:
		w.more = append(append(w.more, w.first.frame...), p.frame...)
		w.first = nil
	default:
		w.more = append(w.more, p.frame...)
	}
	if !w.dirty {
		w.dirty = true
		w.s.run.dirty = append(w.s.run.dirty, w)
	}
}

// flush sends what send collected in one write.
func (w *wsTransport) flush() {
	w.dirty = false
	if w.first != nil {
		w.l.write(w.first.frame)
		w.first = nil
	} else if len(w.more) > 0 {
		w.l.write(w.more)
		w.more = w.more[:0]
	}
}

func (w *wsTransport) pause() { w.l.pause() }

func (w *wsTransport) resume() { w.l.resume() }

func (w *wsTransport) close() { w.l.close() }

func (w *wsTransport) opened() { w.l.write(w.request) }

func (w *wsTransport) closed(err error) { w.s.lose(err) }

func (w *wsTransport) received(b []byte) {
	r := w.s.run
	r.tick()
	if len(w.rest) > 0 {
		w.rest = append(w.rest, b...)
		b = w.rest
	}
	used, err := w.consume(b)
	switch {
	case err != nil:
		w.s.lose(err)
	case used == len(b):
		w.rest = nil
	default:
		w.rest = append([]byte(nil), b[used:]...)
	}
	r.flush()
}

func (w *wsTransport) consume(b []byte) (used int, err error) {
	if !w.switched {
		end := bytes.Index(b, headEnd)
		if end < 0 {
			if len(b) > maxHead {
				return 0, errSwitch
			}
			return 0, nil
		}
		if !bytes.HasPrefix(b, []byte("HTTP/1.1 101")) {
			return 0, fmt.Errorf("%w: %.60q", errSwitch, b)
		}
		w.switched = true
		used = end + len(headEnd)
		w.greet()
	}
	for !w.s.over {
		f, size, err := nextFrame(b[used:])
		if err != nil || size == 0 {
			return used, err
		}
		used += size
		if err := w.frame(f); err != nil {
			return used, err
		}
	}
	return len(b), nil
}

func (w *wsTransport) greet() {
	if w.probe != nil {
		w.switchedTo()
		return
	}
	w.s.upgraded = true
	if p := w.s.run.dialect.greet(); p != nil {
		w.send(p)
	}
}

func (w *wsTransport) frame(f frame) error {
	switch f.opcode {
	case opText, opBinary, opContinuation:
		if f.fin && len(w.message) == 0 {
			w.deliver(f.opcode, f.payload)
			return nil
		}
		if len(w.message)+len(f.payload) > maxMessage {
			return errFrameSize
		}
		w.message = append(w.message, f.payload...)
		if f.fin {
			msg := w.message
			w.message = nil
			w.deliver(opText, msg)
		}
	case opPing:
		w.l.write(pongFrame)
	case opPong:
	case opClose:
		return errWSClose
	default:
		return errFrame
	}
	return nil
}

func (w *wsTransport) deliver(opcode byte, msg []byte) {
	switch {
	case opcode == opBinary: // attachments are not counted
	case w.probe != nil:
		w.probe(msg)
	default:
		w.s.run.dialect.read(w.s, msg)
	}
}
