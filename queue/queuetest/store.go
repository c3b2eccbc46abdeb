package queuetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/roomwire/roomwire/queue"
)

var storeTests = map[string]func(t *testing.T, open Opener){
	"ObjectsAreListedByKind": func(t *testing.T, open Opener) {
		s := start(t, open)
		for i := range 300 {
			l, err := s.Log(background, fmt.Sprintf("/%03d", i), nil)
			need(t, l, err)
		}
		s.boxes(nil)
		s.again()
		names := collect(t, s.List(background, queue.KindLog))
		want(t, "logs", len(names), 300)
		want(t, "last", names[299], "/299")
		want(t, "mailboxes", fmt.Sprint(collect(t, s.List(background, queue.KindMailboxes))), "[acme]")
		want(t, "work", len(collect(t, s.List(background, queue.KindWork))), 0)
	},
	"ClosedStoreAnswersSo": func(t *testing.T, open Opener) {
		s := start(t, open)
		l, m, w := s.log(nil), s.boxes(nil), s.work(nil)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := l.Append(background, queue.Record{})
		wantError(t, "append", err, queue.ErrClosed)
		_, err = count(l.ReadAll(background, queue.Offset{}, 0))
		wantError(t, "read", err, queue.ErrClosed)
		_, err = m.Box("u", "").Publish(background, queue.Outgoing{}, nil)
		wantError(t, "publish", err, queue.ErrClosed)
		_, err = w.Push(background, queue.Job{})
		wantError(t, "push", err, queue.ErrClosed)
		wantError(t, "close", s.Close(), queue.ErrClosed)
		s.Store = s.open(t, &s.o)
		want(t, "nothing was stored", s.log(nil).Bounds().Last, 0)
	},
	"CancelledContextStoresNothing": func(t *testing.T, open Opener) {
		s := start(t, open)
		l := s.log(nil)
		ctx, cancel := context.WithCancel(background)
		cancel()
		_, err := l.Append(ctx, queue.Record{})
		wantError(t, "append", err, context.Canceled)
		want(t, "last", l.Bounds().Last, 0)
	},
	"SoundStoreHasNothingToReport": func(t *testing.T, open Opener) {
		s := start(t, open)
		l, m, w := s.log(nil), s.boxes(nil), s.work(nil)
		for i := range 50 {
			appended(t)(l.Append(background, queue.Record{ID: fmt.Sprint(i), Rooms: [][]string{nil, {"a"}, {"a", "b"}}[i%3]}))
			publish(t, m.Box("u", ""), queue.Outgoing{Key: fmt.Sprint(i)})
			push(t, w, job(i))
		}
		lease(t, group(t, w, ""), 5)
		need(t, 0, l.Trim(background, queue.Offset{Epoch: l.Bounds().Epoch, Seq: 10}))
		r, err := s.Check(background, queue.CheckOptions{})
		need(t, r, err)
		if len(r.Problems) > 0 {
			t.Fatalf("problems: %v", r.Problems)
		}
		want(t, "records", r.Records, 40)
		want(t, "messages", r.Messages, 50)
		want(t, "jobs", r.Jobs, 50)
	},
}
