package queuetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/queue"
)

var logTests = map[string]func(t *testing.T, open Opener){
	"AppendedRecordsComeBackInOrderAndWhole": func(t *testing.T, open Opener) {
		b := start(t, open)
		l := b.log(nil)
		in := queue.Record{ID: "a1", Rooms: []string{"x", "y"}, Except: []string{"z"}, Header: []byte("h"), Data: []byte("d\x00")}
		first := appended(t)(l.Append(background, in))
		want(t, "first sequence", first.Offset.Seq, 1)
		appended(t)(l.Append(background, queue.Record{Data: []byte("all")}))
		b.again()
		l = b.log(nil)
		got := collect(t, l.ReadAll(background, queue.Offset{}, 0))
		want(t, "records", len(got), 2)
		e := got[0]
		want(t, "offset", e.Offset, first.Offset)
		want(t, "record", fmt.Sprintf("%q", []any{e.ID, e.Rooms, e.Except, e.Header, e.Data}), `["a1" ["x" "y"] ["z"] "h" "d\x00"]`)
		if e.Time.IsZero() || e.Time.After(time.Now()) {
			t.Errorf("time %v", e.Time)
		}
		want(t, "everybody's", string(got[1].Data), "all")
	},
	"ReadYieldsOwnRoomsAndEverybodyOnceEach": func(t *testing.T, open Opener) {
		l := start(t, open).log(nil)
		for i, rooms := range [][]string{{"a"}, {"b"}, {"a", "b"}, nil, {"c"}, {"ab"}, {""}, {"a"}} {
			appended(t)(l.Append(background, queue.Record{Rooms: rooms, Data: fmt.Append(nil, i)}))
		}
		for _, c := range []struct {
			rooms []string
			want  string
		}{
			{nil, "4:3"},
			{[]string{"a"}, "1:0 3:2 4:3 8:7"},
			{[]string{"b", "a", "a"}, "1:0 2:1 3:2 4:3 8:7"},
			{[]string{"c", "nobody"}, "4:3 5:4"},
			{[]string{""}, "4:3 7:6"},
		} {
			got := collect(t, l.Read(background, queue.Offset{}, c.rooms, 0))
			want(t, fmt.Sprint(c.rooms), text(got, entryText), c.want)
		}
	},
	"LongReadIsWholeWhateverTheLimit": func(t *testing.T, open Opener) {
		l := start(t, open).log(nil)
		var rs []queue.Record
		for i := range 1000 {
			r := queue.Record{Data: fmt.Append(nil, i)}
			if i%3 > 0 {
				r.Rooms = []string{fmt.Sprint("room", i%7)}
			}
			rs = append(rs, r)
		}
		if _, err := l.AppendBatch(background, rs, nil); err != nil {
			t.Fatal(err)
		}
		rooms := []string{"room1", "room4", "room6"}
		var wanted []uint64
		for i, r := range rs {
			if r.Rooms == nil || slices.Contains(rooms, r.Rooms[0]) {
				wanted = append(wanted, uint64(i+1))
			}
		}
		for _, limit := range []int{0, 1, 63, 64, 65, 300, 5000} {
			var got []uint64
			for at := (queue.Offset{}); ; {
				list := collect(t, l.Read(background, at, rooms, limit))
				for _, e := range list {
					got = append(got, e.Offset.Seq)
					at = e.Offset
				}
				if len(list) == 0 || limit == 0 {
					break
				}
				if len(list) > limit {
					t.Fatalf("limit %d: %d records", limit, len(list))
				}
			}
			if !slices.Equal(got, wanted) {
				t.Fatalf("limit %d: got %d records, want %d", limit, len(got), len(wanted))
			}
		}
	},
	"CallbacksOfManyAppendersRunInTheOrderOfTheLog": func(t *testing.T, open Opener) {
		l := start(t, open).log(nil)
		const writers, each = 16, 40
		var order []uint64 // the callbacks are serial: no lock
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					rs := make([]queue.Record, 1+i%3)
					_, err := l.AppendBatch(background, rs, func(as []queue.Appended) {
						for _, a := range as {
							order = append(order, a.Offset.Seq)
						}
					})
					if err != nil {
						t.Error(w, err)
					}
					if i%8 == 0 {
						err := l.InOrder(background, func(last queue.Offset) {
							if last.Seq != uint64(len(order)) {
								t.Errorf("InOrder: last %d after %d callbacks", last.Seq, len(order))
							}
						})
						if err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		want(t, "callbacks", len(order), int(l.Bounds().Last))
		for i, seq := range order {
			want(t, "sequence", seq, uint64(i+1))
		}
	},
	"SameIDIsStoredOnceAlsoAfterReopening": func(t *testing.T, open Opener) {
		b := start(t, open)
		l := b.log(nil)
		first := appended(t)(l.Append(background, queue.Record{ID: "p1", Data: []byte("1")}))
		appended(t)(l.Append(background, queue.Record{ID: "p2"}))
		for range 2 {
			a := appended(t)(l.Append(background, queue.Record{ID: "p1", Data: []byte("2")}))
			want(t, "offset of a repeat", a, queue.Appended{Offset: first.Offset, Duplicate: true})
			b.again()
			l = b.log(nil)
		}
		as, err := l.AppendBatch(background, []queue.Record{{ID: "p3"}, {ID: "p3"}, {ID: "p2"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "batch", fmt.Sprint(as[0].Offset.Seq, as[0].Duplicate, as[1].Offset.Seq, as[1].Duplicate, as[2].Offset.Seq), "3 false 3 true 2")
		want(t, "records", l.Bounds().Count, 3)
		other, err := b.Log(background, "/other", nil)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "same ID in another log", appended(t)(other.Append(background, queue.Record{ID: "p1"})).Duplicate, false)
	},
	"SameIDFromManyAtOnceIsStoredOnce": func(t *testing.T, open Opener) {
		l := start(t, open).log(nil)
		var wg sync.WaitGroup
		answers := make([]queue.Appended, 32)
		for i := range answers {
			wg.Go(func() {
				a, err := l.Append(background, queue.Record{ID: "one"})
				if err != nil {
					t.Error(err)
				}
				answers[i] = a
			})
		}
		wg.Wait()
		fresh := 0
		for _, a := range answers {
			want(t, "sequence", a.Offset.Seq, 1)
			if !a.Duplicate {
				fresh++
			}
		}
		want(t, "stored", fresh, 1)
	},
	"IDIsForgottenAfterItsWindow": func(t *testing.T, open Opener) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, open)
			l := b.log(&queue.LogOptions{IDs: queue.IDs{Count: 10, Age: time.Minute}})
			add := func(id string) queue.Appended { return appended(t)(l.Append(background, queue.Record{ID: id})) }
			add("old")
			for i := range 9 {
				add(fmt.Sprint("n", i))
			}
			want(t, "within the window", add("old").Duplicate, true)
			for i := range 30 {
				add(fmt.Sprint("m", i))
			}
			want(t, "after the count", add("old").Duplicate, false)
			time.Sleep(59 * time.Second)
			want(t, "within the age", add("old").Duplicate, true)
			time.Sleep(61 * time.Second)
			add("x")
			time.Sleep(61 * time.Second)
			add("y")
			want(t, "after the age", add("old").Duplicate, false)
			b.Close()
		})
	},
	"GapIsAnsweredForTrimmedForeignAndFutureOffsets": func(t *testing.T, open Opener) {
		b := start(t, open)
		l := b.log(nil)
		for range 10 {
			appended(t)(l.Append(background, queue.Record{Rooms: []string{"a"}}))
		}
		end := l.Bounds().End()
		at := func(seq uint64) queue.Offset { return queue.Offset{Epoch: end.Epoch, Seq: seq} }
		if err := l.Trim(background, at(4)); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			after  queue.Offset
			reason queue.GapReason
			n      int
		}{
			{at(3), queue.GapTrimmed, 0},
			{at(4), "", 6},
			{at(10), "", 0},
			{at(11), queue.GapBeyond, 0},
			{queue.Offset{Epoch: end.Epoch + 1, Seq: 5}, queue.GapEpoch, 0},
			{queue.Offset{}, "", 6},
		} {
			for _, seq := range []func() (int, error){
				func() (int, error) { return count(l.Read(background, c.after, []string{"a"}, 0)) },
				func() (int, error) { return count(l.ReadAll(background, c.after, 0)) },
			} {
				n, err := seq()
				var gap *queue.GapError
				if errors.As(err, &gap) != (c.reason != "") || gap != nil && gap.Reason != c.reason {
					t.Fatalf("after %v: %v, want gap %q", c.after, err, c.reason)
				}
				want(t, fmt.Sprint("records after ", c.after), n, c.n)
			}
		}
		if err := l.Trim(background, at(11)); !errors.Is(err, queue.ErrNotFound) {
			t.Fatalf("trim beyond the end: %v", err)
		}
		if err := l.Trim(background, at(10)); err != nil {
			t.Fatal(err)
		}
		b.again()
		l = b.log(nil)
		want(t, "bounds", l.Bounds(), queue.Bounds{Epoch: end.Epoch, First: 11, Last: 10})
		want(t, "read at the end", len(collect(t, l.ReadAll(background, at(10), 0))), 0)
		want(t, "next", appended(t)(l.Append(background, queue.Record{})).Offset, at(11))
	},
	"RetentionHoldsByCountBytesAndAge": func(t *testing.T, open Opener) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, open)
			l := b.log(&queue.LogOptions{Retention: queue.Retention{Count: 100}})
			fill := func(n int) {
				for range n {
					appended(t)(l.Append(background, queue.Record{Rooms: []string{"r"}, Data: make([]byte, 100)}))
				}
			}
			fill(400)
			v := l.Bounds()
			if v.Count < 100 || v.Count > 107 || v.Last != 400 || v.First != 401-uint64(v.Count) {
				t.Fatalf("by count: %+v", v)
			}
			want(t, "readable", len(collect(t, l.Read(background, queue.Offset{}, []string{"r"}, 0))), int(v.Count))
			l = b.log(&queue.LogOptions{Retention: queue.Retention{Bytes: 5000}})
			fill(50)
			if v = l.Bounds(); v.Bytes > 5400 || v.Bytes < 4500 {
				t.Fatalf("by bytes: %+v", v)
			}
			l = b.log(&queue.LogOptions{Retention: queue.Retention{Age: time.Hour}})
			time.Sleep(30 * time.Minute)
			fill(3)
			time.Sleep(31 * time.Minute)
			if err := b.Clean(background); err != nil {
				t.Fatal(err)
			}
			want(t, "by age", l.Bounds().Count, 3)
			b.Close()
		})
	},
	"RoomRetentionTrimsThatRoomAloneAndSaysSo": func(t *testing.T, open Opener) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, open)
			opt := &queue.LogOptions{RoomRetention: func(room string) queue.Retention {
				if room == "busy" {
					return queue.Retention{Count: 16, Age: time.Hour}
				}
				return queue.Retention{}
			}}
			l := b.log(opt)
			appended(t)(l.Append(background, queue.Record{Rooms: []string{"quiet"}, Data: []byte("q")}))
			appended(t)(l.Append(background, queue.Record{Rooms: []string{"busy", "quiet"}, Data: []byte("bq")}))
			start := l.Bounds().End()
			for i := range 100 {
				appended(t)(l.Append(background, queue.Record{Rooms: []string{"busy"}, Data: fmt.Append(nil, i)}))
			}
			want(t, "quiet room", text(collect(t, l.Read(background, queue.Offset{}, []string{"quiet"}, 0)), entryText), "1:q 2:bq")
			_, err := count(l.Read(background, start, []string{"busy", "quiet"}, 0))
			var gap *queue.GapError
			if !errors.As(err, &gap) || gap.Room != "busy" {
				t.Fatalf("busy room: %v", err)
			}
			if n := l.Bounds().Count; n < 18 || n > 19 {
				t.Fatalf("%d records are left", n)
			}
			b.again()
			l = b.log(opt)
			near := queue.Offset{Epoch: start.Epoch, Seq: 97}
			want(t, "end of the busy room", len(collect(t, l.Read(background, near, []string{"busy"}, 0))), 5)
			time.Sleep(2 * time.Hour)
			if err := b.Clean(background); err != nil {
				t.Fatal(err)
			}
			want(t, "left after an hour", text(collect(t, l.ReadAll(background, queue.Offset{}, 0)), entryText), "1:q 2:bq")
			b.Close()
		})
	},
	"DeletedLogBeginsAnewInAnotherEpoch": func(t *testing.T, open Opener) {
		b := start(t, open)
		l := b.log(nil)
		a := appended(t)(l.Append(background, queue.Record{ID: "i"}))
		if err := b.DeleteLog(background, "/chat"); err != nil {
			t.Fatal(err)
		}
		_, err := l.Append(background, queue.Record{})
		wantError(t, "append to a deleted log", err, queue.ErrNotFound)
		l = b.log(nil)
		c := appended(t)(l.Append(background, queue.Record{ID: "i"}))
		if c.Offset.Epoch == a.Offset.Epoch || c.Offset.Seq != 1 || c.Duplicate {
			t.Fatalf("first %+v, then %+v", a, c)
		}
	},
	"LimitsAreHeld": func(t *testing.T, open Opener) {
		l := start(t, open).log(&queue.LogOptions{MaxRecord: 100, MaxRooms: 2})
		for _, r := range []queue.Record{
			{Data: make([]byte, 101)},
			{Rooms: []string{"a", "b", "c"}},
			{ID: string(make([]byte, 600))},
			{Rooms: []string{string(make([]byte, 600))}},
		} {
			_, err := l.Append(background, r)
			wantError(t, "append", err, queue.ErrTooLarge)
		}
		want(t, "stored", l.Bounds().Count, 0)
	},
	"NewEpochsMakeOldOffsetsAGap": func(t *testing.T, open Opener) {
		b := start(t, open)
		a := appended(t)(b.log(nil).Append(background, queue.Record{Data: []byte("x")}))
		b.o.NewEpochs = true
		b.again()
		b.o.NewEpochs = false
		l := b.log(nil)
		_, err := count(l.ReadAll(background, a.Offset, 0))
		var gap *queue.GapError
		if !errors.As(err, &gap) || gap.Reason != queue.GapEpoch {
			t.Fatalf("old offset: %v", err)
		}
		want(t, "records kept", text(collect(t, l.ReadAll(background, queue.Offset{}, 0)), entryText), "1:x")
	},
}
