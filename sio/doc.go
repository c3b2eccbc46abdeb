// Package sio is a Socket.IO server: real-time messages between Go and every
// program that has a Socket.IO client.
//
// It speaks version 5 of the Socket.IO protocol over version 4 of Engine.IO,
// as the official clients 3.x and 4.x do.
//
//	srv := sio.NewServer(nil)
//	chat := srv.Of("/")
//	sio.On(chat, "chat message", func(ctx context.Context, s *sio.Socket, text string) error {
//		return chat.Emit(ctx, "chat message", text)
//	})
//	http.Handle("/socket.io/", srv)
//
// Any router takes it, on any path, behind [http.StripPrefix] as well. Polling
// works over every version of HTTP that net/http serves; WebSocket needs
// HTTP/1.1, for which browsers open a connection of their own.
//
// # Four nouns
//
// A [Server] is an http.Handler. A [Namespace] is a part of it with its own
// sockets, rooms and handlers. A [Socket] is one client in one namespace; one
// connection may carry sockets of several. A [Target] is a choice of sockets:
// chat.To("room").Except("muted") is one, and so are a namespace and a server.
//
// # Handlers
//
// Handlers are registered once on the namespace, like the routes of a
// http.ServeMux, and get the socket that sent the event. There are three ways,
// which can be mixed:
//
//   - [On] and [OnCall] take a function of a Go type. Arguments are decoded as by
//     encoding/json, a []byte is binary, and what an OnCall function returns
//     is the acknowledgement.
//   - The same with a constant of a contract, event.Of or event.Call, in place
//     of the name: the compiler holds server and Go client to the same types.
//   - [Namespace.Handle] takes a raw [Handler], which decodes what it wants
//     with [Request.Bind].
//
// [Namespace.Use] adds a guard that may refuse a connection, [Namespace.UseEvents]
// middleware around handlers. A handler that panics is contained: the panic
// is logged with its stack, and its socket is disconnected.
//
// # What is guaranteed
//
// The handlers of one socket run one at a time, in the order in which its
// events arrived; those of different sockets run in parallel. OnConnect
// returns before the first event is handled, OnDisconnect is called after
// the last. An acknowledgement does not wait behind events, so that a handler
// may call its own client.
//
// Events that one goroutine emits arrive at each client in that order, also
// while its connection moves from HTTP long-polling to WebSocket. An event is
// delivered at most once. A packet and its binary attachments stay together.
//
// Emit never waits for a client. What a client does not read is queued up to
// a bound, after which it is disconnected; see engine.Options.
//
// With [Options].Recovery, a client that lost its connection for a short
// while gets what it missed, in order and once; see [Socket.Recovered].
//
// # Errors
//
// An [*Error] is meant for the peer. Any other error of a guard or a handler
// is logged, and the peer reads "internal error". What clients do wrong is
// counted in [Stats] and logged at debug level.
//
// # Words
//
// For those who know Socket.IO for Node.js; the doc comment of each name says
// which word it stands for.
//
//	io.of                          Server.Of, Server.OfRegexp, Server.OfFunc
//	io.use, namespace.use          Namespace.Use
//	io.on("connection")            Namespace.OnConnect
//	io.on("new_namespace")         Server.OnNamespace
//	io.engine                      Server.Engine; its use is Use
//	io.emit, to, in, except, …     the same, of a Target
//	io.fetchSockets                Target.All
//	io.socketsJoin, socketsLeave   Target.Join, Target.Leave
//	io.disconnectSockets           Target.Disconnect, Target.DisconnectConn
//	io.emitWithAck                 Target.EmitCall
//	io.serverSideEmit              Namespace.ServerEmit, Namespace.ServerCall
//	io.close                       Server.Shutdown, Server.Close
//	socket.on, once, onAny         On, OnCall, Once, Socket.OnAny
//	socket.on("disconnecting")     Namespace.OnDisconnecting
//	socket.on("disconnect")        Namespace.OnDisconnect
//	socket.use                     Namespace.UseEvents, Socket.UseEvents
//	socket.emit                    Socket.Emit; with a callback Socket.EmitFunc
//	socket.emitWithAck, timeout    Call, Socket.EmitAck, with a deadline of ctx
//	socket.broadcast               Socket.Broadcast
//	socket.send(…)                 Socket.Emit of "message"
//	socket.join, leave, rooms      Socket.Join, Socket.Leave, Socket.Rooms
//	socket.disconnect(close)       Socket.Disconnect, Socket.DisconnectConn
//	socket.data                    Socket.Set, Socket.Get, Value
//	socket.handshake, .auth        Socket.Handshake, Socket.Auth
//	socket.recovered               Socket.Recovered
//	adapter.on("join-room")        Namespace.OnRoom
//	connectionStateRecovery        Options.Recovery
package sio
