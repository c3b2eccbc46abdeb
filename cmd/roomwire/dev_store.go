package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/stores/pebble"
)

// open opens the store for the server; disk tells the size of its files.
func (c *devCmd) open(log *slog.Logger) (store *queue.Store, disk func() int64, err error) {
	if c.Memory {
		store, err = queue.Open(queue.Memory(), &queue.Options{Logger: log})
		return store, nil, err
	}
	p, err := pebble.Open(c.Data, &pebble.Options{Logger: log})
	if errors.Is(err, pebble.ErrLocked) {
		return nil, nil, fmt.Errorf("another roomwire uses %s: stop it, or pass --data\n  --data DIR   keep messages in another directory\n  --memory     keep them in memory only", c.Data)
	}
	if err != nil {
		return nil, nil, err
	}
	return p.Store, p.DiskUsage, nil
}
