//go:build linux

// Command raw is the benchmark's limit: a server that does nothing but read(2)
// and write(2) of prebuilt frames on the same sockets as the others, from one
// thread that waits in epoll. It understands of HTTP, WebSocket, Engine.IO and
// Socket.IO exactly what the load needs to take it for a server; it answers no
// ill-formed input, keeps no heartbeat and no limits, and must never face a
// network.
//
// Its other modes show what another way to read or to send would change:
//
//	epoll            one thread waits in epoll, one write(2) per send (the limit)
//	goroutine        a goroutine per connection, parked by the runtime; write(2)
//	epoll-uring      as epoll, sends leave in batches by io_uring_enter(2)
//	goroutine-uring  as goroutine, sends of one read leave in batches
//	polling          net/http alone, for the load over HTTP long-polling
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:3000", "listen `address`, IPv4")
	payload := flag.Int("payload", 64, "`bytes` of the string in the prebuilt frames")
	mode := flag.String("mode", "epoll", "epoll, goroutine, epoll-uring, goroutine-uring or polling")
	check := flag.Bool("check", false, "only try whether this system has what the mode needs")
	flag.Parse()
	if *check {
		*addr = ""
	}
	if err := run(*addr, *mode, *payload); err != nil {
		fmt.Fprintln(os.Stderr, "raw:", err)
		os.Exit(1)
	}
}

// run serves in the mode; with an empty address it returns before it listens.
func run(addr, mode string, payload int) error {
	if strings.HasPrefix(mode, "epoll") {
		runtime.LockOSThread() // the loop is one thread, and its ring belongs to that
	}
	s := &server{rooms: map[string][]*conn{}, frames: buildFrames(payload), out: make([]byte, 0, 64<<10)}
	flags, ringed := map[string]uint32{"epoll-uring": oneIssuer, "goroutine-uring": anyIssuer}[mode]
	if ringed {
		var err error
		if s.ring, err = newRing(ringEntries, flags); err != nil {
			return err
		}
	}
	if addr == "" {
		return nil
	}
	switch mode {
	case "polling":
		return servePolling(addr, payload)
	case "epoll", "epoll-uring":
		// The loop waits in raw system calls, which a collection could not
		// interrupt; after the set-up it allocates nothing. For the same reason it
		// leaves signals to their default.
		debug.SetGCPercent(-1)
		return s.serveEpoll(addr)
	case "goroutine", "goroutine-uring":
		debug.SetGCPercent(-1) // as above, so that the modes differ in nothing else
		return s.serveGoroutines(addr)
	}
	return fmt.Errorf("unknown mode %q", mode)
}

// ready tells whoever started this process where it listens.
func ready(addr string) { fmt.Printf("raw ready on http://%s pid %d\n", addr, os.Getpid()) }
