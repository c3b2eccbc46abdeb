package pebble_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/stores/pebble"
)

// failing returns a file system in memory on which operations fail from the
// time on when the switch is on, if wrong says so.
func failing(wrong func(op errorfs.Op) error) (mem *vfs.MemFS, fs vfs.FS, on *atomic.Bool) {
	mem, on = vfs.NewMem(), new(atomic.Bool)
	fs = errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !on.Load() {
			return nil
		}
		return wrong(op)
	}))
	return mem, fs, on
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

func TestStoreTakesNoMoreWritesAfterAnErrorOfTheDisk(t *testing.T) {
	for name, wrong := range map[string]func(op errorfs.Op) error{
		"fsync EIO": func(op errorfs.Op) error {
			if isSync(op) && strings.HasSuffix(op.Path, ".log") {
				return syscall.EIO
			}
			return nil
		},
		"write ENOSPC": func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log") {
				return syscall.ENOSPC
			}
			return nil
		},
		"read-only": func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
				return syscall.EROFS
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			mem, fs, on := failing(wrong)
			s := open(t, "data", &pebble.Options{FS: fs})
			l := openLog(t, s)
			add(t, l, "before")
			on.Store(true)
			for range 2 {
				_, err := l.AppendBatch(background, []queue.Record{{Data: []byte("lost")}}, func([]queue.Appended) { t.Error("callback of what is not stored") })
				if !errors.Is(err, queue.ErrFailed) {
					t.Fatalf("append: %v", err)
				}
			}
			on.Store(false)
			if _, err := l.Append(background, queue.Record{}); !errors.Is(err, queue.ErrFailed) {
				t.Fatalf("append when the disk is well again: %v", err)
			}
			if !errors.Is(s.Err(), queue.ErrFailed) {
				t.Fatalf("Err: %v", s.Err())
			}
			if got := texts(l); got != "before" {
				t.Fatalf("a reader sees %q", got)
			}
			if err := s.Close(); err == nil {
				t.Fatal("Close says that all is well")
			}
			s = open(t, "data", &pebble.Options{FS: mem})
			l = openLog(t, s)
			if got := texts(l); got != "before" && got != "before lost" {
				t.Fatalf("after a restart it holds %q", got)
			}
			add(t, l, "after")
		})
	}
}

// fullFS is a disk whose free room can be set.
type fullFS struct {
	vfs.FS
	free *atomic.Uint64
}

func (fs fullFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: fs.free.Load()}, nil
}

// A crash while one manifest follows another, on a disk that keeps of the names
// in a directory any that were not synced.
func TestPowerFailureBetweenManifestsLeavesOne(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := open(t, "data", &pebble.Options{FS: mem})
	add(t, openLog(t, s), "kept")
	s.Close()
	var left []*vfs.MemFS
	s = open(t, "data", &pebble.Options{FS: errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpRemove && strings.Contains(op.Path, "marker.manifest") {
			for seed := range uint64(50) {
				left = append(left, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 0))}))
			}
		}
		return nil
	}))})
	s.Close()
	if len(left) == 0 {
		t.Fatal("no manifest followed another")
	}
	for i, fs := range left {
		s, err := pebble.Open("data", &pebble.Options{FS: fs, Logger: quiet})
		if err != nil {
			t.Fatalf("crash %d: %v", i, err)
		}
		if n := openLog(t, s).Bounds().Last; n != 1 {
			t.Errorf("crash %d: %d records", i, n)
		}
		s.Close()
	}
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 30)
	s := open(t, "data", &pebble.Options{FS: fullFS{vfs.NewMem(), &free}})
	l := openLog(t, s)
	add(t, l, "before")
	free.Store(1 << 20)
	until(t, func() bool {
		_, err := l.Append(background, queue.Record{ID: "x", Data: []byte("x")})
		return errors.Is(err, queue.ErrFull) && errors.Is(err, queue.ErrRefused)
	})
	last := l.Bounds().Last
	if s.Err() != nil {
		t.Fatalf("the store failed: %v", s.Err())
	}
	free.Store(1 << 30)
	until(t, func() bool {
		a, err := l.Append(background, queue.Record{Data: []byte("y")})
		return err == nil && a.Offset.Seq == last+1
	})
}

