package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/engine"
)

// What was sent has been read by the time that Flush returns, however many
// flush at once.
func TestFlushWaitsUntilTheServerHasRead(t *testing.T) {
	for _, o := range []*engine.DialOptions{pollingOnly, webSocketOnly} {
		t.Run(o.Transports[0], func(t *testing.T) {
			f := newFixture(t, nil)
			c, _ := mustDial(t, f.http.URL, o)
			s := next(t, f.opened)
			const senders, each = 4, 20
			errs := make(chan error, senders)
			for range senders {
				go func() {
					errs <- func() error {
						for range each {
							if err := c.Send(0, text("x")); err != nil {
								return err
							}
							if err := c.Flush(context.Background()); err != nil {
								return err
							}
						}
						return nil
					}()
				}()
			}
			for range senders {
				if err := next(t, errs); err != nil {
					t.Fatal(err)
				}
			}
			if n := len(s.got); n != senders*each {
				t.Errorf("the server has read %d messages of %d", n, senders*each)
			}
		})
	}
}

// A server that sends no pongs does not keep anybody for longer than ctx.
func TestFlushEndsWithItsContextAndTheConnection(t *testing.T) {
	s := newFake(t, nil)
	c, _ := mustDial(t, s.URL, webSocketOnly)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- c.Flush(ctx) }()
	go func() { second <- c.Flush(context.Background()) }()
	cancel(why)
	if err := next(t, first); err != why {
		t.Errorf("after its context: %v", err)
	}
	c.Close(nil)
	if err := next(t, second); err != engine.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	if err := c.Flush(context.Background()); err != engine.ErrClosed {
		t.Errorf("later: %v", err)
	}
}

// Pongs that nobody asked for tell nothing.
func TestFlushHeedsItsOwnPong(t *testing.T) {
	s := newFake(t, nil)
	c, r := mustDial(t, s.URL, webSocketOnly)
	done := make(chan error, 1)
	go func() { done <- c.Flush(context.Background()) }()
	ping := strings.TrimPrefix(next(t, s.in), "ping ")
	for _, data := range []string{"", ping + "x", ping[1:], "\x00\x00\x00\x00\x00\x00\x00\x00", "unwanted"} {
		s.pong(data)
	}
	s.frame("4after")
	expect(t, r.messages, "after")
	select {
	case err := <-done:
		t.Fatalf("it returned %v", err)
	default:
	}
	s.pong(ping)
	if err := next(t, done); err != nil {
		t.Error(err)
	}
}
