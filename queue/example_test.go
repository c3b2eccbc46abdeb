package queue_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roomwire/roomwire/queue"
)

// A client was away after the first message, and reads what it missed.
func ExampleLog_Read() {
	ctx := context.Background()
	store, err := queue.Open(queue.Memory(), nil)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	chat, err := store.Log(ctx, "/chat", nil)
	if err != nil {
		panic(err)
	}
	seen, _ := chat.Append(ctx, queue.Record{Rooms: []string{"lobby"}, Data: []byte("hello")})
	_, _ = chat.Append(ctx, queue.Record{Rooms: []string{"kitchen"}, Data: []byte("soup")})
	_, _ = chat.Append(ctx, queue.Record{Rooms: []string{"lobby"}, Data: []byte("anybody?")})

	for e, err := range chat.Read(ctx, seen.Offset, []string{"lobby"}, 0) {
		var gap *queue.GapError
		if errors.As(err, &gap) {
			fmt.Println("some of it is gone:", gap)
			break
		}
		fmt.Println(string(e.Data))
	}
	// Output: anybody?
}

// A shop gets its orders when it comes back, and each until it says so.
func ExampleMailbox() {
	ctx := context.Background()
	store, _ := queue.Open(queue.Memory(), nil)
	defer store.Close()
	boxes, _ := store.Mailboxes(ctx, "acme", nil)
	shop := boxes.Box("shop-7", "orders")
	_, _ = shop.Publish(ctx, queue.Outgoing{Data: []byte("one cake")}, nil)
	_, _ = shop.Publish(ctx, queue.Outgoing{Data: []byte("two pies")}, nil)

	for m := range shop.Pending(ctx, 0, 1) {
		fmt.Println(string(m.Data))
		_, _ = shop.Ack(ctx, m.ID)
	}
	info, _ := shop.Info()
	fmt.Println(info.Pending, "left")
	// Output:
	// one cake
	// 1 left
}

// A worker leases a job, fails, and gets it again.
func ExampleGroup() {
	ctx := context.Background()
	store, _ := queue.Open(queue.Memory(), nil)
	defer store.Close()
	mails, _ := store.Work(ctx, "mails", nil)
	workers, _ := mails.Group(ctx, "")
	_, _ = mails.Push(ctx, queue.Job{Data: []byte("to Ann")})

	jobs, _ := workers.Lease(ctx, 10, time.Minute)
	_ = workers.Nack(ctx, jobs[0].Lease, 0, "no answer")
	jobs, _ = workers.Lease(ctx, 10, time.Minute)
	fmt.Println(string(jobs[0].Data), "attempt", jobs[0].Attempts)
	_ = workers.Ack(ctx, jobs[0].Lease)
	// Output: to Ann attempt 2
}
