package queue

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"
)

// Options of a [Store]. The zero value of a field is its default.
type Options struct {
	// Logger takes what an operator should know. Nil: slog.Default().
	Logger *slog.Logger
	// Janitor is the time between two rounds of the janitor, which removes
	// what is over its age. Zero: a minute. Negative: no janitor.
	Janitor time.Duration
	// NewEpochs gives every object a new epoch: the storage is a copy, or has
	// lost something, and offsets handed out before may now be someone else's.
	NewEpochs bool
}

// schemaVersion is the version of everything below a [Storage].
const schemaVersion = 2

// A Store is a storage and the logs, mailboxes, work queues and sessions in
// it. All methods, and those of what it hands out, may be called by many
// goroutines at once.
type Store struct {
	c       committer
	log     *slog.Logger
	started int64  // when it was opened, in milliseconds
	starts  uint64 // how often it was, this time included

	life sync.RWMutex // held for reading by readers of the storage
	gone bool         // under life

	mu      sync.Mutex
	objects map[string]any
	nextID  uint32 // leader

	janitor    *time.Timer
	janitorGap time.Duration
	janitorMu  sync.Mutex // held by a round
	stop       context.CancelFunc
	stopped    context.Context
}

// Open makes a store of a storage, which belongs to the store from then on.
// Nil options are the defaults.
func Open(storage Storage, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{log: o.Logger, objects: make(map[string]any), janitorGap: o.Janitor}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.janitorGap == 0 {
		s.janitorGap = time.Minute
	}
	s.c = committer{storage: storage, now: time.Now, overlay: make(map[string][]byte)}
	s.started = time.Now().UnixMilli()
	s.stopped, s.stop = context.WithCancel(context.Background())
	if err := s.start(o.NewEpochs); err != nil {
		return nil, err
	}
	if s.janitorGap > 0 {
		s.janitorMu.Lock() // the first round may come before AfterFunc has returned
		s.janitor = time.AfterFunc(s.janitorGap, s.round)
		s.janitorMu.Unlock()
	}
	return s, nil
}

func storeKey(name string) []byte { return append([]byte{keyStore}, name...) }

// start reads what the storage holds, writes what a new one needs and counts
// this start.
func (s *Store) start(newEpochs bool) error {
	get := func(name string, n *uint64) error {
		key := storeKey(name)
		v, ok, err := s.c.storage.Get(key)
		if err != nil || !ok {
			return err
		}
		return decodeNumbers(key, v, n)
	}
	schema, next := uint64(schemaVersion), uint64(1)
	for name, n := range map[string]*uint64{"schema": &schema, "next": &next, "starts": &s.starts} {
		if err := get(name, n); err != nil {
			return fmt.Errorf("queue: cannot read the store's %s: %w", name, err)
		}
	}
	if schema != schemaVersion {
		return fmt.Errorf("queue: the store has schema %d, this program knows %d: use the program that wrote it, or a newer one", schema, schemaVersion)
	}
	s.nextID = uint32(next)
	s.starts++
	b := s.c.storage.NewBatch()
	for name, n := range map[string]uint64{"schema": schema, "next": next, "starts": s.starts} {
		key := storeKey(name)
		b.Set(key, encodeNumbers(key, n))
	}
	if newEpochs {
		if err := renewEpochs(s.c.storage, b); err != nil {
			return err
		}
	}
	if err := applyAndWait(s.c.storage, b); err != nil && !errors.Is(err, ErrReadOnly) {
		return fmt.Errorf("queue: cannot write to the store: %w", err)
	}
	return nil
}

// renewEpochs gives a new epoch to every object that has one. The epoch is
// the first number of such a state.
func renewEpochs(storage Storage, b Batch) error {
	c := storage.Cursor([]byte{keyState}, []byte{keyState + 1})
	defer c.Close()
	for c.Next() {
		d, err := unseal(c.Key(), c.Value())
		if err != nil {
			continue // fsck reports and rebuilds it
		}
		if d.number() == 0 {
			continue // sessions have no offsets
		}
		v := putNumber(newSeal(32), newEpoch())
		b.Set(c.Key(), seal(c.Key(), append(v, d.rest...)))
	}
	return c.Err()
}

// newEpoch returns a random number that is not zero, of eight digits in base 36.
func newEpoch() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])%(1<<41-1) + 1
}

// Close waits for what was begun, stops the janitor and closes the storage.
func (s *Store) Close() error {
	s.stop()
	if err := s.c.close(); err != nil {
		return err
	}
	if s.janitor != nil {
		s.janitor.Stop()
	}
	s.janitorMu.Lock() // wait for a round
	s.life.Lock()
	s.gone = true
	s.life.Unlock()
	s.janitorMu.Unlock()
	return s.c.storage.Close()
}

// Err returns why the store takes no more writes: an error that wraps
// [ErrFailed], or nil.
func (s *Store) Err() error { return s.c.failure() }

// reading runs f while the storage cannot be closed.
func (s *Store) reading(f func(Storage) error) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.gone {
		return ErrClosed
	}
	return f(s.c.storage)
}

