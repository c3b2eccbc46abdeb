//go:build linux

// Command raw is the benchmark's limit: a server that does nothing but read(2)
// and write(2) of prebuilt frames on the same sockets as the others, from one
// thread that waits in epoll. It understands of HTTP, WebSocket, Engine.IO and
// Socket.IO exactly what the load needs to take it for a server; it answers no
// ill-formed input, keeps no heartbeat and no limits, and must never face a
// network.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:3000", "listen `address`, IPv4")
	payload := flag.Int("payload", 64, "`bytes` of the string in the prebuilt frames")
	flag.Parse()
	// The loop waits in raw system calls, which a collection could not interrupt;
	// after the set-up it allocates nothing. For the same reason it leaves signals
	// to their default.
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	s, err := listen(*addr, *payload)
	if err != nil {
		fmt.Fprintln(os.Stderr, "raw:", err)
		os.Exit(1)
	}
	fmt.Printf("raw ready on http://%s pid %d\n", s.addr(), os.Getpid())
	if err := s.serve(); err != nil {
		fmt.Fprintln(os.Stderr, "raw:", err)
		os.Exit(1)
	}
}
