// Package everything is a contract of all that can be declared.
package everything

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"time"

	"github.com/roomwire/roomwire/event"
)

// Both ways.
const (
	Nothing  event.Of[struct{}]             = "nothing"
	Text     event.Of[string]               = "chat message" // names need quotes
	Numbers  event.Of[[]int]                = "numbers"
	Bytes    event.Of[[]byte]               = "bytes"
	Anything event.Of[any]                  = "anything"
	Ask      event.Call[string, User]       = "ask"
	AskAll   event.Call[Page[User], []User] = "ask:all"
	Ping     event.Call[struct{}, struct{}] = "ping"
	Several  event.Call[Words, Results]     = "several"
	Pointer  event.Of[*User]                = "pointer"
	Tree     event.Of[Node]                 = "tree"
	Keyword  event.Of[Default]              = "default"
	unseen   event.Of[string]               = "unseen"
)

// Of one side.
//
//sio:from server
const (
	Told event.Of[Everything] = "told"

	// Said has a comment
	// of two lines. It must not end here: */
	//
	//sio:from client
	Said event.Of[Pair] = "said"
)

// A Status is one of a few.
type Status string

// The statuses.
const (
	Online Status = "online"
	Away   Status = "away"
)

// A UserID is a string of its own.
type UserID string

// A User is somebody.
type User struct {
	ID     UserID `json:"id"`
	Status Status `json:"status"`
	Name   string // has no tag
	secret string
}

// A Page is generic.
type Page[T any] struct {
	Items []T `json:"items"`
	Next  int `json:"next,omitempty"`
}

// Words take all that remain, before the callback.
type Words struct {
	event.Args
	First string
	Rest  []string `sio:"rest"`
}

// Results are two.
type Results struct {
	event.Args
	Count   int
	Longest string
}

// A Pair is two arguments, one of which is called like a keyword.
type Pair struct {
	event.Args
	Function string
	UserID   UserID
}

// A Node refers to itself.
type Node struct {
	Children []*Node `json:"children"`
	Parent   *Node   `json:"parent,omitempty"`
}

// Default is a keyword in lower case.
type Default struct{ A bool }

// A Base is embedded.
type Base struct {
	ID    int       `json:"id"`
	Since time.Time `json:"since"`
	Kind  string    `json:"kind"`
}

// Custom has a form that only its code knows.
type Custom struct{}

// MarshalJSON implements json.Marshaler.
func (Custom) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

// Everything has a field of every kind.
type Everything struct {
	Base
	*Default
	Named    Base              `json:"named"`
	Kind     Status            `json:"kind"` // hides that of Base
	Skipped  int               `json:"-"`
	Dash     int               `json:"-,"`
	Quoted   int64             `json:"quoted,string"`
	Bool     bool              `json:"bool"`
	Float    float32           `json:"with space"`
	Pointer  *string           `json:"pointer"`
	Maybe    *string           `json:"maybe,omitzero"`
	Duration time.Duration     `json:"duration"`
	Raw      json.RawMessage   `json:"raw"`
	Big      *big.Int          `json:"big"`
	Addr     netip.Addr        `json:"addr"`
	Custom   Custom            `json:"custom"`
	Map      map[string][]User `json:"map"`
	ByNumber map[int]bool      `json:"byNumber"`
	ByStatus map[Status]int    `json:"byStatus"`
	Hash     [4]byte           `json:"hash"`
	Matrix   [][]*float64      `json:"matrix"`
	Inline   struct {
		X, Y int
	} `json:"inline"`
	Interface interface{ Foo() } `json:"interface"`
}
