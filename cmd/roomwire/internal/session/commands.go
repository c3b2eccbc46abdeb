package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/event"
)

// A command is a line that begins with a slash.
type command struct {
	name, args, help string
	do               func(s *Session, ws []word) error
}

// commands is filled by init, since /help reads it.
var commands []command

func init() {
	commands = []command{
		{"ack", "EVENT ARG…", "send an event and show its acknowledgement; ? is short for it", (*Session).ack},
		{"answer", "EVENT [VALUE]", "from now on, acknowledge this event of the server", (*Session).answer},
		{"binary", "EVENT FILE", "send the bytes of a file", (*Session).binary},
		{"connect", "", "come back after the server disconnected us", (*Session).connect},
		{"disconnect", "", "leave the namespace", (*Session).disconnect},
		{"events", "", "the events that have come, by name", (*Session).events},
		{"help", "", "this list", (*Session).help},
		{"ns", "[/NAME]", "join a namespace and talk to it, or list those joined", (*Session).namespace},
		{"pings", "", "show heartbeats, or no longer", (*Session).showPings},
		{"quit", "", "end; so does the end of the input", func(*Session, []word) error { return errQuit }},
		{"transport", "", "what the connection is", (*Session).transport},
		{"wait", "EVENT [TIME]", "wait for the next event of this name, or only a TIME; for scripts", (*Session).wait},
	}
}

// do does what a line says.
func (s *Session) do(line string) error {
	line = strings.TrimSpace(line)
	switch {
	case line == "", strings.HasPrefix(line, "#"):
		return nil
	case strings.HasPrefix(line, "?"):
		line = "/ack " + line[1:]
	case !strings.HasPrefix(line, "/"):
		ws, err := words(line)
		if err != nil {
			return err
		}
		return s.emit(ws[0].text, args(ws[1:])...)
	}
	name, rest, _ := strings.Cut(line[1:], " ")
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == name })
	if i < 0 {
		return fmt.Errorf("there is no /%s; /help lists what there is", name)
	}
	ws, err := words(rest)
	if err != nil {
		return err
	}
	c := commands[i]
	if needs := strings.Fields(c.args); len(needs) > 0 && needs[0] == "EVENT" && len(ws) == 0 {
		return fmt.Errorf("it is /%s %s", c.name, c.args)
	}
	return c.do(s, ws)
}

func (s *Session) emit(name string, args ...any) error {
	sock := s.socket()
	ctx, cancel := context.WithTimeout(s.ctx, s.target.Timeout)
	defer cancel()
	err := sock.Emit(ctx, name, args...)
	if err == nil && !sock.Connected() {
		s.screen.say("·", console.Yellow, console.Printable(name), s.dim("waits for the connection"))
	}
	return err
}

// ack sends an event. In a terminal one can go on typing before the answer
// comes; lines of a script wait for it.
func (s *Session) ack(ws []word) error {
	sock := s.socket()
	if s.screen.term == nil {
		s.call(sock, ws)
		return nil
	}
	s.calls.Go(func() { s.call(sock, ws) })
	return nil
}

func (s *Session) call(sock *client.Socket, ws []word) {
	name, began := ws[0].text, time.Now()
	err := sock.EmitAck(s.ctx, name, nil, args(ws[1:])...)
	took := s.dim("  in " + console.Took(time.Since(began)))
	var said *event.Error
	switch {
	case errors.As(err, &said):
		text := console.Printable(said.Message)
		if said.Data != nil {
			text += "  " + console.ValueOf(said.Data).Text(s.screen.style)
		}
		s.fail(name, text+took)
	case errors.Is(err, context.DeadlineExceeded):
		s.fail(name, "no acknowledgement within "+s.target.Timeout.String())
	case err != nil:
		s.fail(name, strings.TrimPrefix(err.Error(), "client: "))
	default:
		p := s.answered.Take(sock.Namespace(), name)
		text := s.dim("acknowledged")
		if vs, err := console.Values(p.Len(), p.Bind); err == nil && len(vs) > 0 {
			text = console.Text(s.screen.style, vs)
		}
		s.screen.say("✓", console.Green, console.Printable(name), text+took)
	}
}

