// Package hostile attacks the fixture server over real sockets, byte by byte,
// while honest clients use it, and looks at what is left afterwards.
//
// Each case has the number of its class: 1 to 32 are about HTTP, 33 to 51 about
// WebSocket, 52 to 69 about packets, 70 to 78 about namespaces, rooms and logs.
// "go test -run Heavy -heavy" runs the large ones and prints what they cost.
package hostile
