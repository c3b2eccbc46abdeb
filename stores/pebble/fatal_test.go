package pebble_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/stores/pebble"
)

// Pebble ends the process when it cannot write its manifest. The store must
// not: it refuses writes, and whoever waited gets an error. Goroutines of
// Pebble stay behind, so the test runs in a process of its own.
func TestProcessSurvivesWhatPebbleTakesForFatal(t *testing.T) {
	if os.Getenv(aloneVariable) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), aloneVariable+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	mem, fs, on := failing(func(op errorfs.Op) error {
		if isSync(op) && strings.Contains(op.Path, "MANIFEST") {
			return syscall.EIO
		}
		return nil
	})
	s := open(t, "data", &pebble.Options{FS: fs, MemTable: 64 << 10})
	l := openLog(t, s)
	fill(t, l, 10)
	on.Store(true)
	var err error
	for end := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(end); {
		_, err = l.Append(background, queue.Record{Data: make([]byte, 4096)})
	}
	if !errors.Is(err, queue.ErrFailed) {
		t.Fatalf("append: %v", err)
	}
	if err := s.Close(); err == nil {
		t.Fatal("Close says that all is well")
	}
	on.Store(false)
	// Parts of Pebble may still run, so the directory stays locked.
	if _, err := pebble.Open("data", &pebble.Options{FS: mem, Logger: quiet}); !errors.Is(err, pebble.ErrLocked) {
		t.Fatalf("open in the same process: %v", err)
	}
}
