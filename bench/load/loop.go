package load

import (
	"errors"
	"time"
)

// receiver hears what happens to one connection, always on the goroutine that
// steps the loop. Every dialled connection ends with exactly one closed, unless
// its own side closed it.
type receiver interface {
	opened()
	received(b []byte) // b is valid during the call only
	closed(err error)
}

// link is one client connection of a loop. Its methods belong to the goroutine
// that steps the loop.
type link interface {
	// write sends b; what the kernel does not take at once is kept (a copy) up
	// to maxUnsent bytes, beyond which the connection is closed.
	write(b []byte)
	// pause stops reading until resume; the end of the connection may be
	// noticed nevertheless. Only an opened link may be paused.
	pause()
	resume()
	close()
}

// loop owns all connections of a run.
type loop interface {
	// dial never blocks; opened or closed follows in a later step.
	dial(r receiver) link
	// step handles what has happened, waiting at most wait for something.
	step(wait time.Duration) error
	close()
}

const maxUnsent = 4 << 20

var errUnsent = errors.New("load: the server does not take what is sent")
