// Package client is a Socket.IO client, for servers of Socket.IO 3 and 4 in any
// language.
//
//	c := client.New("https://example.com", nil)
//	defer c.Close()
//	s := c.Of("/")
//	client.On(s, "news", func(ctx context.Context, n News) error { … })
//	if err := s.Connect(ctx); err != nil { … }
//	err := s.Emit(ctx, "hello", "world")
//	answer, err := client.Call[int](ctx, s, "add", 1, 2)
//
// A [Client] is a connection, a [Socket] a namespace on it. Events of one
// socket are handled one at a time in the order in which they arrived, sockets
// in parallel. Acknowledgements are handed over as they arrive, so a handler
// may wait for one of its own socket. A connection that is lost comes back by
// itself, unless the server or this side disconnected the socket.
//
// Nothing the server sends makes the client panic, spin or grow without bound.
package client
