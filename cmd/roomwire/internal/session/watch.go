package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/engine"
)

// hook shows what happens to the connection.
func (s *Session) hook(o *client.Options) {
	o.Hooks.Packet = s.answered.Packet
	hint := func(sign, color, name, text string) { s.screen.hint(sign, color, name, s.dim(text)) }
	o.Hooks.Open = func() {
		s.mu.Lock()
		took := console.Took(time.Since(s.begun))
		s.begun = time.Now()
		s.mu.Unlock()
		hint("●", console.Green, "open", s.target.Base.String()+"  in "+took)
	}
	o.Hooks.Close = func(why client.Reason, _ error) {
		s.mu.Lock()
		s.begun = time.Now()
		over := s.over
		s.mu.Unlock()
		if !over {
			hint("○", console.Red, "closed", string(why))
		}
	}
	o.Hooks.ReconnectAttempt = func(n int) {
		s.mu.Lock()
		s.begun = time.Now()
		s.mu.Unlock()
		hint("·", console.Yellow, "reconnecting", fmt.Sprintf("attempt %d", n))
	}
	o.Hooks.ReconnectError = func(err error) {
		hint("·", console.Yellow, "no answer", console.Printable(strings.TrimPrefix(err.Error(), "engine: ")))
	}
	o.Engine.Hooks.Upgrade = func(*engine.ClientConn) {
		s.mu.Lock()
		took := time.Since(s.begun)
		s.mu.Unlock()
		hint("·", console.Cyan, "upgrade", "polling → websocket, "+console.Took(took)+" after opening")
	}
	o.Engine.Hooks.UpgradeError = func(_ *engine.ClientConn, err error) {
		hint("!", console.Yellow, "upgrade", "stays on polling: "+console.Printable(err.Error()))
	}
	o.Engine.Hooks.Ping = func(*engine.ClientConn) {
		s.mu.Lock()
		show := s.pings
		s.mu.Unlock()
		if show {
			hint("·", console.Dim, "ping", "answered")
		}
	}
}

// attach shows what happens to a socket.
func (s *Session) attach(sock *client.Socket) {
	ns := sock.Namespace()
	sock.OnConnect(func(context.Context) {
		text := ns + "  id " + sock.ID()
		if sock.Recovered() {
			text += "  recovered, nothing was missed"
		}
		s.screen.say("●", console.Green, "connected", s.dim(text))
		s.mu.Lock()
		defer s.mu.Unlock()
		s.shown[ns] = true
		s.newsLocked()
	})
	sock.OnDisconnect(func(_ context.Context, why client.Reason) {
		s.mu.Lock()
		over := s.over
		s.shown[ns] = false
		s.newsLocked()
		s.mu.Unlock()
		if over {
			return
		}
		text := ns + "  " + string(why)
		if !sock.Active() {
			text += "  (/connect to come back)"
		}
		s.screen.say("○", console.Red, "disconnected", s.dim(text))
	})
	sock.OnConnectError(func(_ context.Context, err error) {
		if !sock.Active() {
			s.screen.say("○", console.Red, "refused", s.dim(ns+"  "+console.Printable(err.Error())))
		}
	})
	sock.OnAnyOutgoing(func(name string, _ []any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sent[name] = true
	})
	sock.OnAny(func(_ context.Context, r *client.Request) { s.event(r) })
}

// event shows an event.
func (s *Session) event(r *client.Request) {
	text := ""
	if vs, err := console.Values(r.Len(), r.Bind); err == nil {
		text = console.Text(s.screen.style, vs)
	}
	s.mu.Lock()
	elsewhere := s.current != nil && s.current != r.Socket
	unanswered := r.WantsAck() && s.answers[key(r.Socket, r.Name)] == nil
	s.mu.Unlock()
	if elsewhere {
		text += s.dim("  in " + r.Socket.Namespace())
	}
	if unanswered {
		text += s.dim("  wants an answer: /answer " + spell(r.Name) + " VALUE")
	}
	s.screen.say("«", console.Blue, console.Printable(r.Name), strings.TrimPrefix(text, "  "))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[r.Name]++
	s.newsLocked()
}

func key(sock *client.Socket, event string) string { return sock.Namespace() + " " + event }

func (s *Session) dim(text string) string { return s.screen.style.Paint(console.Dim, text) }