func (s *Session) answer(ws []word) error {
	sock, name := s.socket(), ws[0].text
	var value any
	if len(ws) > 1 {
		value = ws[1].arg
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if off := s.answers[key(sock, name)]; off != nil {
		off()
	}
	s.answers[key(sock, name)] = sock.Handle(name, func(context.Context, *client.Request) (any, error) { return value, nil })
	return nil
}

func (s *Session) binary(ws []word) error {
	if len(ws) != 2 {
		return errors.New("it is /binary EVENT FILE")
	}
	data, err := os.ReadFile(ws[1].text)
	if err != nil {
		return err
	}
	return s.emit(ws[0].text, data)
}

func (s *Session) connect([]word) error { return s.join(s.socket()) }

func (s *Session) join(sock *client.Socket) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.target.Timeout)
	defer cancel()
	err := sock.Connect(ctx)
	if errors.As(err, new(*event.Error)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed++
		return nil // it showed as it came
	}
	s.settle(sock)
	return err
}

func (s *Session) disconnect([]word) error {
	s.socket().Disconnect()
	return nil
}

func (s *Session) events([]word) error {
	s.mu.Lock()
	seen := make([]string, 0, len(s.seen))
	for name, n := range s.seen {
		seen = append(seen, fmt.Sprintf("%6d  %s", n, console.Printable(name)))
	}
	s.mu.Unlock()
	if len(seen) == 0 {
		return errors.New("none has come yet")
	}
	slices.SortFunc(seen, func(a, b string) int { return strings.Compare(a[8:], b[8:]) })
	for _, line := range seen {
		s.screen.print(line)
	}
	return nil
}

func (s *Session) help([]word) error {
	line := func(what, help string) { s.screen.print("  " + s.screen.style.Column(console.Bold, what, 24) + help) }
	line("EVENT ARG…", "send an event; an ARG is JSON, or a string if it is not JSON")
	line("?EVENT ARG…", "the same, with an acknowledgement")
	for _, c := range commands {
		line("/"+c.name+" "+c.args, c.help)
	}
	return nil
}

func (s *Session) namespace(ws []word) error {
	if len(ws) == 0 {
		for _, name := range s.namespaces() {
			sock, mark := s.client.Of(name), " "
			if sock == s.socket() {
				mark = "→"
			}
			state := "connected  id " + sock.ID()
			if !sock.Connected() {
				state = "not connected"
			}
			s.screen.print(mark + " " + s.screen.style.Column(console.Bold, name, 16) + s.dim(state))
		}
		return nil
	}
	sock := s.client.Of(ws[0].text)
	if !slices.Contains(s.namespaces(), sock.Namespace()) {
		s.attach(sock)
		s.mu.Lock()
		s.names = append(s.names, sock.Namespace())
		s.mu.Unlock()
	}
	if err := s.join(sock); err != nil || !sock.Connected() {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = sock
	return nil
}

func (s *Session) namespaces() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names)
}

func (s *Session) showPings([]word) error {
	s.mu.Lock()
	s.pings = !s.pings
	on := s.pings
	s.mu.Unlock()
	if on {
		s.screen.print("heartbeats show from now on")
	} else {
		s.screen.print("heartbeats do not show any more")
	}
	return nil
}

func (s *Session) transport([]word) error {
	conn := s.client.Engine()
	if conn == nil {
		return errors.New("there is no connection at the moment")
	}
	h := conn.Handshake()
	line := func(name, value string) { s.screen.print("  " + s.screen.style.Column(console.Dim, name, 12) + value) }
	line("transport", conn.Transport())
	if len(h.Upgrades) > 0 {
		line("upgrades", strings.Join(h.Upgrades, ", "))
	}
	line("heartbeat", fmt.Sprintf("every %s, to be answered within %s", h.PingInterval, h.PingTimeout))
	if h.MaxPayload > 0 {
		line("takes", console.Bytes(h.MaxPayload)+" at most")
	}
	line("waiting", console.Bytes(conn.Buffered())+" to be sent")
	return nil
}

// wait waits for one more event of a name than was waited for before.
func (s *Session) wait(ws []word) error {
	name, limit := ws[0].text, s.target.Timeout
	if d, err := time.ParseDuration(name); err == nil {
		select {
		case <-time.After(d):
		case <-s.ctx.Done():
		}
		return nil
	}
	if len(ws) > 1 {
		var err error
		if limit, err = time.ParseDuration(ws[1].text); err != nil {
			return fmt.Errorf("%q is no duration, such as 500ms or 10s", ws[1].text)
		}
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		s.mu.Lock()
		came := s.came
		if s.seen[name] > s.waited[name] {
			s.waited[name]++
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-came:
		case <-timer.C:
			return fmt.Errorf("no event %q within %s", name, limit)
		case <-s.ctx.Done():
			return nil
		}
	}
}