// do runs an op; see [committer.do].
func (s *Store) do(ctx context.Context, sync, scans bool, run func(tx *tx) error) error {
	return s.c.do(ctx, &op{run: run, sync: sync, scans: scans})
}

// A Kind is what an object of a store is.
type Kind byte

// The kinds of objects.
const (
	KindLog       Kind = 'l'
	KindMailboxes Kind = 'm'
	KindWork      Kind = 'w'
	KindSessions  Kind = 's'
)

// String returns the word for k.
func (k Kind) String() string {
	switch k {
	case KindLog:
		return "log"
	case KindMailboxes:
		return "mailboxes"
	case KindWork:
		return "work"
	case KindSessions:
		return "sessions"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// maxName bounds the names of objects, rooms, recipients, topics, groups, and IDs.
const maxName = 512

func checkName(what, name string) error {
	if len(name) > maxName {
		return fmt.Errorf("%w: %s of %d bytes, %d allowed", ErrTooLarge, what, len(name), maxName)
	}
	return nil
}

// openObject returns the object of that name, and makes it when there is none.
// load makes the value of an object from its state, nil when it is new; it
// writes the state of a new one.
func openObject[T any](ctx context.Context, s *Store, kind Kind, name string, load func(tx *tx, id uint32, state []byte) (T, error)) (T, error) {
	var none T
	if err := checkName("name of "+kind.String(), name); err != nil {
		return none, err
	}
	at := string(byte(kind)) + name
	s.mu.Lock()
	o, ok := s.objects[at]
	s.mu.Unlock()
	if ok {
		return o.(T), nil
	}
	var made T
	err := s.do(ctx, true, false, func(tx *tx) error {
		key := append([]byte{keyName}, at...)
		v, ok, err := tx.get(key)
		if err != nil {
			return err
		}
		var id uint64
		if ok {
			if err := decodeNumbers(key, v, &id); err != nil {
				return err
			}
			v, ok, err = tx.get(objectKey(keyState, uint32(id)))
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("%w: %v %q has no state", ErrDamaged, kind, name)
			}
			made, err = load(tx, uint32(id), v)
			return err
		}
		id = uint64(s.nextID)
		s.nextID++
		next := storeKey("next")
		tx.put(next, encodeNumbers(next, uint64(s.nextID)))
		tx.put(key, encodeNumbers(key, id))
		made, err = load(tx, uint32(id), nil)
		return err
	})
	if err != nil {
		return none, fmt.Errorf("queue: cannot open %v %q: %w", kind, name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.objects[at]; ok {
		return o.(T), nil // two opened it at once
	}
	s.objects[at] = made
	return made, nil
}

// deleteObject removes an object with everything that belongs to it.
func (s *Store) deleteObject(ctx context.Context, kind Kind, name string) error {
	at := string(byte(kind)) + name
	return s.do(ctx, true, true, func(tx *tx) error {
		key := append([]byte{keyName}, at...)
		v, ok, err := tx.get(key)
		if err != nil || !ok {
			return err
		}
		var id uint64
		if err := decodeNumbers(key, v, &id); err != nil {
			return err
		}
		for _, k := range []byte(keysOfObjects) {
			p := objectKey(k, uint32(id))
			tx.batch.DeleteRange(p, after(p))
		}
		tx.remove(key)
		s.mu.Lock()
		o := s.objects[at]
		delete(s.objects, at)
		s.mu.Unlock()
		if o, ok := o.(interface{ deleted() }); ok {
			o.deleted()
		}
		return nil
	})
}

// List yields the names of the objects of a kind, in order.
func (s *Store) List(ctx context.Context, kind Kind) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		from := []byte{keyName, byte(kind)}
		hi := after(from)
		for {
			var names []string
			err := s.reading(func(st Storage) error {
				c := st.Cursor(from, hi)
				defer c.Close()
				for len(names) < 256 && c.Next() {
					names = append(names, string(c.Key()[2:]))
				}
				return c.Err()
			})
			if err == nil {
				err = ctx.Err()
			}
			for _, n := range names {
				if !yield(n, nil) {
					return
				}
			}
			if err != nil {
				yield("", err)
				return
			}
			if len(names) < 256 {
				return
			}
			from = append(append([]byte{keyName, byte(kind)}, names[len(names)-1]...), 0)
		}
	}
}

// round is a round of the janitor. Objects that were never asked for in this
// process are left alone.
func (s *Store) round() {
	s.janitorMu.Lock()
	defer s.janitorMu.Unlock()
	if s.stopped.Err() != nil {
		return
	}
	if err := s.Clean(s.stopped); err != nil && s.stopped.Err() == nil {
		s.log.Warn("queue: cleaning went wrong", "error", err)
	}
	if s.stopped.Err() == nil {
		s.janitor.Reset(s.janitorGap)
	}
}

// Clean does at once what the janitor does from time to time: it removes
// records, messages, jobs and sessions that are over their age, in every
// object that was opened since the store was.
func (s *Store) Clean(ctx context.Context) error {
	s.mu.Lock()
	var list []cleaner
	for _, o := range s.objects {
		if o, ok := o.(cleaner); ok {
			list = append(list, o)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, o := range list {
		if err := o.clean(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

type cleaner interface {
	clean(ctx context.Context) error
}
