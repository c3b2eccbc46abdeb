package pebble

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/roomwire/roomwire/queue"
)

// Fsck reads everything in the store in dir, which nobody may have open, and
// reports what is not as it was written; see [queue.Check].
//
// With repair it then makes the store whole: it keeps what can be read, makes
// indexes and counts anew, and gives new epochs if anything was lost. When
// files of the database itself are damaged it does so in a copy, which takes
// the place of dir; the old files stay beside it, in dir.damaged-TIME.
func Fsck(ctx context.Context, dir string, o *Options, repair bool) (*queue.Report, error) {
	o = o.withDefaults()
	if _, err := o.FS.Stat(dir); err != nil {
		return nil, fmt.Errorf("pebble: there is no store in %s: %w", dir, err)
	}
	o.ReadOnly = true
	e, err := openForFsck(dir, o)
	if errors.Is(err, queue.ErrDamaged) {
		r := &queue.Report{Lost: true, Problems: []queue.Problem{{Kind: "unreadable", Text: err.Error()}}}
		if !repair {
			return r, nil
		}
		return r, rebuild(ctx, dir, o, r)
	}
	if err != nil {
		return nil, err
	}
	r, err := queue.Check(ctx, e, queue.CheckOptions{})
	if err2 := e.Close(); err == nil {
		err = err2
	}
	if err != nil || !repair || len(r.Problems) == 0 {
		return r, err
	}
	for _, p := range r.Problems {
		if p.Kind == "unreadable" {
			return r, rebuild(ctx, dir, o, r)
		}
	}
	return repairIn(ctx, dir, o, r)
}

func openForFsck(dir string, o *Options) (*engine, error) {
	if !o.ReadOnly {
		if err := o.FS.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	lock, err := lockDir(dir, o)
	if err != nil {
		return nil, err
	}
	e, err := openEngine(dir, o, lock)
	if err != nil {
		lock.Close()
	}
	return e, err
}

// repairIn repairs what the database itself can still read.
func repairIn(ctx context.Context, dir string, o *Options, first *queue.Report) (*queue.Report, error) {
	w := *o
	w.ReadOnly = false
	e, err := openForFsck(dir, &w)
	if err != nil {
		return first, err
	}
	r, err := queue.Check(ctx, e, queue.CheckOptions{Repair: true})
	if err2 := e.Close(); err == nil {
		err = err2
	}
	return r, err
}

// rebuild makes a new store of what can be read in dir.
func rebuild(ctx context.Context, dir string, o *Options, r *queue.Report) error {
	work, fresh := dir+".salvage", dir+".repaired"
	for _, d := range []string{work, fresh} {
		if err := o.FS.RemoveAll(d); err != nil {
			return err
		}
	}
	if _, err := vfs.Clone(o.FS, o.FS, dir, work, vfs.CloneSync); err != nil {
		return err
	}
	batches, err := takeLogs(work, o.FS)
	if err != nil {
		return err
	}
	w := *o
	w.ReadOnly = false
	from, err := openForFsck(work, &w)
	if err != nil {
		_ = o.FS.RemoveAll(work)
		return fmt.Errorf("pebble: the tables of %s cannot be opened either: restore a backup: %w", dir, err)
	}
	for _, b := range batches {
		if err := replay(from, b); err != nil {
			r.Problems = append(r.Problems, queue.Problem{Kind: "damaged", Text: "a batch of the log: " + err.Error()})
		}
	}
	to, err := openForFsck(fresh, &w)
	if err != nil {
		from.Close()
		return err
	}
	_, _, err = queue.Salvage(ctx, from, to)
	from.Close() // what is wrong with it is known
	if err == nil {
		var again *queue.Report
		again, err = queue.Check(ctx, to, queue.CheckOptions{Repair: true})
		r.Repaired, r.Keys, r.Records, r.Messages, r.Jobs, r.Sessions =
			again.Repaired, again.Keys, again.Records, again.Messages, again.Jobs, again.Sessions
	}
	if err2 := to.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = writeMark(o.FS, fresh) // new epochs at the next open
	}
	if err == nil {
		err = o.FS.Rename(dir, dir+".damaged-"+time.Now().UTC().Format("20060102T150405"))
	}
	if err == nil {
		err = o.FS.Rename(fresh, dir)
	}
	if err == nil {
		err = syncDir(o.FS, o.FS.PathDir(dir))
	}
	_ = o.FS.RemoveAll(work)
	return err
}

// takeLogs removes the logs from dir and returns the batches in them, in order.
func takeLogs(dir string, fs vfs.FS) (batches [][]byte, err error) {
	err = eachLog(dir, fs, func(path string, records [][]byte, _ []int) error {
		batches = append(batches, records...)
		return fs.Remove(path)
	})
	return batches, err
}

// replay writes a batch as it stood in a log.
func replay(e *engine, repr []byte) error {
	if len(repr) < 12 {
		return fmt.Errorf("%d bytes", len(repr))
	}
	b := e.db.NewBatch()
	if err := b.SetRepr(repr); err != nil {
		return err
	}
	return e.guard(func() error { return e.db.Apply(b, pebble.NoSync) })
}
