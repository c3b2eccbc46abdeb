package stack_test

import (
	"sync"
	"testing"

	"github.com/roomwire/roomwire/internal/stack"
)

// deep is what a handler is at the end of a dozen calls.
func deep(n int) (sum byte) {
	var local [192]byte
	if n > 0 {
		sum = deep(n - 1)
	}
	return sum + local[n]
}

// What a goroutine costs that outgrows its stack deep in a call, and early.
func BenchmarkGrow(b *testing.B) {
	for name, first := range map[string]func() byte{"deep": func() byte { return 0 }, "early": stack.Large} {
		b.Run(name, func(b *testing.B) {
			var running sync.WaitGroup
			for b.Loop() {
				running.Go(func() {
					first()
					deep(20)
				})
				running.Wait()
			}
		})
	}
}
