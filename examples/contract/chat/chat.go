// Package chat is the contract of a chat: the names of its events and the
// types they carry. The server, the Go client and, through roomwire types, the
// TypeScript client are all held to it by their compilers.
package chat

import (
	"time"

	"github.com/roomwire/roomwire/event"
)

//go:generate go run github.com/roomwire/roomwire/cmd/roomwire types . --out ../ts/chat.ts

// What clients ask for.
//
//sio:from client
const (
	// Say posts a message to a room; the reply is the message as everybody gets it.
	Say event.Call[Draft, Message] = "say"
	// History returns the last messages of a room, oldest first.
	History event.Call[Page, []Message] = "history"
	// Typing tells that the sender has begun or stopped typing.
	Typing event.Of[bool] = "typing"
)

// What the server tells.
//
//sio:from server
const (
	// Posted carries each new message to everybody.
	Posted event.Of[Message] = "posted"
	// Typed tells that somebody has begun or stopped typing.
	Typed event.Of[Typist] = "typed"
)

// A Kind says what a message is.
type Kind string

// The kinds of message.
const (
	Text  Kind = "text"
	Image Kind = "image"
)

// A Draft is a message that has not been posted yet.
type Draft struct {
	Room string `json:"room"`
	Kind Kind   `json:"kind"`
	Text string `json:"text"`
	Data []byte `json:"data,omitempty"` // of an image; travels as binary
}

// A Message is what somebody said.
type Message struct {
	Draft
	ID   int       `json:"id"`
	From string    `json:"from"`
	At   time.Time `json:"at"`
}

// A Page asks for messages of a room.
type Page struct {
	Room  string `json:"room"`
	Limit int    `json:"limit,omitempty"` // 0: all
}

// A Typist is two arguments: who, and whether they type now.
type Typist struct {
	event.Args
	Who string
	On  bool
}
