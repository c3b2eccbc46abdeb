package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/queue"
)

func group(t *testing.T, w *queue.Work, name string) *queue.Group {
	t.Helper()
	g, err := w.Group(background, name)
	return need(t, g, err)
}

func push(t *testing.T, w *queue.Work, jobs ...queue.Job) {
	t.Helper()
	_, err := w.Push(background, jobs...)
	need(t, 0, err)
}

func lease(t *testing.T, g *queue.Group, n int) []queue.Job {
	t.Helper()
	jobs, err := g.Lease(background, n, time.Minute)
	return need(t, jobs, err)
}

func jobText(j queue.Job) string { return string(j.Data) }

func job(i any) queue.Job { return queue.Job{Data: fmt.Append(nil, i)} }

var workTests = map[string]func(t *testing.T, open Opener){
	"JobIsLeasedByOneAndGoneWhenAcknowledged": func(t *testing.T, open Opener) {
		s := start(t, open)
		w := s.work(nil)
		push(t, w, job(1), job(2), job(3))
		g := group(t, w, "")
		a := lease(t, g, 2)
		want(t, "first", text(a, jobText), "1 2")
		want(t, "second", text(lease(t, g, 2), jobText), "3")
		if err := g.Ack(background, a[0].Lease); err != nil {
			t.Fatal(err)
		}
		wantError(t, "ack twice", g.Ack(background, a[0].Lease), queue.ErrLeaseLost)
		wantError(t, "nonsense", g.Ack(background, "x"), queue.ErrLeaseLost)
		want(t, "stats", w.Stats()[0], queue.WorkStats{Leased: 2})
		s.again()
		w = s.work(nil)
		g = group(t, w, "")
		want(t, "stats after reopening", w.Stats()[0], queue.WorkStats{Leased: 2})
		want(t, "leases still hold", len(lease(t, g, 9)), 0)
		if err := g.Ack(background, a[1].Lease); err != nil {
			t.Fatalf("ack after reopening: %v", err)
		}
	},
	"ExpiredLeaseGoesToTheNextAlsoAfterReopening": func(t *testing.T, open Opener) {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, open)
			w := s.work(&queue.WorkOptions{MaxAttempts: 2})
			push(t, w, job("a"), job("b"))
			g := group(t, w, "")
			first := lease(t, g, 2)
			time.Sleep(30 * time.Second)
			if err := g.Extend(background, first[1].Lease, time.Minute); err != nil {
				t.Fatal(err)
			}
			time.Sleep(31 * time.Second)
			s.again()
			w = s.work(&queue.WorkOptions{MaxAttempts: 2})
			g = group(t, w, "")
			second := lease(t, g, 2)
			want(t, "leased again", text(second, jobText), "a")
			want(t, "attempts", second[0].Attempts, 2)
			wantError(t, "ack by the first", g.Ack(background, first[0].Lease), queue.ErrLeaseLost)
			if err := g.Ack(background, first[1].Lease); err != nil {
				t.Fatalf("ack of the extended lease: %v", err)
			}
			time.Sleep(2 * time.Minute)
			want(t, "after the last attempt", len(lease(t, g, 2)), 0)
			dead := collect(t, g.Dead(background, 0, 0))
			want(t, "dead", text(dead, func(d queue.DeadJob) string { return fmt.Sprint(string(d.Data), d.Reason, d.Attempts) }), "alease expired2")
			s.Close()
		})
	},
	"NackedJobComesAgainAfterItsDelayAndDiesInTheEnd": func(t *testing.T, open Opener) {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, open)
			w := s.work(&queue.WorkOptions{MaxAttempts: 3})
			push(t, w, job("x"), job("y"))
			g := group(t, w, "")
			for i := range 3 {
				l := lease(t, g, 1)
				want(t, "attempt", fmt.Sprint(text(l, jobText), l[0].Attempts), fmt.Sprint("x", i+1))
				if err := g.Nack(background, l[0].Lease, time.Hour, "no luck"); err != nil {
					t.Fatal(err)
				}
				if i < 2 {
					want(t, "delayed", w.Stats()[0], queue.WorkStats{Ready: 1, Delayed: 1})
					time.Sleep(time.Hour)
				}
			}
			want(t, "dead", w.Stats()[0], queue.WorkStats{Ready: 1, Dead: 1})
			want(t, "reason", collect(t, g.Dead(background, 0, 0))[0].Reason, "no luck")
			n, err := g.Replay(background)
			want(t, "replayed", need(t, n, err), 1)
			l := lease(t, g, 5)
			want(t, "after the replay", text(l, jobText), "x y")
			want(t, "attempts", l[0].Attempts, 1)
			if err := g.Kill(background, l[0].Lease, "bad"); err != nil {
				t.Fatal(err)
			}
			n, err = g.PurgeDead(background, l[0].Seq)
			want(t, "purged", need(t, n, err), 1)
			want(t, "left", w.Stats()[0], queue.WorkStats{Leased: 1})
			s.Close()
		})
	},
	"DelayedAndPriorityJobsComeWhenTheyShould": func(t *testing.T, open Opener) {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, open)
			w := s.work(nil)
			later, at := job("later"), job("at")
			later.Delay = time.Hour
			at.NotBefore = time.Now().Add(30 * time.Minute)
			high := job("high")
			high.Priority = 9
			push(t, w, job("low"), later, at, high)
			g := group(t, w, "")
			want(t, "now", text(lease(t, g, 9), jobText), "high low")
			begun := time.Now()
			for _, wanted := range []string{"at 30m0s", "later 1h0m0s"} {
				l := lease(t, g, 1)
				for len(l) == 0 {
					if err := g.Wait(t.Context()); err != nil {
						t.Fatal(err)
					}
					l = lease(t, g, 1)
					if len(l) > 0 && l[0].Attempts > 1 { // the two above, whose leases are over
						need(t, 0, g.Ack(background, l[0].Lease))
						l = nil
					}
				}
				want(t, "waited for", fmt.Sprint(jobText(l[0]), " ", time.Since(begun)), wanted)
				need(t, 0, g.Ack(background, l[0].Lease))
			}
			s.Close()
		})
	},
	"WaitReturnsWhenSomethingIsPushed": func(t *testing.T, open Opener) {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, open)
			w := s.work(nil)
			g := group(t, w, "")
			var got []queue.Job
			var wg sync.WaitGroup
			wg.Go(func() {
				for len(got) == 0 {
					if err := g.Wait(background); err != nil {
						t.Error(err)
						return
					}
					got = lease(t, g, 1)
				}
			})
			time.Sleep(time.Second)
			push(t, w, job("now"))
			wg.Wait()
			want(t, "leased", text(got, jobText), "now")
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			if err := g.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Wait: %v", err)
			}
			s.Close()
		})
	},
	"EveryGroupGetsEveryJob": func(t *testing.T, open Opener) {
		s := start(t, open)
		w := s.work(nil)
		a, b := group(t, w, "a"), group(t, w, "b")
		push(t, w, job(1), job(2))
		for _, g := range []*queue.Group{a, b} {
			l := lease(t, g, 9)
			want(t, g.Name(), text(l, jobText), "1 2")
			need(t, 0, g.Ack(background, l[0].Lease))
		}
		if err := w.DeleteGroup(background, "b"); err != nil {
			t.Fatal(err)
		}
		_, err := b.Lease(background, 1, time.Minute)
		wantError(t, "lease of a deleted group", err, queue.ErrNotFound)
		want(t, "groups", fmt.Sprint(w.Stats()), fmt.Sprint([]queue.WorkStats{{Group: "a", Leased: 1}}))
	},
	"SameKeyIsPushedOnce": func(t *testing.T, open Opener) {
		s := start(t, open)
		w := s.work(nil)
		j := job("k")
		j.Key = "key"
		push(t, w, j, j)
		s.again()
		w = s.work(nil)
		p, err := w.Push(background, j)
		want(t, "repeat", need(t, p, err)[0], queue.Pushed{Seq: 1, Duplicate: true})
		want(t, "ready", w.Stats()[0].Ready, 1)
	},
	"ManyConsumersGetEachJobOnce": func(t *testing.T, open Opener) {
		s := start(t, open)
		w := s.work(nil)
		g := group(t, w, "")
		const n = 200
		for i := range n {
			push(t, w, job(i))
		}
		var mu sync.Mutex
		seen := make(map[string]int)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					l, err := g.Lease(background, 3, time.Minute)
					if err != nil {
						t.Error(err)
					}
					if len(l) == 0 {
						return
					}
					for _, j := range l {
						mu.Lock()
						seen[jobText(j)]++
						mu.Unlock()
						if err := g.Ack(background, j.Lease); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		want(t, "jobs", len(seen), n)
		for k, c := range seen {
			want(t, k, c, 1)
		}
		want(t, "stats", w.Stats()[0], queue.WorkStats{})
	},
	"LimitsOfWorkAreHeld": func(t *testing.T, open Opener) {
		s := start(t, open)
		w := s.work(&queue.WorkOptions{MaxJobs: 2, MaxJob: 10})
		push(t, w, job(1), job(2))
		_, err := w.Push(background, job(3))
		wantError(t, "third", err, queue.ErrWorkFull)
		_, err = w.Push(background, queue.Job{Data: make([]byte, 11)})
		wantError(t, "large", err, queue.ErrTooLarge)
		_, err = w.Push(background, queue.Job{Priority: 10})
		wantError(t, "priority", err, queue.ErrTooLarge)
		g := group(t, w, "")
		need(t, 0, g.Ack(background, lease(t, g, 1)[0].Lease))
		push(t, w, job(3))
	},
}
