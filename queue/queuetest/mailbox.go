package queuetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/queue"
)

func publish(t *testing.T, b queue.Mailbox, o queue.Outgoing) queue.Receipt {
	t.Helper()
	r, err := b.Publish(background, o, nil)
	return need(t, r, err)
}

func pending(t *testing.T, b queue.Mailbox) string {
	t.Helper()
	return text(collect(t, b.Pending(background, 0, 0)), func(m queue.Message) string { return string(m.Data) })
}

var mailboxTests = map[string]func(t *testing.T, open Opener){
	"MessagesWaitInOrderUntilAcknowledgedAlsoAfterReopening": func(t *testing.T, open Opener) {
		s := start(t, open)
		box := s.boxes(nil).Box("vendor", "pickup")
		var ids []string
		for i := range 200 {
			ids = append(ids, publish(t, box, queue.Outgoing{Header: []byte("h"), Data: fmt.Append(nil, i)}).ID)
			publish(t, s.boxes(nil).Box("vendor", "other"), queue.Outgoing{})
		}
		s.again()
		box = s.boxes(nil).Box("vendor", "pickup")
		list := collect(t, box.Pending(background, 0, 0))
		want(t, "pending", len(list), 200)
		for i, m := range list {
			want(t, "message", fmt.Sprint(m.ID, string(m.Data), string(m.Header)), fmt.Sprint(ids[i], i, "h"))
		}
		n, err := box.Ack(background, append(ids[:150:150], ids[3], "nonsense", "0.1")...)
		want(t, "acknowledged", need(t, n, err), 150)
		s.again()
		box = s.boxes(nil).Box("vendor", "pickup")
		list = collect(t, box.Pending(background, 0, 0))
		want(t, "pending", len(list), 50)
		want(t, "first", string(list[0].Data), "150")
		n, err = box.Ack(background, ids[:150]...)
		want(t, "acknowledged twice", need(t, n, err), 0)
	},
	"AcksOutOfOrderLeaveTheOthers": func(t *testing.T, open Opener) {
		s := start(t, open)
		box := s.boxes(nil).Box("u", "")
		ids := make([]string, 10)
		for i := range ids {
			ids[i] = publish(t, box, queue.Outgoing{Data: fmt.Append(nil, i)}).ID
		}
		for _, step := range []struct {
			ack  []int
			want string
		}{
			{[]int{5}, "0 1 2 3 4 6 7 8 9"},
			{[]int{0, 2}, "1 3 4 6 7 8 9"},
			{[]int{1}, "3 4 6 7 8 9"},
			{[]int{9, 3, 4}, "6 7 8"},
			{[]int{6, 7, 8}, ""},
		} {
			var list []string
			for _, i := range step.ack {
				list = append(list, ids[i])
			}
			n, err := box.Ack(background, list...)
			want(t, "acknowledged", need(t, n, err), len(list))
			want(t, fmt.Sprint("after ", step.ack), pending(t, box), step.want)
		}
		info, err := box.Info()
		want(t, "pending", need(t, info, err).Pending, 0)
		want(t, "bytes", info.Bytes, 0)
		publish(t, box, queue.Outgoing{Data: []byte("new")})
		want(t, "after all", pending(t, box), "new")
	},
	"PendingGoesOnAfterACursor": func(t *testing.T, open Opener) {
		box := start(t, open).boxes(nil).Box("u", "t")
		var seqs []uint64
		for i := range 100 {
			seqs = append(seqs, publish(t, box, queue.Outgoing{Data: fmt.Append(nil, i)}).Seq)
		}
		got := collect(t, box.Pending(background, seqs[41], 3))
		want(t, "window", text(got, func(m queue.Message) string { return string(m.Data) }), "42 43 44")
		want(t, "at the end", len(collect(t, box.Pending(background, seqs[99], 0))), 0)
	},
	"SameKeyIsStoredOncePerMailbox": func(t *testing.T, open Opener) {
		s := start(t, open)
		m := s.boxes(nil)
		first := publish(t, m.Box("a", ""), queue.Outgoing{Key: "k", Data: []byte("1")})
		publish(t, m.Box("b", ""), queue.Outgoing{Key: "k", Data: []byte("2")})
		s.again()
		m = s.boxes(nil)
		second := publish(t, m.Box("a", ""), queue.Outgoing{Key: "k", Data: []byte("3")})
		want(t, "repeat", second, queue.Receipt{ID: first.ID, Seq: first.Seq, Duplicate: true})
		want(t, "a", pending(t, m.Box("a", "")), "1")
		want(t, "b", pending(t, m.Box("b", "")), "2")
		if _, err := m.Box("a", "").Ack(background, first.ID); err != nil {
			t.Fatal(err)
		}
		want(t, "repeat after the ack", publish(t, m.Box("a", ""), queue.Outgoing{Key: "k"}).Duplicate, true)
		want(t, "a", pending(t, m.Box("a", "")), "")
	},
	"IDsAreNotUsedAgainByANewMailbox": func(t *testing.T, open Opener) {
		box := start(t, open).boxes(nil).Box("u", "")
		old := publish(t, box, queue.Outgoing{Data: []byte("old")})
		if err := box.Delete(background); err != nil {
			t.Fatal(err)
		}
		_, err := box.Info()
		wantError(t, "Info", err, queue.ErrNotFound)
		publish(t, box, queue.Outgoing{Data: []byte("new")})
		n, err := box.Ack(background, old.ID)
		want(t, "acknowledged", need(t, n, err), 0)
		want(t, "pending", pending(t, box), "new")
	},
	"CallbacksRunInTheOrderOfTheSequence": func(t *testing.T, open Opener) {
		m := start(t, open).boxes(nil)
		var order []uint64
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				for range 30 {
					_, err := m.Box(fmt.Sprint("u", w%3), "").Publish(background, queue.Outgoing{}, func(r queue.Receipt) { order = append(order, r.Seq) })
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		want(t, "callbacks", len(order), 480)
		for i, seq := range order {
			want(t, "sequence", seq, uint64(i+1))
		}
	},
	"FullMailboxRefusesOrDropsTheOldest": func(t *testing.T, open Opener) {
		s := start(t, open)
		box := s.boxes(&queue.MailboxOptions{MaxLength: 3}).Box("u", "")
		for i := range 3 {
			publish(t, box, queue.Outgoing{Data: fmt.Append(nil, i)})
		}
		_, err := box.Publish(background, queue.Outgoing{}, func(queue.Receipt) { t.Error("callback of a refused message") })
		wantError(t, "publish", err, queue.ErrMailboxFull)
		s.boxes(&queue.MailboxOptions{MaxLength: 3, DropOldest: true})
		want(t, "dropped", publish(t, box, queue.Outgoing{Data: []byte("3")}).Dropped, 1)
		want(t, "pending", pending(t, box), "1 2 3")
		s.boxes(&queue.MailboxOptions{MaxBytes: 1000, DropOldest: true})
		publish(t, box, queue.Outgoing{Data: []byte(strings.Repeat("x", 975))})
		info, err := box.Info()
		want(t, "info", need(t, info, err).Pending, 1)
		want(t, "dropped in all", info.Dropped, 4)
		_, err = box.Publish(background, queue.Outgoing{Data: make([]byte, 2000)}, nil)
		wantError(t, "publish of more than fits", err, queue.ErrMailboxFull)
		s.boxes(&queue.MailboxOptions{MaxMailboxes: 1})
		_, err = s.boxes(nil).Box("v", "").Publish(background, queue.Outgoing{}, nil)
		wantError(t, "second mailbox", err, queue.ErrMailboxFull)
	},
	"MessagesExpire": func(t *testing.T, open Opener) {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, open)
			m := s.boxes(&queue.MailboxOptions{TTL: time.Hour, ForgetAfter: 24 * time.Hour})
			box := m.Box("u", "")
			publish(t, box, queue.Outgoing{Data: []byte("hour")})
			publish(t, box, queue.Outgoing{Data: []byte("minute"), TTL: time.Minute})
			ack := publish(t, box, queue.Outgoing{Data: []byte("acked"), TTL: time.Minute})
			if _, err := box.Ack(background, ack.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			want(t, "after a minute", pending(t, box), "hour")
			for _, wanted := range []int64{1, 1} {
				if err := s.Clean(background); err != nil {
					t.Fatal(err)
				}
				want(t, "expired", m.Stats().Expired, wanted)
				want(t, "pending", m.Stats().Pending, 1)
			}
			time.Sleep(time.Hour)
			if err := s.Clean(background); err != nil {
				t.Fatal(err)
			}
			want(t, "stats", m.Stats(), queue.MailboxStats{Mailboxes: 1, Expired: 2})
			time.Sleep(24 * time.Hour)
			if err := s.Clean(background); err != nil {
				t.Fatal(err)
			}
			want(t, "mailboxes after a day", m.Stats().Mailboxes, 0)
			s.Close()
		})
	},
	"PurgeAndListAndStatsAgree": func(t *testing.T, open Opener) {
		s := start(t, open)
		m := s.boxes(nil)
		for i := range 600 {
			publish(t, m.Box(fmt.Sprint("user", i%300), ""), queue.Outgoing{Data: make([]byte, 10)})
		}
		list := collect(t, m.List(background))
		want(t, "listed", len(list), 300)
		var bytes int64
		for _, i := range list {
			want(t, i.Recipient, i.Pending, 2)
			bytes += i.Bytes
		}
		want(t, "stats", m.Stats(), queue.MailboxStats{Mailboxes: 300, Pending: 600, Bytes: bytes})
		n, err := m.Box("user7", "").Purge(background)
		want(t, "purged", need(t, n, err), 2)
		want(t, "pending", m.Stats().Pending, 598)
		want(t, "left", pending(t, m.Box("user7", "")), "")
		want(t, "neighbour", len(collect(t, m.Box("user70", "").Pending(background, 0, 0))), 2)
	},
}

