// Package load drives many cheap Socket.IO clients against one server and
// measures what the server pays for them.
//
// A [Run] opens the clients of one [Config], lets the server warm up, measures
// one scenario for a bounded time, and returns a [Result]: operations, latency
// percentiles, connections lost and, when the server's process id is known, its
// CPU time and memory. The CPU time of the server divided by the operations is
// the figure that stays honest on a noisy machine; [Result.CPUPerOp] is it.
//
// The clients are made to cost next to nothing, because a load that is slower
// than the server measures itself: one goroutine steps an epoll loop (Linux, no
// TLS) or takes what reader goroutines hand over (everywhere else), requests and
// frames are built once for all clients, and a client holds no buffer of its own
// while it waits.
//
// The server must answer the event names in [Events]; the defaults are those of
// the conformance fixture (go run ./conformance/server).
//
// The package needs nothing but the standard library.
package load
