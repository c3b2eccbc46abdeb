package main

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A fault is an operation on the disk at which the crash comes, so that it also
// comes in the middle of an append, of a new log, a flush, a compaction or a new
// manifest. The zero fault is none: the crash comes when its time has come.
type fault struct {
	Kind string `json:"kind,omitempty"` // of faultKinds
	Nth  int    `json:"nth,omitempty"`  // counted from 1
}

// faultKinds say of what kind an operation is.
var faultKinds = map[string]func(op errorfs.Op) bool{
	"append": func(op errorfs.Op) bool { return written(op) && strings.HasSuffix(op.Path, ".log") },
	"sync":   func(op errorfs.Op) bool { return synced(op) && strings.HasSuffix(op.Path, ".log") },
	"roll":   func(op errorfs.Op) bool { return made(op) && strings.HasSuffix(op.Path, ".log") },
	"table": func(op errorfs.Op) bool {
		return (made(op) || written(op) || synced(op)) && strings.HasSuffix(op.Path, ".sst")
	},
	"manifest": func(op errorfs.Op) bool { return (written(op) || synced(op)) && strings.Contains(op.Path, "MANIFEST") },
	"remove":   func(op errorfs.Op) bool { return op.Kind == errorfs.OpRemove },
}

func written(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite }

func synced(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

func made(op errorfs.Op) bool {
	return op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite
}

// randomFault returns a fault, or in a quarter of the cases none.
func randomFault(r *rand.Rand) fault {
	switch r.IntN(8) {
	case 0:
		return fault{"append", 1 + r.IntN(60)}
	case 1:
		return fault{"sync", 1 + r.IntN(60)}
	case 2:
		return fault{"roll", 1 + r.IntN(3)}
	case 3:
		return fault{"table", 1 + r.IntN(12)}
	case 4:
		return fault{"manifest", 1 + r.IntN(5)}
	case 5:
		return fault{"remove", 1 + r.IntN(3)}
	}
	return fault{}
}

// on returns fs with the fault in it: crash is called once, before the operation
// is done.
func (f fault) on(fs vfs.FS, crash func()) vfs.FS {
	is := faultKinds[f.Kind]
	if is == nil {
		return fs
	}
	var n atomic.Int64
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if is(op) && n.Add(1) == int64(f.Nth) {
			crash()
		}
		return nil
	}))
}
