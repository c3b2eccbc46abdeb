package adapter_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/roomwire/roomwire/adapter"
)

func ExampleMemory() {
	ctx := context.Background()
	local := &stub{deliver: func(members iter.Seq[adapter.Member]) {
		for m := range members {
			fmt.Println("to", m.ID())
		}
	}}
	a, err := adapter.Memory()("/", local)
	if err != nil {
		panic(err)
	}
	ann, bob := &member{"ann"}, &member{"bob"}
	_ = a.Add(ctx, ann, "chat")
	_ = a.Add(ctx, bob, "chat")
	fmt.Println(a.Rooms(ann))
	_ = a.Broadcast(ctx, packet, adapter.Selector{Rooms: []string{"chat"}, Except: []string{"bob"}}, adapter.Flags{})
	// Output:
	// [ann chat]
	// to ann
}
