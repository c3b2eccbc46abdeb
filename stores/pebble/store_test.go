package pebble_test

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/queue/queuetest"
	"github.com/roomwire/roomwire/stores/pebble"
)

var background = context.Background()

func open(t testing.TB, dir string, o *pebble.Options) *pebble.Store {
	t.Helper()
	if o == nil {
		o = &pebble.Options{}
	}
	o.Logger = quiet
	o.Janitor = -1
	s, err := pebble.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openLog(t testing.TB, s *pebble.Store) *queue.Log {
	t.Helper()
	l, err := s.Log(background, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func add(t testing.TB, l *queue.Log, text string) queue.Offset {
	t.Helper()
	a, err := l.Append(background, queue.Record{Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return a.Offset
}

func texts(l *queue.Log) string {
	var list []string
	for e, err := range l.ReadAll(background, queue.Offset{}, 0) {
		if err != nil {
			list = append(list, err.Error())
			continue
		}
		list = append(list, string(e.Data))
	}
	return strings.Join(list, " ")
}

func TestStorePassesTheSuite(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queuetest.Opener {
		dir := t.TempDir()
		return func(t *testing.T, o *queue.Options) *queue.Store {
			s, err := pebble.OpenQueue(dir, &pebble.Options{Logger: quiet}, o)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}

func TestSecondOpenIsRefusedAndSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	_, err := pebble.Open(dir, &pebble.Options{Logger: quiet})
	if !errors.Is(err, pebble.ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "stop that one") {
		t.Fatalf("second open: %v", err)
	}
}

func TestBackupHoldsWhatWasAcknowledgedAndHasNewEpochs(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	l := openLog(t, s)
	last := add(t, l, "one")
	dir := filepath.Join(t.TempDir(), "backup")
	if err := s.Backup(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(dir); !errors.Is(err, pebble.ErrExists) {
		t.Fatalf("second backup: %v", err)
	}
	add(t, l, "two")
	epochs := []uint64{last.Epoch}
	for range 2 {
		b := open(t, dir, nil)
		c := openLog(t, b)
		if got := texts(c); got != "one" {
			t.Fatalf("backup holds %q", got)
		}
		epochs = append(epochs, c.Bounds().Epoch)
		b.Close()
	}
	if epochs[1] == epochs[0] || epochs[2] != epochs[1] {
		t.Fatalf("epochs of the original, the backup and the backup opened again: %v", epochs)
	}
	if got := texts(l); got != "one two" {
		t.Fatalf("original holds %q", got)
	}
}

func TestReadOnlyStoreReadsAndRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	add(t, openLog(t, s), "one")
	s.Close()
	r := open(t, dir, &pebble.Options{ReadOnly: true})
	l := openLog(t, r)
	if got := texts(l); got != "one" {
		t.Fatalf("holds %q", got)
	}
	if _, err := l.Append(background, queue.Record{}); !errors.Is(err, queue.ErrReadOnly) {
		t.Fatalf("append: %v", err)
	}
	_, err := pebble.Open(filepath.Join(dir, "none"), &pebble.Options{ReadOnly: true, Logger: quiet})
	if err == nil {
		t.Fatal("a store that is not there was opened for reading")
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Fatal("opening for reading made a directory")
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	add(t, openLog(t, s), "one")
	s.Close()
	// The schema is sealed as every value is: version, checksum, number.
	err := pebble.Change(dir, &pebble.Options{Logger: quiet}, func(key, value []byte) []byte {
		if string(key) != "aschema" {
			return nil
		}
		sum := crc32.MakeTable(crc32.Castagnoli)
		body := []byte{99}
		return append(binary.LittleEndian.AppendUint32([]byte{1}, crc32.Update(crc32.Update(1, sum, key), sum, body)), body...)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = pebble.Open(dir, &pebble.Options{Logger: quiet})
	if err == nil || !strings.Contains(err.Error(), "schema 99") {
		t.Fatalf("open: %v", err)
	}
}
