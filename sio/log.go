package sio

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"
	"time"
)

// A Log keeps the durable events and the sessions of one namespace where they
// outlive the process. Its methods may be called by many goroutines at once.
type Log interface {
	// Append stores an event and, when it is stored, calls sent with its
	// place, before it returns. The calls of sent come one at a time and in
	// the order of the log; sent does not call the Log.
	Append(ctx context.Context, e LogEvent, sent func(at Place)) error
	// InOrder calls fn between two calls of sent, with the place of the
	// newest event. fn may call After.
	InOrder(ctx context.Context, fn func(last Place)) error
	// After yields the events after a place that are for everybody or for
	// one of rooms, in the order of the log. It ends with an error, and
	// without having left anything out before, when some of them are not
	// there any more.
	After(ctx context.Context, at Place, rooms []string) iter.Seq2[LogEvent, error]

	// PutSession stores a session. A live one does not end; its time begins
	// when it is put again as not live, or when the Log is opened again.
	// fence is what TakeSession returned, 0 for a new one.
	PutSession(ctx context.Context, pid string, data []byte, fence uint64, live bool, ttl time.Duration) error
	// TakeSession returns a session, with a fence that makes puts with
	// earlier ones fail, or ErrNoSession.
	TakeSession(ctx context.Context, pid string) (data []byte, fence uint64, err error)
	// DropSession removes a session, unless it was taken with a later fence.
	DropSession(ctx context.Context, pid string, fence uint64) error
}

// Errors of a [Log].
var (
	// ErrNoSession says that there is no such session (any more).
	ErrNoSession = errors.New("sio: no such session")
	// ErrFenced says that somebody took the session since.
	ErrFenced = errors.New("sio: session was taken")
)

// A LogEvent is an event in a [Log].
type LogEvent struct {
	At      Place // set by After
	Rooms   []string
	Except  []string
	Payload Payload // the name and the arguments, without an offset
}

// A Place is a place in a [Log]. Sequence numbers of different epochs cannot
// be compared. The zero Place is before everything.
type Place struct{ Epoch, Seq uint64 }

// String writes the place as a part of an offset.
func (p Place) String() string {
	return strconv.FormatUint(p.Epoch, 36) + "." + strconv.FormatUint(p.Seq, 36)
}

func parsePlace(s string) (p Place, ok bool) {
	epoch, seq, found := strings.Cut(s, ".")
	var err1, err2 error
	p.Epoch, err1 = strconv.ParseUint(epoch, 36, 64)
	p.Seq, err2 = strconv.ParseUint(seq, 36, 64)
	return p, found && err1 == nil && err2 == nil
}
