package pebble_test

import (
	"context"
	"fmt"
	"os"

	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/stores/pebble"
)

// What was acknowledged is there when the store is opened again.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	var seen queue.Offset
	for _, text := range []string{"hello", "again"} {
		store, err := pebble.Open(dir, &pebble.Options{Logger: quiet})
		if err != nil {
			panic(err)
		}
		log, err := store.Log(ctx, "/", nil)
		if err != nil {
			panic(err)
		}
		if _, err := log.Append(ctx, queue.Record{Rooms: []string{"lobby"}, Data: []byte(text)}); err != nil {
			panic(err)
		}
		for e, err := range log.Read(ctx, seen, []string{"lobby"}, 0) {
			if err != nil {
				panic(err)
			}
			fmt.Println(e.Offset.Seq, string(e.Data))
			seen = e.Offset
		}
		store.Close()
	}
	// Output:
	// 1 hello
	// 2 again
}

// Fsck reads everything, and repairs what it can when it is told to.
func ExampleFsck() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := pebble.Open(dir, &pebble.Options{Logger: quiet})
	if err != nil {
		panic(err)
	}
	store.Close()
	report, err := pebble.Fsck(context.Background(), dir, &pebble.Options{Logger: quiet}, false)
	fmt.Println(len(report.Problems), report.Lost, err)
	// Output:
	// 0 false <nil>
}
