package pebble

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of a [Store]. The zero value of a field is its default.
type Options struct {
	// Logger takes what an operator should know; Pebble's own chatter goes to
	// it at the debug level. Nil: slog.Default().
	Logger *slog.Logger
	// Cache is the memory for blocks that were read, in bytes. Zero: 16 MiB.
	Cache int64
	// MemTable is the memory for what was written last, in bytes; up to four
	// of them are in use for a moment, and as much is read again at the next
	// start after a crash. Zero: 8 MiB.
	MemTable int
	// MinFree is the room that must be left on the disk, in bytes. With less,
	// writes are refused with queue.ErrFull, and taken again when there is
	// enough; those that only remove something are taken down to a quarter of
	// it. Zero: 64 MiB, or an eighth of a disk of less than 512 MiB. Negative:
	// writes are never refused for it.
	MinFree int64
	// Janitor is the time between two rounds of the queue's janitor. Zero: a
	// minute. Negative: no janitor.
	Janitor time.Duration
	// ReadOnly opens the store without changing anything on disk; every write
	// is refused with queue.ErrReadOnly.
	ReadOnly bool
	// FS is the file system. Nil: the machine's. Tests put one in that loses
	// what was not synced.
	FS vfs.FS
}

const defaultMinFree = 64 << 20

func (o *Options) withDefaults() *Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Cache <= 0 {
		c.Cache = 16 << 20
	}
	if c.MemTable <= 0 {
		c.MemTable = 8 << 20
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	return &c
}