func TestFullDiskLetsMessagesBeReadAndRemoved(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 30)
	fs := vfs.NewMem()
	s := open(t, "data", &pebble.Options{FS: fullFS{fs, &free}})
	publish := func(s *pebble.Store) (string, error) {
		m, err := s.Mailboxes(background, "acme", nil)
		if err != nil {
			return "", err
		}
		r, err := m.Box("ada", "").Publish(background, queue.Outgoing{Data: make([]byte, 100)}, nil)
		return r.ID, err
	}
	id, err := publish(s)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()

	free.Store(20 << 20)
	s = open(t, "data", &pebble.Options{FS: fullFS{fs, &free}})
	if _, err := publish(s); !errors.Is(err, queue.ErrFull) {
		t.Errorf("publish: %v", err)
	}
	m, err := s.Mailboxes(background, "acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range m.Box("ada", "").Pending(background, 0, 0) {
		if err != nil || m.ID != id {
			t.Errorf("%v, %v", m, err)
		}
	}
	if n, err := m.Box("ada", "").Ack(background, id); n != 1 || err != nil {
		t.Errorf("ack: %d, %v", n, err)
	}
}

func TestDirectoryThatCannotBeWrittenToIsNotSaidToBeInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := pebble.Open(dir, &pebble.Options{FS: lockedFS{vfs.Default}, Logger: quiet})
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, syscall.EROFS) || errors.Is(err, pebble.ErrLocked) {
		t.Errorf("got %v", err)
	}
}

// lockedFS is a file system without a place for locks.
type lockedFS struct{ vfs.FS }

func (lockedFS) Lock(name string) (io.Closer, error) {
	return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EROFS}
}

// until calls f until it is true; the store looks at the disk ten times a second.
func until(t *testing.T, f func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !f(); {
		if time.Now().After(end) {
			t.Fatal("nothing changed in 5 s")
		}
	}
}

// crashed returns a copy of the directory of a store in use: what a killed
// process leaves.
func crashed(t *testing.T, s *pebble.Store) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(dir, os.DirFS(s.Dir())); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newest returns the newest file with that suffix.
func newest(t *testing.T, dir, suffix string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(list) == 0 {
		t.Fatalf("no %s in %s (%v)", suffix, dir, err)
	}
	return list[len(list)-1]
}

func fill(t *testing.T, l *queue.Log, n int) {
	t.Helper()
	for i := range n {
		add(t, l, fmt.Sprintf("record-%d-%s", i+1, strings.Repeat("x", i%50)))
	}
}

// readable counts the records that are whole, and ends the test if one is not
// what was written.
func readable(t *testing.T, l *queue.Log) (whole, damaged int, last uint64) {
	t.Helper()
	for e, err := range l.ReadAll(background, queue.Offset{}, 0) {
		if err != nil {
			if !errors.Is(err, queue.ErrDamaged) {
				t.Fatal(err)
			}
			damaged++
			continue
		}
		if i := e.Offset.Seq; string(e.Data) != fmt.Sprintf("record-%d-%s", i, strings.Repeat("x", int(i-1)%50)) {
			t.Fatalf("record %d holds %q", i, e.Data)
		}
		whole++
		last = e.Offset.Seq
	}
	return whole, damaged, last
}

func TestTornTailLosesNothingBeforeIt(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	fill(t, openLog(t, s), 200)
	for _, cut := range []int64{1, 2, 7, 19, 40, 100, 300, 1000} {
		dir := crashed(t, s)
		log := newest(t, dir, ".log")
		st, err := os.Stat(log)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(log, trimmedSize(t, log, st.Size())-cut); err != nil {
			t.Fatal(err)
		}
		c := open(t, dir, nil)
		whole, damaged, last := readable(t, openLog(t, c))
		if damaged > 0 || uint64(whole) != last || last < 200-1-uint64(cut)/50 {
			t.Fatalf("cut by %d: %d whole, %d damaged, last %d", cut, whole, damaged, last)
		}
		add(t, openLog(t, c), "goes on")
		c.Close()
	}
}

// trimmedSize returns the size without the zeros that the file was allocated with.
func trimmedSize(t *testing.T, path string, size int64) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size > 0 && b[size-1] == 0 {
		size--
	}
	return size
}

func flip(t *testing.T, path string, at func(size int64) int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, _ := f.Seek(0, io.SeekEnd)
	b := make([]byte, 1)
	i := at(size)
	if _, err := f.ReadAt(b, i); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := f.WriteAt(b, i); err != nil {
		t.Fatal(err)
	}
}

func TestFlippedBitInTheLogIsFoundAndItsNeighboursSurviveRepair(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	l := openLog(t, s)
	fill(t, l, 300)
	epoch := l.Bounds().Epoch
	for _, part := range []int64{10, 3, 2} {
		dir := crashed(t, s)
		log := newest(t, dir, ".log")
		flip(t, log, func(size int64) int64 { return trimmedSize(t, log, size) / part })
		_, err := pebble.Open(dir, &pebble.Options{Logger: quiet})
		if !errors.Is(err, queue.ErrDamaged) || !strings.Contains(err.Error(), "fsck") {
			t.Fatalf("open: %v", err)
		}
		r, err := pebble.Fsck(background, dir, &pebble.Options{Logger: quiet}, false)
		if err != nil || len(r.Problems) == 0 || !r.Lost {
			t.Fatalf("fsck: %+v, %v", r, err)
		}
		if _, err = pebble.Fsck(background, dir, &pebble.Options{Logger: quiet}, true); err != nil {
			t.Fatalf("repair: %v", err)
		}
		checkRepaired(t, dir, epoch, 298)
	}
}

