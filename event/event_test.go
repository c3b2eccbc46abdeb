package event_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/roomwire/roomwire/event"
)

// peer records what is sent to it and answers with its reply.
type peer struct {
	name  string
	args  []any
	reply string
	err   error
}

func (p *peer) Emit(ctx context.Context, name string, args ...any) error {
	p.name, p.args = name, args
	return first(ctx, p.err)
}

func (p *peer) EmitAck(ctx context.Context, name string, out any, args ...any) error {
	p.name, p.args = name, args
	*out.(*string) = p.reply
	return first(ctx, p.err)
}

// first is how a sender ends: by its context or by itself.
func first(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

const (
	greet event.Of[string]          = "greet"
	ask   event.Call[int, string]   = "ask"
	pair  event.Of[struct{ A int }] = "pair"
)

func TestEmitSendsTheValueAsOneArgument(t *testing.T) {
	p := &peer{}
	if err := greet.Emit(t.Context(), p, "hello"); err != nil || p.name != "greet" || len(p.args) != 1 || p.args[0] != "hello" {
		t.Errorf("sent %s %v, %v", p.name, p.args, err)
	}
	if err := pair.Emit(t.Context(), p, struct{ A int }{1}); err != nil || len(p.args) != 1 || p.args[0] != (struct{ A int }{1}) {
		t.Errorf("sent %v, %v", p.args, err)
	}
}

func TestCallReturnsTheDecodedReply(t *testing.T) {
	p := &peer{reply: "forty-two"}
	got, err := ask.Call(t.Context(), p, 42)
	if err != nil || got != "forty-two" || p.name != "ask" || len(p.args) != 1 || p.args[0] != 42 {
		t.Errorf("got %q, %v after %s %v", got, err, p.name, p.args)
	}
}

func TestErrorsOfTheSenderAreReturned(t *testing.T) {
	gone := errors.New("gone")
	if err := greet.Emit(t.Context(), &peer{err: gone}, "x"); err != gone {
		t.Errorf("Emit: %v", err)
	}
	if _, err := ask.Call(t.Context(), &peer{err: gone}, 1); err != gone {
		t.Errorf("Call: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask.Call(ctx, &peer{}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("the context is handed on: %v", err)
	}
}

func TestAnErrorForThePeerIsFoundInWrappedOnes(t *testing.T) {
	err := fmt.Errorf("join: %w", &event.Error{Message: "room is full", Data: 7})
	found, ok := errors.AsType[*event.Error](err)
	if !ok || found.Error() != "room is full" || found.Data != 7 {
		t.Errorf("got %v", found)
	}
}
