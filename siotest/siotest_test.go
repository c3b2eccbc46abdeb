package siotest_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/sio"
	"github.com/roomwire/roomwire/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const double event.Call[int, int] = "double"

func TestClientAndServerShareAContract(t *testing.T) {
	srv := sio.NewServer(&sio.Options{Logger: slog.New(slog.DiscardHandler)})
	defer srv.Close()
	sio.OnCall(srv.Of("/"), double, func(_ context.Context, _ *sio.Socket, n int) (int, error) {
		if n < 0 {
			return 0, &sio.Error{Message: "negative", Data: map[string]any{"n": n}}
		}
		return 2 * n, nil
	})
	s := siotest.Connect(t, srv, "/")
	if n, err := double.Call(t.Context(), s, 21); n != 42 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	_, err := double.Call(t.Context(), s, -1)
	var e *event.Error
	if !errors.As(err, &e) || e.Message != "negative" {
		t.Errorf("got %v", err)
	}
}

func TestServerCallsTheClient(t *testing.T) {
	srv := sio.NewServer(nil)
	defer srv.Close()
	s := siotest.Connect(t, srv, "/")
	client.OnCall(s, double, func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	sk := srv.Of("/").Socket(s.ID())
	if n, err := double.Call(t.Context(), sk, 4); n != 8 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestTimePassesInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := sio.NewServer(nil)
		why := make(chan sio.Reason, 1)
		srv.Of("/").OnDisconnect(func(_ context.Context, _ *sio.Socket, r sio.Reason) { why <- r })
		s := siotest.Connect(t, srv, "/")
		time.Sleep(time.Hour) // heartbeats keep it alive
		if !s.Connected() {
			t.Error("the connection did not survive an hour of silence")
		}
		s.Client().Close()
		if got := <-why; got != sio.ReasonTransportClose && got != sio.ReasonClientDisconnect {
			t.Errorf("reason %q", got)
		}
		srv.Close()
	})
}
