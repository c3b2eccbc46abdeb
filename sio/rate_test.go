package sio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/sio"
)

func TestEventsAboveTheRateAreDroppedAndAnswered(t *testing.T) {
	w := serve(t, &sio.Options{Limits: sio.Limits{EventRate: 0.001, EventBurst: 5}})
	handled := make(chan int, 100)
	sio.On(w.srv.Of("/"), "n", func(_ context.Context, _ *sio.Socket, n int) error {
		handled <- n
		return nil
	})
	p := w.connect() // one
	for i := range 10 {
		p.send(fmt.Sprintf(`42%d["n",%d]`, i, i))
	}
	p.send(`42["n",10]`, `40/other,`)
	// The refusals do not wait for the handlers.
	want := map[string]bool{`44/other,{"message":"too many events"}`: true}
	for i := range 10 {
		answer := `[]`
		if i >= 4 {
			answer = `[{"error":{"message":"too many events"}}]`
		}
		want[fmt.Sprintf("43%d%s", i, answer)] = true
	}
	for range 11 {
		got, _ := p.next()
		if !want[got] {
			t.Errorf("got %s", got)
		}
		delete(want, got)
	}
	for i := range 4 {
		if n := receive(t, handled); n != i {
			t.Errorf("handled %d, want %d", n, i)
		}
	}
	if st := w.srv.Stats(); st.RateLimited != 8 || len(handled) != 0 {
		t.Errorf("%d were counted, %d more handled", st.RateLimited, len(handled))
	}
}

func TestRateIsOffUnlessAskedFor(t *testing.T) {
	w := serve(t, nil)
	w.srv.Of("/").Handle("n", func(context.Context, *sio.Request) (any, error) { return nil, nil })
	p := w.connect()
	p.send(strings.Split(strings.Repeat(`421["n"] `, 5000), " ")[:5000]...)
	for range 5000 {
		p.expect(`431[]`)
	}
}
