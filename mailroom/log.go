package mailroom

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

// LogOptions configure [Log]. A zero field is its default.
type LogOptions struct {
	// Events is how long durable events are kept, of a namespace as a whole;
	// default 7 days and 1 GiB.
	Events queue.Retention
	// Room is how long those of a room are kept; nil: as Events says.
	Room func(room string) queue.Retention
	// Sessions bound what is kept of lost connections.
	Sessions queue.SessionOptions
}

// Log returns a value for the field Log of sio.Recovery: every namespace has a
// log and sessions of its own in store, under its name.
func Log(store *queue.Store, opts *LogOptions) func(namespace string) (sio.Log, error) {
	var o LogOptions
	if opts != nil {
		o = *opts
	}
	if o.Events == (queue.Retention{}) {
		o.Events = queue.Retention{Age: 7 * 24 * time.Hour, Bytes: 1 << 30}
	}
	return func(namespace string) (sio.Log, error) {
		ctx := context.Background() // opening reads, and waits for one write at most
		log, err := store.Log(ctx, namespace, &queue.LogOptions{Retention: o.Events, RoomRetention: o.Room})
		if err != nil {
			return nil, err
		}
		sessions, err := store.Sessions(ctx, namespace, &o.Sessions)
		if err != nil {
			return nil, err
		}
		return &eventLog{log, sessions}, nil
	}
}

// An eventLog is a queue.Log with the sessions of its namespace.
type eventLog struct {
	log      *queue.Log
	sessions *queue.Sessions
}

// Append implements sio.Log.
func (l *eventLog) Append(ctx context.Context, e sio.LogEvent, sent func(at sio.Place)) error {
	header, data := pack(e.Payload)
	r := queue.Record{Rooms: e.Rooms, Except: e.Except, Header: header, Data: data}
	_, err := l.log.AppendBatch(ctx, []queue.Record{r}, func(a []queue.Appended) { sent(sio.Place(a[0].Offset)) })
	return err
}

// InOrder implements sio.Log.
func (l *eventLog) InOrder(ctx context.Context, fn func(last sio.Place)) error {
	return l.log.InOrder(ctx, func(last queue.Offset) { fn(sio.Place(last)) })
}

// After implements sio.Log.
func (l *eventLog) After(ctx context.Context, at sio.Place, rooms []string) iter.Seq2[sio.LogEvent, error] {
	return func(yield func(sio.LogEvent, error) bool) {
		for e, err := range l.log.Read(ctx, queue.Offset(at), rooms, 0) {
			event := sio.LogEvent{At: sio.Place(e.Offset), Rooms: e.Rooms, Except: e.Except}
			if err == nil {
				event.Payload, err = unpack(e.Header, e.Data)
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// PutSession implements sio.Log.
func (l *eventLog) PutSession(ctx context.Context, pid string, data []byte, fence uint64, live bool, ttl time.Duration) error {
	err := l.sessions.Put(ctx, pid, queue.Session{Data: data, Fence: fence, Live: live, TTL: ttl})
	return sessionError(err)
}

// TakeSession implements sio.Log.
func (l *eventLog) TakeSession(ctx context.Context, pid string) ([]byte, uint64, error) {
	se, err := l.sessions.Take(ctx, pid)
	return se.Data, se.Fence, sessionError(err)
}

// DropSession implements sio.Log.
func (l *eventLog) DropSession(ctx context.Context, pid string, fence uint64) error {
	return sessionError(l.sessions.Delete(ctx, pid, fence))
}

func sessionError(err error) error {
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return sio.ErrNoSession
	case errors.Is(err, queue.ErrFenced):
		return sio.ErrFenced
	}
	return err
}

// pack writes a payload as the header and the data of a record: the sizes of
// its parts, and the parts. An event without binary has no header.
func pack(p sio.Payload) (header, data []byte) {
	if len(p.Attachments) == 0 {
		return nil, p.Data
	}
	header = binary.AppendUvarint(nil, uint64(len(p.Data)))
	data = append([]byte{}, p.Data...)
	for _, a := range p.Attachments {
		header = binary.AppendUvarint(header, uint64(len(a)))
		data = append(data, a...)
	}
	return header, data
}

var errPacked = errors.New("mailroom: stored event is malformed")

func unpack(header, data []byte) (p sio.Payload, err error) {
	if len(header) == 0 {
		return sio.Payload{Data: data}, nil
	}
	for first := true; len(header) > 0; first = false {
		size, n := binary.Uvarint(header)
		if n <= 0 || size > uint64(len(data)) {
			return p, fmt.Errorf("%w: a part of %d bytes", errPacked, size)
		}
		header = header[n:]
		part := data[:size:size]
		data = data[size:]
		if first {
			p.Data = part
		} else {
			p.Attachments = append(p.Attachments, part)
		}
	}
	return p, nil
}
