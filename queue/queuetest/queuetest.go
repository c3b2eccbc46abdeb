// Package queuetest holds the tests that every queue.Storage has to pass.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/roomwire/roomwire/queue"
)

// An Opener opens one storage, over and over: the first time it is empty,
// later it holds what was stored before. The store that it returned last is
// closed by then.
type Opener func(t *testing.T, o *queue.Options) *queue.Store

// Run runs the suite. fresh is called for each test, and returns an opener of
// a storage that nobody has used.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	t.Helper()
	groups := map[string]map[string]func(t *testing.T, open Opener){
		"Log": logTests, "Mailbox": mailboxTests, "Work": workTests, "Sessions": sessionTests, "Store": storeTests,
	}
	for name, tests := range groups {
		t.Run(name, func(t *testing.T) {
			for name, f := range tests {
				t.Run(name, func(t *testing.T) { f(t, fresh(t)) })
			}
		})
	}
}

// a box opens a store, and closes it when the test ends.
type box struct {
	t    *testing.T
	open Opener
	o    queue.Options
	*queue.Store
}

func start(t *testing.T, open Opener) *box {
	b := &box{t: t, open: open, o: queue.Options{Janitor: -1}}
	b.Store = open(t, &b.o)
	t.Cleanup(func() { b.Close() })
	return b
}

// again closes the store and opens it.
func (b *box) again() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatalf("Close: %v", err)
	}
	b.Store = b.open(b.t, &b.o)
}

func (b *box) log(o *queue.LogOptions) *queue.Log {
	l, err := b.Log(background, "/chat", o)
	return need(b.t, l, err)
}

func (b *box) boxes(o *queue.MailboxOptions) *queue.Mailboxes {
	m, err := b.Mailboxes(background, "acme", o)
	return need(b.t, m, err)
}

func (b *box) work(o *queue.WorkOptions) *queue.Work {
	w, err := b.Work(background, "mails", o)
	return need(b.t, w, err)
}

// need returns v, or ends the test.
func need[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var background = context.Background()

// want fails the test when got is not as wanted.
func want[T comparable](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Fatalf("%s: got %v, want %v", what, got, wanted)
	}
}

func wantError(t *testing.T, what string, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Fatalf("%s: got error %v, want %v", what, err, wanted)
	}
}

// collect returns what seq yields, and ends the test at an error.
func collect[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var list []T
	for v, err := range seq {
		if err != nil {
			t.Fatalf("after %d: %v", len(list), err)
		}
		list = append(list, v)
	}
	return list
}

// text joins what f says of each.
func text[T any](list []T, f func(T) string) string {
	s := ""
	for i, v := range list {
		if i > 0 {
			s += " "
		}
		s += f(v)
	}
	return s
}

func entryText(e queue.Entry) string { return fmt.Sprintf("%d:%s", e.Offset.Seq, e.Data) }

// appended is need for an append.
func appended(t *testing.T) func(a queue.Appended, err error) queue.Appended {
	return func(a queue.Appended, err error) queue.Appended {
		t.Helper()
		return need(t, a, err)
	}
}

// count drains seq, up to an error.
func count[T any](seq iter.Seq2[T, error]) (n int, err error) {
	for _, err := range seq {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
