package engine_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/roomwire/roomwire/engine"
)

// shouting sends back what it gets.
type shouting struct{ c *engine.Conn }

func (shouting) Open(c *engine.Conn) engine.Session { return shouting{c} }

func (s shouting) Message(binary bool, data []byte) error {
	return s.c.SendMessage(binary, []byte(strings.ToUpper(string(data))), 0)
}

func (shouting) Closed(error) {}

// listening hands over what it gets.
type listening chan string

func (l listening) Message(_ bool, data []byte) error { l <- string(data); return nil }
func (listening) Closed(error)                        {}

// Engine.IO without Socket.IO: a server that shouts, and a client.
func Example() {
	srv := engine.NewServer(shouting{}, nil)
	web := httptest.NewServer(srv)
	defer web.Close()
	defer srv.Close()

	heard := make(listening, 1)
	c, err := engine.Dial(context.Background(), web.URL, func(*engine.ClientConn) engine.Session { return heard }, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(nil)
	if err := c.Send(0, engine.Message{Data: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-heard)
	// Output: HELLO
}
