package siotest_test

import (
	"context"
	"testing"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/sio"
	"github.com/roomwire/roomwire/siotest"
)

// A handler is tested by a client that calls it, without a port.
func ExampleConnect() {
	_ = func(t *testing.T) { // func TestGreeting
		srv := sio.NewServer(nil)
		defer srv.Close()
		sio.OnCall(srv.Of("/"), "greet", func(_ context.Context, _ *sio.Socket, name string) (string, error) {
			return "Hello " + name, nil
		})
		s := siotest.Connect(t, srv, "/")
		answer, err := client.Call[string](t.Context(), s, "greet", "Ada")
		if answer != "Hello Ada" || err != nil {
			t.Errorf("got %q, %v", answer, err)
		}
	}
}
