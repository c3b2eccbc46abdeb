// Package direction has a directive that does not say who.
package direction

import "github.com/roomwire/roomwire/event"

// Lost comes from nowhere.
//
//sio:from nowhere
const Lost event.Of[string] = "lost"
