package mailroom_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/sio"
)

type fields map[string]any

// ask calls an action and fails the test on an error.
func ask(t *testing.T, s *client.Socket, action string, in fields) map[string]any {
	t.Helper()
	out, err := client.Call[map[string]any](t.Context(), s, action, in)
	if err != nil {
		t.Fatalf("%s %v: %v", action, in, err)
	}
	return out
}

func TestProtocolHoldsMessagesUntilTheyAreReceived(t *testing.T) {
	p := newPost(t, nil, nil)
	mailroom.Serve(p.srv.Of("/"), p.office, nil)
	driver, _ := p.connect(never)
	box := fields{"clientId": "ada", "event": "m"}
	var ids []string
	for i := range 3 {
		out := ask(t, driver, "publish", fields{"clientId": "ada", "event": "m", "payload": fields{"n": i, "b": []byte{byte(i)}}})
		ids = append(ids, out["messageID"].(string))
	}
	vendor, got := p.connect(never)
	if n := ask(t, vendor, "subscribe", box)["waiting"]; n != 3.0 {
		t.Errorf("%v wait", n)
	}
	ask(t, vendor, "subscribe", box) // twice is once
	if n := ask(t, vendor, "getAll", box)["count"]; n != 3.0 {
		t.Errorf("%v sent", n)
	}
	for i := range 3 { // before the answer
		m := (<-got)
		v := m.Payload.(map[string]any)
		if m.MessageID != ids[i] || v["n"] != float64(i) || v["b"].([]byte)[0] != byte(i) {
			t.Errorf("got %v", m)
		}
	}
	ask(t, driver, "publish", fields{"clientId": "ada", "event": "m", "payload": "live"})
	if m := <-got; m.Payload != "live" || len(got) > 0 {
		t.Errorf("got %v and %d more", m, len(got))
	}
	for _, want := range []any{1.0, 0.0} {
		if n := ask(t, vendor, "received", fields{"clientId": "ada", "event": "m", "messageID": ids[1]})["removed"]; n != want {
			t.Errorf("%v removed, want %v", n, want)
		}
	}
	dashboard, seen := p.connect(never) // not subscribed: getAll is enough
	if n := ask(t, dashboard, "getAll", box)["count"]; n != 3.0 {
		t.Errorf("%v sent", n)
	}
	if a, b, c := <-seen, <-seen, <-seen; a.MessageID != ids[0] || b.MessageID != ids[2] || c.Payload != "live" {
		t.Errorf("got %v %v %v", a, b, c)
	}
	if _, err := client.Call[any](t.Context(), vendor, "unsubscribe", box); err != nil {
		t.Error(err)
	}
	ask(t, driver, "publish", fields{"clientId": "ada", "event": "m"})
	ask(t, vendor, "getAll", fields{"clientId": "ada", "event": "other"})
	if len(got) != 0 || len(seen) != 0 {
		t.Error("who does not subscribe gets no live messages")
	}
}

func TestProtocolPublishIsIdempotent(t *testing.T) {
	p := newPost(t, nil, nil)
	mailroom.Serve(p.srv.Of("/"), p.office, nil)
	s, got := p.connect(never)
	ask(t, s, "subscribe", fields{"clientId": "ada", "event": "m"})
	for range 3 {
		if out := ask(t, s, "publish", fields{"clientId": "ada", "event": "m", "messageID": "m-1", "payload": 1}); out["messageID"] != "m-1" {
			t.Errorf("got %v", out)
		}
	}
	if n := ask(t, s, "received", fields{"clientId": "ada", "event": "m", "messageID": "m-1"})["removed"]; n != 1.0 {
		t.Errorf("%v removed", n)
	}
	if <-got; len(got) > 0 {
		t.Errorf("%d delivered more than once", len(got))
	}
}

func TestProtocolWithAcksByCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, nil, nil)
		mailroom.Serve(p.srv.Of("/"), p.office, nil)
		p.publish("ada", "m", 0)
		s, got := p.connect(always)
		ask(t, s, "subscribe", fields{"clientId": "ada", "event": "m", "ack": true})
		p.publish("ada", "m", 1)
		settle()
		if have := payloads(got); have != "0 1" || p.waiting("ada", "m") != 0 {
			t.Errorf("got %s, %d wait", have, p.waiting("ada", "m"))
		}
	})
}

func TestProtocolErrors(t *testing.T) {
	p := newPost(t, nil, nil)
	var asked []string
	mailroom.Serve(p.srv.Of("/"), p.office, &mailroom.ServeOptions{
		Authorize: func(_ context.Context, s *sio.Socket, a mailroom.Action, recipient, topic string) error {
			asked = append(asked, fmt.Sprint(a, " ", recipient, " ", topic))
			if recipient == "eve" {
				return &sio.Error{Message: "not you"}
			}
			return nil
		},
	})
	s, _ := p.connect(never)
	for _, c := range []struct {
		action string
		in     any
		want   string
	}{
		{"publish", nil, "clientId is missing"},
		{"publish", fields{"clientId": "ada"}, "event is missing"},
		{"publish", fields{"clientId": "ada", "event": "disconnect"}, "event name is reserved"},
		{"publish", fields{"clientId": "ada", "event": "m", "messageID": "abc.1"}, "messageID cannot be used"},
		{"publish", fields{"clientId": strings.Repeat("x", 10_000), "event": "m"}, "too large"},
		{"publish", 5, "want one object"},
		{"subscribe", fields{"event": "m"}, "clientId is missing"},
		{"getAll", fields{"clientId": 7, "event": "m"}, "want one object"},
		{"received", fields{"clientId": "ada", "event": "m"}, "messageID is missing"},
		{"publish", fields{"clientId": "eve", "event": "m"}, "not you"},
		{"subscribe", fields{"clientId": "eve", "event": "m"}, "not you"},
		{"unsubscribe", fields{"clientId": "eve", "event": "m"}, "not you"},
		{"getAll", fields{"clientId": "eve", "event": "m"}, "not you"},
		{"received", fields{"clientId": "eve", "event": "m", "messageID": "x"}, "not you"},
	} {
		args := []any{c.in}
		if c.in == nil {
			args = nil
		}
		_, err := client.Call[any](t.Context(), s, c.action, args...)
		var e *event.Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Message, c.want) {
			t.Errorf("%s %.60v: %v, want %s", c.action, c.in, err, c.want)
		}
	}
	if n := p.office.Stats().Stored; n != 0 {
		t.Errorf("%d stored", n)
	}
	if asked[len(asked)-1] != "received eve m" {
		t.Errorf("asked %v", asked)
	}
}
