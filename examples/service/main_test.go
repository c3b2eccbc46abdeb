package main

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/event"
)

func TestServiceAnswersUntilItIsStopped(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	serving, shutdown := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- serve(serving, ln) }()

	c := client.New("http://"+ln.Addr().String(), nil)
	defer c.Close()
	s := c.Of("/")
	if err := s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := Divide.Call(ctx, s, Operands{A: 7, B: 2})
	if err != nil || got != 3.5 {
		t.Errorf("7/2 is %v, %v", got, err)
	}
	_, err = Divide.Call(ctx, s, Operands{A: 7})
	if said := (*event.Error)(nil); !errors.As(err, &said) || said.Message != "division by zero" {
		t.Errorf("7/0 is %v", err)
	}
	shutdown()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
