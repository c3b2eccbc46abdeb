package queue_test

import (
	"testing"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/queue/queuetest"
)

func TestMemory(t *testing.T) {
	queuetest.Run(t, func(*testing.T) queuetest.Opener {
		storage := queue.Memory()
		return func(t *testing.T, o *queue.Options) *queue.Store {
			s, err := queue.Open(storage, o)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}
