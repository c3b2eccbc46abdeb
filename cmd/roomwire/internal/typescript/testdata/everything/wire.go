package everything

import (
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/typescript/testdata/everything/model"
	"github.com/roomwire/roomwire/event"
)

// What the wire has, though the tag or the type might make one think otherwise.
const (
	Sparse   event.Of[Optional]         = "optional"
	Void     event.Call[Empty, *Empty]  = "void" // an object without fields is one argument
	Folders  event.Of[Folder]           = "folders"
	Foreign  event.Of[model.Car]        = "foreign"
	Blobs    event.Of[map[string]Blob]  = "blobs"
	internal event.Of[model.Color]      = "internal"
	Hidden   event.Of[hidden]           = "hidden"
	Times    event.Of[Page[time.Time]]  = "times"
	Nested   event.Of[Page[Page[Blob]]] = "nested"
	Levels   event.Of[Level]            = "levels"
)

// Optional has fields that are always there, and some that are not.
type Optional struct {
	Time   time.Time `json:"time,omitempty"` // never empty
	Inner  Empty     `json:"inner,omitempty"`
	Array  [2]int    `json:"array,omitempty"`
	None   [0]int    `json:"none,omitempty"`
	Zero   time.Time `json:"zero,omitzero"`
	Flag   bool      `json:"flag,omitempty"`
	Quoted *int64    `json:"quoted,string"`
	Maybe  *int64    `json:"maybe,omitempty,string"`
	List   []int     `json:"list,string"` // a list is not quoted
}

// Empty is not struct{}.
type Empty struct{}

// A Folder refers to itself.
type Folder map[string]Folder

// A Blob is binary, as is what is made of an Octet.
type Blob []Octet

// An Octet is a byte.
type Octet byte

// hidden is not exported, its fields are.
type hidden struct {
	Blob Blob `json:"blob"`
}

// A Level is a number.
type Level int

// The levels.
const (
	Low Level = iota
	High
)
