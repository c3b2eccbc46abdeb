// Package stack gives a goroutine the stack that it is going to need, before it
// has called anything.
//
// A goroutine begins with 2 KiB. When that is not enough, the runtime copies
// what is in use to a larger place, and has to look at every frame to correct
// its pointers. Deep in a call that takes some microseconds, as much as all
// else that a short event costs; at the bottom there is nothing to copy.
package stack

// Small makes room for some 2 KiB of calls: a stack of 4 KiB.
//
//go:noinline
func Small() byte {
	var room [2 << 10]byte
	return room[zero]
}

// Large makes room for some 6 KiB of calls: a stack of 8 KiB.
//
//go:noinline
func Large() byte {
	var room [6 << 10]byte
	return room[zero]
}

// zero keeps the compiler from leaving the arrays out.
var zero int
