package pebble

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"

	"github.com/roomwire/roomwire/queue"
)

// OpenQueue opens the queue in dir with options of its own.
func OpenQueue(dir string, o *Options, qo *queue.Options) (*queue.Store, error) {
	o = o.withDefaults()
	lock, err := lockDir(dir, o)
	if err != nil {
		return nil, err
	}
	e, err := openEngine(dir, o, lock)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return queue.Open(e, qo)
}

// Change puts what f returns, unless nil, in the place of each value in dir.
func Change(dir string, o *Options, f func(key, value []byte) []byte) error {
	o = o.withDefaults()
	lock, err := lockDir(dir, o)
	if err != nil {
		return err
	}
	e, err := openEngine(dir, o, lock)
	if err != nil {
		lock.Close()
		return err
	}
	it, err := e.db.NewIter(nil)
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		if v := f(it.Key(), bytes.Clone(it.Value())); v != nil {
			if err := e.db.Set(it.Key(), v, pebble.Sync); err != nil {
				return err
			}
		}
	}
	if err := it.Close(); err != nil {
		return err
	}
	return e.Close()
}
