package ws

import (
	"net"
	"testing"
)

// TestFetchKnowsTheLayoutOfNet fails when package net is laid out otherwise:
// nothing breaks then, but broadcasts become slower.
func TestFetchKnowsTheLayoutOfNet(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := newConn(nc, &Options{}, true, false, nil)
	if c.below == nil {
		t.Fatal("the descriptor of a TCP connection was not found")
	}
	Fetch([]*Conn{c, {}})
}
