package queue

import (
	"errors"
	"fmt"
)

// A Storage is an ordered map of byte strings that can be written atomically
// and made durable: the one seam below this package. [Memory] is the storage
// of tests and of servers that need no durability; stores/pebble keeps it on
// disk.
//
// Get, Cursor and the cursors may be used by many goroutines at once, while
// one other goroutine calls NewBatch and Apply.
type Storage interface {
	// Get returns a copy of the value of key; ok is false when there is none.
	// An error that wraps [ErrDamaged] says that the key may exist but cannot
	// be read.
	Get(key []byte) (value []byte, ok bool, err error)
	// Cursor returns a cursor over the keys lo ≤ key < hi. It sees every key
	// that is there for all of its life; of others, any.
	Cursor(lo, hi []byte) Cursor
	// NewBatch returns an empty batch.
	NewBatch() Batch
	// Apply writes b, all of it or nothing, and makes it visible. With sync it
	// also asks for it to be made durable: wait then returns when b, and
	// everything applied before it, is, and must be called; a nil wait says
	// that it is already. The next Apply may come before wait has returned.
	//
	// An error of Apply that wraps [ErrRefused] says that nothing was written
	// and that a later Apply may succeed. After any other error, and any
	// error of wait, the state on disk is not known, and every later Apply
	// and wait must fail.
	Apply(b Batch, sync bool) (wait func() error, err error)
	// Close frees what the storage holds. No other call runs or follows.
	Close() error
}

// A Batch collects writes for [Storage.Apply]. Keys and values are copied. It
// belongs to one goroutine and is spent when it was applied.
type Batch interface {
	Set(key, value []byte)
	Delete(key []byte)
	DeleteRange(lo, hi []byte) // lo ≤ key < hi
	Len() int                  // number of writes
}

// A Cursor walks keys in order. It begins before the first key, belongs to one
// goroutine and must be closed.
type Cursor interface {
	// Seek moves to the first key ≥ key; it reports whether there is one.
	Seek(key []byte) bool
	// Next moves to the next key; it reports whether there is one.
	Next() bool
	// Key and Value return what the cursor is at, valid until it moves.
	Key() []byte
	Value() []byte
	// Err returns what ended the walk early; it wraps [ErrDamaged] when the
	// data could be read but were not what had been written.
	Err() error
	Close() error
}

// Errors of this package; compare with errors.Is.
var (
	// ErrClosed is returned by every call on a closed store.
	ErrClosed = errors.New("queue: store is closed")
	// ErrFailed says that an earlier write or sync went wrong, so that the
	// store does not know what is on disk. It takes no more writes until it
	// is opened again.
	ErrFailed = errors.New("queue: store has failed and takes no more writes")
	// ErrRefused says that a write was not begun, and that nothing of it is
	// stored; [ErrFull] and [ErrReadOnly] are kinds of it.
	ErrRefused = errors.New("queue: write refused")
	// ErrFull says that the disk has too little room left. Writes are taken
	// again when there is.
	ErrFull = fmt.Errorf("%w: disk full", ErrRefused)
	// ErrReadOnly says that the storage was opened for reading.
	ErrReadOnly = fmt.Errorf("%w: read-only", ErrRefused)
	// ErrDamaged says that stored data are not what had been written: a
	// checksum does not match.
	ErrDamaged = errors.New("queue: damaged data")
	// ErrTooLarge says that a message, a name or a number of things is over
	// its limit.
	ErrTooLarge = errors.New("queue: too large")
	// ErrNotFound says that there is no such thing (any more).
	ErrNotFound = errors.New("queue: not found")
)
