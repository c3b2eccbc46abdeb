// Package pebble keeps queues on disk, in a Pebble database of its own.
//
// What was acknowledged is synced to the disk: it survives the end of the
// process and of the machine. Writers share syncs, so many publishers cost
// little more than one. A store belongs to one process at a time.
package pebble

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/roomwire/roomwire/queue"
)

// Errors of this package; compare with errors.Is.
var (
	// ErrLocked says that another process, or another part of this one, has
	// the store open.
	ErrLocked = errors.New("pebble: store is in use")
	// ErrExists says that a backup's directory is there already.
	ErrExists = errors.New("pebble: directory exists")
)

// A Store is a queue.Store in a directory.
type Store struct {
	*queue.Store
	dir string
	e   *engine
}

// copied is a file in a directory that was made by Backup. The first open
// gives everything in it a new epoch, because what the original acknowledged
// after the backup is not in it.
const copied = "ROOMWIRE-COPY"

// Open opens the store in dir, and makes it when there is none. Nil options
// are the defaults. The error wraps [ErrLocked] when someone else has it open,
// and queue.ErrDamaged when its files are not what had been written: see [Fsck].
func Open(dir string, o *Options) (*Store, error) {
	o = o.withDefaults()
	if !o.ReadOnly {
		if err := o.FS.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("pebble: cannot make %s: %w", dir, err)
		}
	}
	lock, err := lockDir(dir, o)
	if err != nil {
		return nil, err
	}
	e, err := openEngine(dir, o, lock)
	if err != nil {
		lock.Close()
		if errors.Is(err, queue.ErrDamaged) {
			return nil, fmt.Errorf("pebble: store in %s is damaged: check it with \"roomwire queue fsck\": %w", dir, err)
		}
		return nil, fmt.Errorf("pebble: cannot open %s: %w", dir, err)
	}
	mark := o.FS.PathJoin(dir, copied)
	_, err = o.FS.Stat(mark)
	isCopy := err == nil
	qs, err := queue.Open(e, &queue.Options{Logger: o.Logger, Janitor: o.Janitor, NewEpochs: isCopy && !o.ReadOnly})
	if err == nil && isCopy && !o.ReadOnly {
		err = o.FS.Remove(mark)
	}
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("pebble: cannot open %s: %w", dir, err)
	}
	return &Store{Store: qs, dir: dir, e: e}, nil
}

// lockDir takes the directory for this process.
func lockDir(dir string, o *Options) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, o.FS)
	if err == nil {
		return lock, nil
	}
	switch {
	case o.ReadOnly && errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("pebble: there is no store in %s: %w", dir, err)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS), vfs.IsNoSpaceError(err):
		return nil, fmt.Errorf("pebble: cannot lock the store in %s, which takes a file in it that can be written to: %w", dir, err)
	}
	return nil, fmt.Errorf("%w: %s is open in another process: stop that one, or give this one a directory of its own (%v)", ErrLocked, dir, err)
}

// Dir returns the directory of s.
func (s *Store) Dir() string { return s.dir }

// DiskUsage returns the bytes of all files of s.
func (s *Store) DiskUsage() int64 { return int64(s.e.db.Metrics().DiskSpaceUsage()) }

// Backup writes a copy of s to dir, which must not exist, while s is in use:
// everything that was acknowledged before the call is in it. Opened as a
// store of its own, or moved to where the original was, the copy has new
// epochs: readers of the original get a gap, not another's records.
func (s *Store) Backup(dir string) error {
	if _, err := s.e.opt.FS.Stat(dir); err == nil {
		return fmt.Errorf("%w: %s", ErrExists, dir)
	}
	part := dir + ".part"
	if err := s.e.opt.FS.RemoveAll(part); err != nil {
		return fmt.Errorf("pebble: backup: %w", err)
	}
	if err := s.e.guard(func() error { return s.e.db.Checkpoint(part, pebble.WithFlushedWAL()) }); err != nil {
		return fmt.Errorf("pebble: backup to %s: %w", dir, err)
	}
	if err := writeMark(s.e.opt.FS, part); err != nil {
		return fmt.Errorf("pebble: backup to %s: %w", dir, err)
	}
	if err := s.e.opt.FS.Rename(part, dir); err != nil {
		return fmt.Errorf("pebble: backup to %s: %w", dir, err)
	}
	return syncDir(s.e.opt.FS, s.e.opt.FS.PathDir(dir))
}

// writeMark marks dir as a copy, durably.
func writeMark(fs vfs.FS, dir string) error {
	f, err := fs.Create(fs.PathJoin(dir, copied), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "copied at %s; the next open gives it new epochs\n", time.Now().UTC().Format(time.RFC3339))
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = syncDir(fs, dir)
	}
	return err
}

func syncDir(fs vfs.FS, dir string) error {
	if dir == "" {
		dir = "."
	}
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if err2 := d.Close(); err == nil {
		err = err2
	}
	return err
}
