package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/stores/pebble"
)

// The workload: publishers that append to a log and publish to mailboxes with
// IDs of their own, a subscriber that acknowledges messages in no order, a
// producer and a worker. Everything is told to a history before it is begun
// and after it is done.

const (
	publishers = 8
	rooms      = 5
	boxes      = 3
)

// A step says that something begins (Done false) or was acknowledged.
type step struct {
	Done  bool   `json:"d,omitempty"`
	Again bool   `json:"o,omitempty"` // it was acknowledged in an earlier life
	What  string `json:"w"`           // "log", "mail", "ack", "job", "work"
	ID    string `json:"i"`           // of the publish, or of what is acknowledged
	Room  string `json:"r,omitempty"` // "": everybody
	At    string `json:"a,omitempty"` // the offset or ID that it got
	Seq   uint64 `json:"s,omitempty"`
}

// A plan says where each publisher begins. What it did last is repeated, as a
// client does that did not hear of the outcome.
type plan struct {
	Seed uint64          `json:"seed"`
	Next [publishers]int `json:"next"` // the counter that was begun last
	Mail int             `json:"mail"`
	Jobs int             `json:"jobs"`
	// Again and Remail are IDs that were acknowledged some time before, to be
	// published once more.
	Again  []string `json:"again,omitempty"`
	Remail []string `json:"remail,omitempty"`
	// Die says at which operation on the disk the crash comes; see faults.
	Die fault `json:"die"`
}

func roomName(i int) string {
	if i == 0 {
		return ""
	}
	return fmt.Sprint("room", i)
}

// payload returns the data of a publish: other bytes for every ID, so that a
// mix-up shows.
func payload(id string) []byte {
	n := 0
	for _, c := range id {
		n = n*31 + int(c)
	}
	b := []byte(id + "|")
	for range uint(n) % 200 {
		b = append(b, byte('a'+uint(n)%26))
		n = n*1103515245 + 12345
	}
	return b
}

type nouns struct {
	log   *queue.Log
	boxes *queue.Mailboxes
	group *queue.Group
	work  *queue.Work
}

func openNouns(ctx context.Context, s *pebble.Store) (n nouns, err error) {
	if n.log, err = s.Log(ctx, "/", nil); err != nil {
		return n, err
	}
	if n.boxes, err = s.Mailboxes(ctx, "acme", nil); err != nil {
		return n, err
	}
	if n.work, err = s.Work(ctx, "jobs", &queue.WorkOptions{MaxAttempts: 1 << 30}); err != nil {
		return n, err
	}
	n.group, err = n.work.Group(ctx, "")
	return n, err
}

// run works until ctx is done or the store has failed.
func run(ctx context.Context, s *pebble.Store, p plan, tell func(step)) error {
	n, err := openNouns(ctx, s)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() { publish(ctx, n, i, p.Next[i], rand.New(rand.NewPCG(p.Seed, uint64(i))), tell) })
	}
	wg.Go(func() { again(ctx, n, p, tell) })
	wg.Go(func() { mail(ctx, n, p.Mail, tell) })
	wg.Go(func() { acknowledge(ctx, n, rand.New(rand.NewPCG(p.Seed, 1000)), tell) })
	wg.Go(func() { produce(ctx, n, p.Jobs, tell) })
	wg.Go(func() { consume(ctx, n, tell) })
	wg.Wait()
	if err := s.Err(); err != nil && !errors.Is(err, queue.ErrFailed) {
		return err
	}
	return nil
}

// room is decided by the ID, so that a repeat asks for the same.
func roomOf(p, c int) string { return roomName((p*7 + c*3) % rooms) }

func publish(ctx context.Context, n nouns, p, from int, r *rand.Rand, tell func(step)) {
	for c := max(from, 1); ctx.Err() == nil; {
		k := 1 + r.IntN(3)
		rs := make([]queue.Record, k)
		for i := range rs {
			id, room := fmt.Sprintf("p%d-%d", p, c+i), roomOf(p, c+i)
			tell(step{What: "log", ID: id, Room: room})
			rs[i] = queue.Record{ID: id, Data: payload(id)}
			if room != "" {
				rs[i].Rooms = []string{room}
			}
		}
		as, err := n.log.AppendBatch(ctx, rs, nil)
		if err != nil {
			return
		}
		for i, a := range as {
			tell(step{Done: true, What: "log", ID: rs[i].ID, Room: roomOf(p, c+i), At: a.Offset.String(), Seq: a.Offset.Seq})
		}
		c += k
	}
}

