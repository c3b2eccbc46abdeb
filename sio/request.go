package sio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/roomwire/roomwire/internal/typed"
	"github.com/roomwire/roomwire/parser"
)

// A Request is one event as it arrived. It is valid until its handler returns.
type Request struct {
	Socket *Socket // who sent it; nil for an event of another node
	Event  string  // its name

	codec parser.Codec
	args  parser.Payload // without the name
	ack   func(r *Request, reply parser.Payload) error
	ackID int64
	acked bool
	task  task   // what a lane does with it
	fn    func() // of taskFunc
	buf   []byte // that args.Data is part of
}

// A Handler answers an event. It runs on a goroutine of the socket, one event
// at a time; ctx is done when the socket disconnects. If the peer asked for an
// acknowledgement, it gets the reply: nothing for nil, the elements of an
// [Args], every field of a struct that embeds event.Args, otherwise the one
// value; an error is sent in the form described at [OnCall].
type Handler func(ctx context.Context, r *Request) (reply any, err error)

// Args is a reply of several values.
type Args []any

// Bind decodes the arguments, in order, into pointers. Missing arguments leave
// their pointer's value as it is, further ones are ignored. Binary arguments
// arrive as []byte.
func (r *Request) Bind(args ...any) error {
	if err := r.codec.Unmarshal(r.args, 0, args...); err != nil {
		return badArguments(err)
	}
	return nil
}

// Len returns the number of arguments.
func (r *Request) Len() int { return r.codec.Args(r.args) }

// Args returns the arguments as they came. Handed to Emit as the only
// argument, or returned as the reply, they go out again without having been decoded.
func (r *Request) Args() *Payload { return &r.args }

// WantsAck reports whether the peer waits for an acknowledgement that it has not got yet.
func (r *Request) WantsAck() bool { return r.ackID >= 0 && !r.acked }

// Ack acknowledges the event before its handler returns, whose reply is then
// ignored. Only the first acknowledgement counts; without WantsAck it does nothing.
func (r *Request) Ack(args ...any) error {
	if !r.WantsAck() {
		return nil
	}
	r.acked = true
	buf := getBuffer()
	defer putBuffer(buf)
	p, err := marshal(r.codec, (*buf)[:0], "", args)
	if err != nil {
		return err
	}
	*buf = p.Data
	return r.ack(r, p)
}

// answer sends what the handler returned.
func (r *Request) answer(reply any, err error) error {
	if !r.WantsAck() {
		return nil
	}
	if err != nil {
		return r.Ack(errorReply(err))
	}
	switch v := reply.(type) {
	case nil:
		return r.Ack()
	case Args:
		return r.Ack(v...)
	case *parser.Payload:
		r.acked = true
		return r.ack(r, *v)
	}
	return r.Ack(reply)
}

// ackError is the error form of an acknowledgement.
type ackError struct {
	Error struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	} `json:"error"`
}

func errorReply(err error) ackError {
	e := public(err)
	var a ackError
	a.Error.Message, a.Error.Data = e.Message, e.Data
	return a
}

func badArguments(err error) error {
	return &Error{Message: "invalid arguments: " + err.Error()}
}

// call runs h, contains its panic and answers the peer.
func (r *Request) call(ctx context.Context, h Handler, log *slog.Logger) (panicked bool) {
	reply, err := r.protect(ctx, h)
	if r.Socket != nil {
		r.Socket.saveChanges()
	}
	if err != nil {
		panicked = r.failed(err, log)
	}
	if err := r.answer(reply, err); err != nil && !errors.Is(err, ErrClosed) {
		log.Warn("sio: acknowledgement not sent", "event", r.Event, "error", err)
	}
	return panicked
}

// failed logs the error of a handler and reports whether it was a panic.
func (r *Request) failed(err error, log *slog.Logger) (panicked bool) {
	var p *panicError
	switch {
	case errors.As(err, &p):
		log.Error("sio: handler panicked", "event", r.Event, "panic", p.value, "stack", string(p.stack))
		return true
	case public(err).Message == privateMessage && !r.ofClient(err):
		log.Error("sio: handler failed", "event", r.Event, "error", err)
	default:
		log.Debug("sio: handler refused", "event", r.Event, "error", err)
	}
	return false
}

// ofClient reports whether an error of a handler is no fault of the program: a
// client that passes a limit, or leaves, must not fill the log.
func (r *Request) ofClient(err error) bool {
	for _, limit := range []error{ErrTooManyRooms, ErrTooManyAcks, ErrNameTooLong} {
		if errors.Is(err, limit) {
			return true
		}
	}
	left := r.Socket != nil && r.Socket.state.Load() == closed
	return left && (errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled))
}

func (r *Request) protect(ctx context.Context, h Handler) (reply any, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return h(ctx, r)
}

// A panicError is a panic of user code.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// protect runs user code that is not a handler.
func protect(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return fn()
}

var requests = sync.Pool{New: func() any { return new(Request) }}

func getRequest() *Request { return requests.Get().(*Request) }

// keepBuffer is the size up to which the buffer of a request or an encoded
// packet is used again.
const keepBuffer = 16 << 10

func putRequest(r *Request) {
	buf := r.buf
	if cap(buf) > keepBuffer {
		buf = nil
	}
	*r = Request{buf: buf[:0]}
	requests.Put(r)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= keepBuffer {
		buffers.Put(b)
	}
}

// marshal encodes an event, or an acknowledgement when name is empty. Structs
// that embed event.Args become several arguments; the arguments of a [Request],
// alone, go out as they came.
func marshal(c parser.Codec, dst []byte, name string, args []any) (parser.Payload, error) {
	if len(args) == 1 {
		if p, ok := args[0].(*parser.Payload); ok {
			return c.Splice(dst, name, *p), nil
		}
	}
	return c.Marshal(dst, name, typed.Expand(args)...)
}
