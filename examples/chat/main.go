// Chat is the famous first program: everyone in a room sees every message.
package main

import (
	"log"
	"net/http"

	"github.com/roomwire/roomwire/examples/chat/room"
	"github.com/roomwire/roomwire/sio"
)

func main() {
	srv := sio.NewServer(&sio.Options{Recovery: &sio.Recovery{}})
	room.Attach(srv.Of("/"))
	http.Handle("/socket.io/", srv)
	http.Handle("/", room.Page)
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", nil))
}
