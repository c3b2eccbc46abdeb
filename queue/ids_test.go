package queue_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/roomwire/roomwire/queue"
)

// A refusing storage refuses writes while it is told to.
type refusing struct {
	queue.Storage
	refuse bool
}

func (r *refusing) Apply(b queue.Batch, sync bool) (func() error, error) {
	if r.refuse {
		return nil, queue.ErrFull
	}
	return r.Storage.Apply(b, sync)
}

func TestRefusedWriteForgetsNoIDAndRemembersNone(t *testing.T) {
	st := &refusing{Storage: queue.Memory()}
	s, err := queue.Open(st, &queue.Options{Janitor: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := s.Log(t.Context(), "/", &queue.LogOptions{IDs: queue.IDs{Count: 2}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 { // two generations: the next ID would begin a third
		a, err := l.Append(t.Context(), queue.Record{ID: fmt.Sprint(i)})
		if err != nil || a.Duplicate || a.Offset.Seq != uint64(i+1) {
			t.Fatal(a, err)
		}
	}
	st.refuse = true
	if _, err := l.Append(t.Context(), queue.Record{ID: "refused"}); !errors.Is(err, queue.ErrFull) {
		t.Fatal(err)
	}
	st.refuse = false
	for i := range 4 {
		a, err := l.Append(t.Context(), queue.Record{ID: fmt.Sprint(i)})
		if err != nil || !a.Duplicate || a.Offset.Seq != uint64(i+1) {
			t.Errorf("%d again: %+v, %v", i, a, err)
		}
	}
	a, err := l.Append(t.Context(), queue.Record{ID: "refused"})
	if err != nil || a.Duplicate || a.Offset.Seq != 5 {
		t.Errorf("after it was refused: %+v, %v", a, err)
	}
}
