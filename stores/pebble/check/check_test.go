package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestNothingAcknowledgedIsLostByKill(t *testing.T) {
	if err := kills(t.Output(), 1, 12); err != nil {
		t.Fatal(err)
	}
}

func TestNothingAcknowledgedIsLostByPowerFailure(t *testing.T) {
	if err := crashes(t.Output(), 1, 12, honest); err != nil {
		t.Fatal(err)
	}
}

// lyingFS is a disk that says that it synced its log, and did not.
type lyingFS struct{ vfs.FS }

type lyingFile struct{ vfs.File }

func (lyingFile) Sync() error                { return nil }
func (lyingFile) SyncData() error            { return nil }
func (lyingFile) SyncTo(int64) (bool, error) { return true, nil }

func (fs lyingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return lyingFile{f}, nil
}

func TestCheckerNoticesADiskThatDoesNotSync(t *testing.T) {
	err := crashes(t.Output(), 1, 10, func(fs vfs.FS) vfs.FS { return lyingFS{fs} })
	if v := (violation{}); !errors.As(err, &v) {
		t.Fatalf("got %v, want a violation", err)
	}
	t.Log(err)
}
