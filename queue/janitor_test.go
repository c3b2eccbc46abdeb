package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/queue"
)

// On a busy machine the first round may come before Open has returned.
func TestJanitorMayComeAtOnce(t *testing.T) {
	for range 200 {
		s, err := queue.Open(queue.Memory(), &queue.Options{Janitor: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Log(context.Background(), "/", nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJanitorComesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := queue.Open(queue.Memory(), nil)
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.Log(t.Context(), "/", &queue.LogOptions{Retention: queue.Retention{Age: time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), queue.Record{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		if n := l.Bounds().Count; n != 1 {
			t.Fatalf("%d records before their time", n)
		}
		time.Sleep(3 * time.Minute)
		if n := l.Bounds().Count; n != 0 {
			t.Fatalf("%d records after their time", n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
