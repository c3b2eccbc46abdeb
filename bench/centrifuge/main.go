// Command centrifuge is a peer of the benchmark: the Go library of that name
// behind its own JSON protocol. Every client is subscribed to one channel by the
// server; a message of a client is published to it, an RPC answers its data.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/centrifugal/centrifuge"
)

const channel = "all"

func main() {
	addr := flag.String("addr", "127.0.0.1:3000", "listen `address`")
	debugAddr := flag.String("debug", "127.0.0.1:6060", "`address` of /__gc")
	flag.Parse()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	if err := serve(*addr, *debugAddr); err != nil {
		fmt.Fprintln(os.Stderr, "centrifuge:", err)
		os.Exit(1)
	}
	fmt.Printf("centrifuge ready on http://%s pid %d\n", *addr, os.Getpid())
	<-stop
}

func serve(addr, debugAddr string) error {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{},
			Subscriptions: map[string]centrifuge.SubscribeOptions{channel: {}},
		}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnMessage(func(e centrifuge.MessageEvent) {
			if _, err := node.Publish(channel, e.Data); err != nil {
				fmt.Fprintln(os.Stderr, "centrifuge:", err)
			}
		})
		client.OnRPC(func(e centrifuge.RPCEvent, answer centrifuge.RPCCallback) {
			answer(centrifuge.RPCReply{Data: e.Data}, nil)
		})
	})
	if err := node.Run(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	gc := http.NewServeMux()
	gc.HandleFunc("/__gc", func(w http.ResponseWriter, _ *http.Request) {
		debug.FreeOSMemory()
		fmt.Fprintln(w, "ok")
	})
	if err := listen(debugAddr, gc); err != nil {
		return err
	}
	return listen(addr, mux)
}

func listen(addr string, h http.Handler) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	go func() {
		if err := http.Serve(l, h); err != nil {
			fmt.Fprintln(os.Stderr, "centrifuge:", err)
			os.Exit(1)
		}
	}()
	return nil
}
