package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/roomwire/roomwire/queue"
)

// engine is the queue's storage on a Pebble database.
type engine struct {
	db   *pebble.DB
	opt  *Options
	dir  string
	lock *pebble.Lock

	batches uint64        // numbers the batches; see stamp
	synced  atomic.Uint64 // the last that is on the disk

	// failed is why nothing is written any more; see fail.
	failed atomic.Pointer[error]
	// wounded says that Pebble itself gave up in the middle of something, so
	// that it cannot even be closed.
	wounded atomic.Bool
	fatal   chan struct{} // closed when Pebble's log told of a fatal error

	freeMu    sync.Mutex
	freeAt    time.Time // when free was asked for
	free      uint64
	total     uint64
	unflushed atomic.Pointer[error] // why the last flush or compaction went wrong; nil when it did not
}

// formatVersion is the on-disk format of Pebble that a store is written in. It
// is raised in a release of its own, because older releases cannot read what
// was written in a newer one. From FormatWALSyncChunks on, a damaged record
// in the middle of the log is told from a torn one at its end.
const formatVersion = pebble.FormatValueSeparation

func openEngine(dir string, o *Options, lock *pebble.Lock) (e *engine, err error) {
	if err := checkLogs(dir, o.FS); err != nil {
		return nil, err
	}
	e = &engine{opt: o, dir: dir, lock: lock, fatal: make(chan struct{})}
	cache := pebble.NewCache(o.Cache)
	defer cache.Unref()
	po := &pebble.Options{
		Cache:                       cache,
		FS:                          manifestFS{o.FS},
		Lock:                        lock,
		ReadOnly:                    o.ReadOnly,
		FormatMajorVersion:          formatVersion,
		MemTableSize:                uint64(o.MemTable),
		MemTableStopWritesThreshold: 4,
		Logger:                      logger{e},
		EventListener:               e.listener(),
	}
	for i := range po.Levels {
		// A bloom filter spares the disk the many questions for publish IDs
		// that were never seen.
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		po.Levels[i].FilterType = pebble.TableFilter
	}
	err = e.guard(func() (err error) {
		e.db, err = pebble.Open(dir, po)
		return err
	})
	if err != nil {
		return nil, translate(err)
	}
	return e, nil
}

// manifestFS syncs the directory when there is a new manifest in it. Pebble
// marks a manifest as the current one and syncs the directory after that alone:
// where a file that is synced is not yet sure of its name, a power failure could
// leave the mark without the manifest.
type manifestFS struct{ vfs.FS }

func (fs manifestFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if err != nil || !strings.HasPrefix(fs.PathBase(name), "MANIFEST-") {
		return f, err
	}
	if err := syncDir(fs.FS, fs.PathDir(name)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (fs manifestFS) Unwrap() vfs.FS { return fs.FS }

// guard calls into Pebble. Where Pebble would end the process, or panic, for
// an error of the disk, guard returns it. f runs on a goroutine of its own,
// because it may never come back: see logger.Fatalf.
func (e *engine) guard(f func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			switch r := recover().(type) {
			case nil:
			case error:
				// Pebble panics with the error of a write to its log.
				if _, ok := r.(runtime.Error); ok {
					panic(r)
				}
				e.fail(r)
				e.wounded.Store(true)
				done <- r
			default:
				panic(r)
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-e.fatal:
		return *e.failed.Load()
	}
}

// logger is Pebble's logger. Its Fatalf must not return.
type logger struct{ e *engine }

func (l logger) Infof(format string, args ...any) {
	l.e.opt.Logger.Debug(fmt.Sprintf("pebble: "+format, args...))
}

func (l logger) Errorf(format string, args ...any) {
	l.e.opt.Logger.Warn(fmt.Sprintf("pebble: "+format, args...))
}

// Fatalf stops the goroutine that called it, for good, but not the process:
// the store has failed, the server around it need not. The goroutine cannot be
// unwound, because nobody knows which of Pebble's locks it holds.
func (l logger) Fatalf(format string, args ...any) {
	l.e.fail(fmt.Errorf(format, args...))
	if l.e.wounded.CompareAndSwap(false, true) {
		close(l.e.fatal)
	}
	select {}
}

func (e *engine) listener() *pebble.EventListener {
	well := func() { e.unflushed.Store(nil) }
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if e.unflushed.Swap(&err) == nil {
				e.opt.Logger.Warn("pebble: cannot write in the background", "dir", e.dir, "error", err)
			}
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			e.opt.Logger.Error("pebble: damaged file", "dir", e.dir, "file", i.Path, "error", i.Details)
		},
		FlushEnd: func(i pebble.FlushInfo) {
			if i.Err == nil {
				well()
			}
		},
	}
}

// fail remembers why nothing may be written any more.
func (e *engine) fail(err error) {
	if e.failed.CompareAndSwap(nil, &err) {
		e.opt.Logger.Error("pebble: store has failed and takes no more writes; restart to recover what is on disk", "dir", e.dir, "error", err)
	}
}

// wrongSize is what Pebble says, without a kind of its own, when it finds
// a table of another size than it wrote.
const wrongSize = "object size mismatch"

// translate gives an error the queue's words.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case pebble.IsCorruptionError(err), strings.Contains(err.Error(), wrongSize):
		return fmt.Errorf("%w: %w", queue.ErrDamaged, err)
	case errors.Is(err, pebble.ErrReadOnly):
		return queue.ErrReadOnly
	}
	return err
}

// Get implements queue.Storage.
func (e *engine) Get(key []byte) ([]byte, bool, error) {
	v, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, translate(err)
	}
	v = bytes.Clone(v)
	if v == nil {
		v = []byte{}
	}
	return v, true, closer.Close()
}