// checkRepaired opens a store that was repaired.
func checkRepaired(t *testing.T, dir string, epoch uint64, atLeast int) {
	t.Helper()
	c := open(t, dir, nil)
	defer c.Close()
	l := openLog(t, c)
	whole, _, _ := readable(t, l)
	if whole < atLeast {
		t.Fatalf("%d records survived, want %d", whole, atLeast)
	}
	if l.Bounds().Epoch == epoch {
		t.Fatal("something was lost and the epoch is the same")
	}
	r, err := c.Check(background, queue.CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		if p.Kind != "missing" {
			t.Fatalf("after the repair: %v", p)
		}
	}
	t.Logf("%d of 300 records survived", whole)
}

func TestFlippedBitInATableIsFoundAndItsNeighboursAreServed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	l := openLog(t, s)
	fill(t, l, 300)
	epoch := l.Bounds().Epoch
	s.Close()
	flip(t, newest(t, dir, ".sst"), func(size int64) int64 { return size / 3 })
	s = open(t, dir, nil)
	l, err := s.Log(background, "/", nil)
	served := 0
	if err == nil { // the block with the log's own state may be the damaged one
		whole, damaged, _ := readable(t, l)
		if damaged == 0 && whole == 300 {
			t.Log("no record is in the damaged block")
		}
		served = whole
	} else if !errors.Is(err, queue.ErrDamaged) {
		t.Fatal(err)
	}
	s.Close()
	r, err := pebble.Fsck(background, dir, &pebble.Options{Logger: quiet}, true)
	if err != nil || len(r.Problems) == 0 {
		t.Fatalf("fsck: %+v, %v", r, err)
	}
	checkRepaired(t, dir, epoch, max(served, 1))
}

func TestTruncatedTableIsFoundAndLeftForABackup(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	fill(t, openLog(t, s), 100)
	s.Close()
	table := newest(t, dir, ".sst")
	st, err := os.Stat(table)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(table, st.Size()-20); err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(dir, &pebble.Options{Logger: quiet}); !errors.Is(err, queue.ErrDamaged) || !strings.Contains(err.Error(), "fsck") {
		t.Fatalf("open: %v", err)
	}
	r, err := pebble.Fsck(background, dir, &pebble.Options{Logger: quiet}, true)
	if err == nil || !strings.Contains(err.Error(), "restore a backup") || !r.Lost {
		t.Fatalf("repair: %+v, %v", r, err)
	}
	if _, err := os.Stat(table); err != nil {
		t.Error(err)
	}
}

func TestChangedValueIsNeverServedAndItsNeighboursAre(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	fill(t, openLog(t, s), 10)
	m, err := s.Mailboxes(background, "acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := m.Box("u", "").Publish(background, queue.Outgoing{Data: fmt.Append(nil, "message-", i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	err = pebble.Change(dir, &pebble.Options{Logger: quiet}, func(key, value []byte) []byte {
		if s := string(value); strings.Contains(s, "record-5") || strings.Contains(s, "message-1") {
			value[len(value)-1] ^= 1
			return value
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, nil)
	if whole, damaged, last := readable(t, openLog(t, s)); whole != 9 || damaged != 1 || last != 10 {
		t.Fatalf("%d whole, %d damaged, last %d", whole, damaged, last)
	}
	if m, err = s.Mailboxes(background, "acme", nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for msg, err := range m.Box("u", "").Pending(background, 0, 0) {
		if err != nil {
			if !errors.Is(err, queue.ErrDamaged) {
				t.Fatal(err)
			}
			n, err := m.Box("u", "").Ack(background, msg.ID)
			got = append(got, fmt.Sprint("damaged, acknowledged ", n, err))
			continue
		}
		got = append(got, string(msg.Data))
	}
	if fmt.Sprint(got) != "[message-0 damaged, acknowledged 1 <nil> message-2]" {
		t.Fatalf("mailbox yields %q", got)
	}
	s.Close()
	r, err := pebble.Fsck(background, dir, &pebble.Options{Logger: quiet}, true)
	if err != nil || len(r.Problems) == 0 || !r.Lost {
		t.Fatalf("fsck: %+v, %v", r, err)
	}
	s = open(t, dir, nil)
	if whole, damaged, _ := readable(t, openLog(t, s)); whole != 9 || damaged != 0 {
		t.Fatalf("after the repair: %d whole, %d damaged", whole, damaged)
	}
}