// again publishes once more what was acknowledged before: nothing is stored, and
// the answer is the first one.
func again(ctx context.Context, n nouns, p plan, tell func(step)) {
	for i := range max(len(p.Again), len(p.Remail)) {
		if i < len(p.Again) {
			id := p.Again[i]
			pub, _ := strconv.Atoi(id[1:strings.IndexByte(id, '-')])
			r := queue.Record{ID: id, Data: payload(id)}
			if room := roomOf(pub, number(id)); room != "" {
				r.Rooms = []string{room}
			}
			a, err := n.log.Append(ctx, r)
			if err != nil {
				return
			}
			tell(step{Done: true, Again: true, What: "log", ID: id, At: a.Offset.String(), Seq: a.Offset.Seq})
		}
		if i < len(p.Remail) {
			at, ok := post(ctx, n, p.Remail[i])
			if !ok {
				return
			}
			tell(step{Done: true, Again: true, What: "mail", ID: p.Remail[i], At: at})
		}
	}
}

func mail(ctx context.Context, n nouns, from int, tell func(step)) {
	for c := max(from, 1); ctx.Err() == nil; c++ {
		id := fmt.Sprint("m-", c)
		tell(step{What: "mail", ID: id})
		at, ok := post(ctx, n, id)
		if !ok {
			return
		}
		tell(step{Done: true, What: "mail", ID: id, At: at})
	}
}

func post(ctx context.Context, n nouns, id string) (at string, ok bool) {
	box := n.boxes.Box(fmt.Sprint("user", number(id)%boxes), "")
	r, err := box.Publish(ctx, queue.Outgoing{Key: id, Data: payload(id)}, nil)
	return r.ID, err == nil
}

func acknowledge(ctx context.Context, n nouns, r *rand.Rand, tell func(step)) {
	for ctx.Err() == nil {
		box := n.boxes.Box(fmt.Sprint("user", r.IntN(boxes)), "")
		var ids []string
		for m, err := range box.Pending(ctx, 0, 20) {
			if err != nil {
				return
			}
			if r.IntN(2) == 0 {
				ids = append(ids, m.ID)
				tell(step{What: "ack", ID: m.ID})
			}
		}
		r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		if _, err := box.Ack(ctx, ids...); err != nil {
			return
		}
		for _, id := range ids {
			tell(step{Done: true, What: "ack", ID: id})
		}
	}
}

func produce(ctx context.Context, n nouns, from int, tell func(step)) {
	for c := max(from, 1); ctx.Err() == nil; c++ {
		id := fmt.Sprint("j-", c)
		tell(step{What: "job", ID: id})
		if _, err := n.work.Push(ctx, queue.Job{Key: id, Data: payload(id), Priority: c % 3}); err != nil {
			return
		}
		tell(step{Done: true, What: "job", ID: id})
	}
}

func consume(ctx context.Context, n nouns, tell func(step)) {
	for i := 0; ctx.Err() == nil; i++ {
		jobs, err := n.group.Lease(ctx, 3, 50*time.Millisecond)
		if err != nil {
			return
		}
		for _, j := range jobs {
			id := jobID(j.Data)
			if i++; i%5 == 0 {
				err = n.group.Nack(ctx, j.Lease, time.Millisecond, "again")
			} else {
				tell(step{What: "work", ID: id})
				if err = n.group.Ack(ctx, j.Lease); err == nil {
					tell(step{Done: true, What: "work", ID: id})
				}
			}
			if err != nil && !errors.Is(err, queue.ErrLeaseLost) {
				return
			}
		}
	}
}

func jobID(data []byte) string {
	for i, c := range data {
		if c == '|' {
			return string(data[:i])
		}
	}
	return string(data)
}