var sessionTests = map[string]func(t *testing.T, open Opener){
	"SessionSurvivesReopeningAndIsTakenWithAFence": func(t *testing.T, open Opener) {
		s := start(t, open)
		ss, err := s.Sessions(background, "/", nil)
		need(t, ss, err)
		put := func(se queue.Session) error { return ss.Put(background, "pid", se) }
		if err := put(queue.Session{Data: []byte("1"), TTL: time.Hour, Live: true}); err != nil {
			t.Fatal(err)
		}
		s.again()
		ss, err = s.Sessions(background, "/", nil)
		need(t, ss, err)
		a, err := ss.Take(background, "pid")
		want(t, "data", string(need(t, a, err).Data), "1")
		b, err := ss.Take(background, "pid")
		want(t, "fences", need(t, b, err).Fence, a.Fence+1)
		a.Data = []byte("stale")
		wantError(t, "put by the first", put(a), queue.ErrFenced)
		wantError(t, "delete by the first", ss.Delete(background, "pid", a.Fence), queue.ErrFenced)
		b.Data = []byte("2")
		if err := put(b); err != nil {
			t.Fatal(err)
		}
		if err := ss.Delete(background, "pid", b.Fence); err != nil {
			t.Fatal(err)
		}
		_, err = ss.Take(background, "pid")
		wantError(t, "take after delete", err, queue.ErrNotFound)
		want(t, "stats", ss.Stats(), queue.SessionStats{})
	},
	"SessionExpiresOnlyWhenNobodyIsThere": func(t *testing.T, open Opener) {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, open)
			ss, err := s.Sessions(background, "/", nil)
			need(t, ss, err)
			for _, pid := range []string{"live", "gone"} {
				if err := ss.Put(background, pid, queue.Session{TTL: 2 * time.Minute, Live: pid == "live"}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Minute)
			_, err = ss.Take(background, "gone")
			wantError(t, "take", err, queue.ErrNotFound)
			if err := s.Clean(background); err != nil {
				t.Fatal(err)
			}
			want(t, "sessions", ss.Stats().Sessions, 1)
			s.again() // as after a crash: the connection is gone
			ss, err = s.Sessions(background, "/", nil)
			need(t, ss, err)
			time.Sleep(time.Minute)
			_, err = ss.Take(background, "live")
			need(t, ss, err)
			s.again()
			ss, err = s.Sessions(background, "/", nil)
			need(t, ss, err)
			time.Sleep(2 * time.Minute)
			_, err = ss.Take(background, "live")
			wantError(t, "take after its time", err, queue.ErrNotFound)
			if err := s.Clean(background); err != nil {
				t.Fatal(err)
			}
			want(t, "sessions", ss.Stats().Sessions, 0)
			s.Close()
		})
	},
	"OldestGoesWhenThereAreTooMany": func(t *testing.T, open Opener) {
		s := start(t, open)
		ss, err := s.Sessions(background, "/", &queue.SessionOptions{Max: 10, MaxData: 100})
		need(t, ss, err)
		if err := ss.Put(background, "live", queue.Session{TTL: time.Minute, Live: true}); err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			if err := ss.Put(background, fmt.Sprint(i), queue.Session{TTL: time.Hour + time.Duration(i)*time.Second}); err != nil {
				t.Fatal(err)
			}
		}
		st := ss.Stats()
		want(t, "stats", st, queue.SessionStats{Sessions: 10, Evicted: 21})
		for pid, wanted := range map[string]error{"live": nil, "29": nil, "21": nil, "20": queue.ErrNotFound} {
			if _, err := ss.Take(background, pid); !errors.Is(err, wanted) {
				t.Errorf("session %s: %v, want %v", pid, err, wanted)
			}
		}
		wantError(t, "large", ss.Put(background, "x", queue.Session{Data: make([]byte, 101)}), queue.ErrTooLarge)
	},
}