// Cursor implements queue.Storage.
func (e *engine) Cursor(lo, hi []byte) queue.Cursor {
	it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: bytes.Clone(lo), UpperBound: bytes.Clone(hi)})
	return &cursor{it: it, err: err}
}

type cursor struct {
	it    *pebble.Iterator
	err   error // of making it
	begun bool
}

func (c *cursor) Seek(key []byte) bool {
	c.begun = true
	return c.err == nil && c.it.SeekGE(key)
}

func (c *cursor) Next() bool {
	if c.err != nil {
		return false
	}
	if !c.begun {
		c.begun = true
		return c.it.First()
	}
	return c.it.Next()
}

func (c *cursor) Key() []byte { return c.it.Key() }

func (c *cursor) Value() []byte {
	v, err := c.it.ValueAndErr()
	if err != nil && c.err == nil {
		c.err = err
	}
	return v
}

func (c *cursor) Err() error {
	if c.err != nil {
		return translate(c.err)
	}
	return translate(c.it.Error())
}

func (c *cursor) Close() error {
	if c.it == nil {
		return nil
	}
	err := c.it.Close()
	c.it = nil
	return translate(err)
}

type batch struct {
	b       *pebble.Batch
	added   int // bytes of values
	removed int // keys, a range for one
}

func (b *batch) Set(key, value []byte) {
	b.added += len(value)
	_ = b.b.Set(key, value, nil) // never fails
}

func (b *batch) Delete(key []byte) {
	b.removed++
	_ = b.b.Delete(key, nil)
}

func (b *batch) DeleteRange(lo, hi []byte) {
	b.removed++
	_ = b.b.DeleteRange(lo, hi, nil)
}

func (b *batch) Len() int { return int(b.b.Count()) }

// frees reports whether a batch removes more than it adds: of what it adds, no
// more than the counts that go with what it removes.
func (b *batch) frees() bool { return b.removed > 0 && b.added <= 64*(b.removed+1) }

// NewBatch implements queue.Storage.
func (e *engine) NewBatch() queue.Batch { return &batch{b: e.db.NewBatch()} }

// Apply implements queue.Storage.
func (e *engine) Apply(qb queue.Batch, sync bool) (func() error, error) {
	qbatch := qb.(*batch)
	b := qbatch.b
	if err := e.failed.Load(); err != nil {
		return nil, *err
	}
	if e.opt.ReadOnly {
		return nil, queue.ErrReadOnly
	}
	if err := e.room(qbatch); err != nil {
		return nil, err
	}
	e.batches++
	n := e.batches
	_ = b.LogData(stamp(n, e.synced.Load()), nil)
	err := e.guard(func() error {
		if !sync {
			return e.db.Apply(b, pebble.NoSync)
		}
		return e.db.ApplyNoSyncWait(b, pebble.Sync)
	})
	if err != nil {
		e.fail(err)
		return nil, err
	}
	if !sync {
		return nil, b.Close()
	}
	return func() error { return e.await(b, n) }, nil
}

// await waits until b is on the disk.
func (e *engine) await(b *pebble.Batch, n uint64) error {
	err := b.SyncWait()
	if err == nil {
		err = b.Close()
	}
	// A goroutine of Pebble's may have given up while this one waited.
	if failed := e.failed.Load(); err == nil && failed != nil {
		err = *failed
	}
	if err != nil {
		e.fail(err)
		return err
	}
	for was := e.synced.Load(); was < n && !e.synced.CompareAndSwap(was, n); {
		was = e.synced.Load()
	}
	return nil
}

// room refuses a write for which the disk has no room, before Pebble finds
// out in the middle of it. The first write of a start is small and let
// through, so that a store on a full disk can be read; and what makes room has
// three quarters of what must be left. It asks the disk at most every tenth of
// a second.
func (e *engine) room(b *batch) error {
	if err := e.unflushed.Load(); err != nil && vfs.IsNoSpaceError(*err) {
		return fmt.Errorf("%w: %w", queue.ErrFull, *err)
	}
	if e.opt.MinFree < 0 || e.batches == 0 {
		return nil
	}
	e.freeMu.Lock()
	defer e.freeMu.Unlock()
	if now := time.Now(); now.Sub(e.freeAt) > 100*time.Millisecond || now.Before(e.freeAt) {
		u, err := e.opt.FS.GetDiskUsage(e.dir)
		if err != nil {
			return nil // not every file system can tell
		}
		e.freeAt, e.free, e.total = now, u.AvailBytes, u.TotalBytes
	}
	want := uint64(e.opt.MinFree)
	if want == 0 {
		want = defaultMinFree
		if e.total > 0 {
			want = min(want, e.total/8)
		}
	}
	if b.frees() {
		want /= 4
	}
	if e.free < want+uint64(b.b.Len()) {
		return fmt.Errorf("%w: %d MiB left in %s, %d MiB wanted", queue.ErrFull, e.free>>20, e.dir, want>>20)
	}
	return nil
}

// Close implements queue.Storage. It writes what is in memory to tables, so
// that the next start has nothing to read again.
func (e *engine) Close() error {
	if e.wounded.Load() {
		// Pebble cannot be closed. Its lock stays with the process, because
		// parts of it may still run.
		return *e.failed.Load()
	}
	var first error
	if e.failed.Load() == nil && !e.opt.ReadOnly {
		first = e.guard(e.db.Flush)
	}
	if err := e.guard(e.db.Close); first == nil {
		first = err
	}
	if err := e.lock.Close(); first == nil {
		first = err
	}
	if failed := e.failed.Load(); failed != nil {
		return *failed
	}
	return first
}
