// Package broken has an event that cannot be sent.
package broken

import "github.com/roomwire/roomwire/event"

// Bad carries a channel.
const Bad event.Of[Carrier] = "bad"

// A Carrier has a field that is no data.
type Carrier struct {
	Inner struct{ Ch chan int }
}
