package main

import (
	"net/http"
	"sync"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/sio"
)

// connections finds the connection of a socket by the request that opened
// both, so that a test can have it closed below the socket.
type connections struct{ byRequest sync.Map }

// note is the engine's packet hook.
func (c *connections) note(conn *engine.Conn, _ bool, _ byte, _ int) {
	c.byRequest.LoadOrStore(conn.Request(), conn)
}

// forget drops what is kept for a socket's connection.
func (c *connections) forget(r *http.Request) { c.byRequest.Delete(r) }

// cut closes the connection without telling the socket's client.
func (c *connections) cut(s *sio.Socket) {
	if conn, ok := c.byRequest.Load(s.Request()); ok {
		conn.(*engine.Conn).Close(nil)
	}
}
