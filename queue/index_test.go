package queue_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/roomwire/roomwire/queue"
)

// A batch puts many records of a room under one row of the index. Whatever part
// of it was trimmed, a read finds the rest, and fsck nothing to complain of.
func TestPartOfABatchMayBeTrimmed(t *testing.T) {
	for _, rooms := range []struct {
		name string
		keep func(string) queue.Retention
	}{
		{"log", nil},
		{"room", func(room string) queue.Retention {
			if room == "a" {
				return queue.Retention{Count: 100}
			}
			return queue.Retention{}
		}},
	} {
		t.Run(rooms.name, func(t *testing.T) {
			s, err := queue.Open(queue.Memory(), &queue.Options{Janitor: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			l, err := s.Log(t.Context(), "/", &queue.LogOptions{RoomRetention: rooms.keep})
			if err != nil {
				t.Fatal(err)
			}
			rs := make([]queue.Record, 700) // more than a row holds
			for i := range rs {
				rs[i].Rooms = []string{[]string{"a", "b"}[i%2], "both"}
			}
			if _, err := l.AppendBatch(t.Context(), rs, nil); err != nil {
				t.Fatal(err)
			}
			b := l.Bounds()
			from := queue.Offset{Epoch: b.Epoch, Seq: 333}
			if rooms.keep == nil {
				if err := l.Trim(t.Context(), from); err != nil {
					t.Fatal(err)
				}
			}
			for _, after := range []uint64{333, 334, 510, 511, 512, 513, 599, 600, 601, 698, 699, 700} {
				for _, room := range []string{"a", "b", "both"} {
					var want, got []uint64
					for seq := after + 1; seq <= 700; seq++ {
						if slices.Contains(rs[seq-1].Rooms, room) {
							want = append(want, seq)
						}
					}
					gap := false
					for e, err := range l.Read(t.Context(), queue.Offset{Epoch: b.Epoch, Seq: after}, []string{room}, 0) {
						if err != nil {
							gap = true
							break
						}
						got = append(got, e.Offset.Seq)
					}
					if trimmed := rooms.keep != nil && room == "a" && after < 500; gap != trimmed || !gap && !slices.Equal(got, want) {
						t.Errorf("room %s after %d: gap %v, got %s, want %s", room, after, gap, ends(got), ends(want))
					}
				}
			}
			r, err := s.Check(t.Context(), queue.CheckOptions{})
			if err != nil || len(r.Problems) > 0 {
				t.Errorf("fsck: %v, %v", r.Problems, err)
			}
		})
	}
}

func ends(seqs []uint64) string {
	if len(seqs) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%d: %d to %d", len(seqs), seqs[0], seqs[len(seqs)-1])
}
