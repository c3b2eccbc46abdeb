// Package session is a conversation with a server, led by hand.
package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/remote"
)

// A Session is one conversation.
type Session struct {
	ctx    context.Context
	target *remote.Target
	screen *screen
	client *client.Client
	calls  sync.WaitGroup // that wait for an acknowledgement

	answered remote.Acks

	mu      sync.Mutex
	current *client.Socket
	names   []string       // of the namespaces that were joined
	seen    map[string]int // events by name
	sent    map[string]bool
	waited  map[string]int  // of them, those that /wait has passed
	shown   map[string]bool // namespaces that are shown as connected
	came    chan struct{}   // closed when an event comes, or a namespace is connected
	answers map[string]func()
	pings   bool      // are shown
	begun   time.Time // of the connection
	over    bool      // nothing needs to be said any more
	failed  int       // lines that did not do what they should
}

// Run leads a conversation until the input ends, somebody quits or ctx is done.
func Run(ctx context.Context, t *remote.Target, namespaces []string, in io.Reader, out io.Writer, style console.Style) error {
	s := &Session{
		ctx: ctx, target: t, names: slices.Clone(namespaces), seen: map[string]int{}, sent: map[string]bool{}, waited: map[string]int{}, shown: map[string]bool{},
		came: make(chan struct{}), answers: map[string]func(){}, begun: time.Now(),
	}
	var err error
	if s.screen, err = newScreen(in, out, style); err != nil {
		return err
	}
	defer s.screen.close()
	o := t.Options()
	s.hook(o)
	if s.client, err = t.Open(ctx, o, namespaces, s.attach); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer s.client.Close()
	s.current = s.client.Of(namespaces[0])
	for _, name := range namespaces {
		s.settle(s.client.Of(name))
	}
	if s.screen.term != nil {
		s.screen.term.AutoCompleteCallback = s.complete
		s.screen.print(style.Paint(console.Dim, "type EVENT ARG…, ?EVENT ARG… to have it acknowledged, or /help"))
	}
	err = s.loop()
	s.screen.end()
	s.calls.Wait()
	if err == nil {
		err = s.target.Settle(ctx, s.client.Engine())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if err == nil && s.failed > 0 && s.screen.term == nil {
		err = fmt.Errorf("%d of the lines failed", s.failed)
	}
	return err
}

// settle waits until a socket that was connected is shown as connected, so that
// what is done next shows after it.
func (s *Session) settle(sock *client.Socket) {
	for sock.Connected() {
		s.mu.Lock()
		shown, came := s.shown[sock.Namespace()], s.came
		s.mu.Unlock()
		if shown {
			return
		}
		select {
		case <-came:
		case <-sock.Context().Done():
			return
		}
	}
}

// newsLocked wakes those who wait.
func (s *Session) newsLocked() {
	close(s.came)
	s.came = make(chan struct{})
}

// fail says that a line did not do what it should.
func (s *Session) fail(name, text string) {
	s.mu.Lock()
	s.failed++
	s.mu.Unlock()
	s.screen.say("✗", console.Red, console.Printable(name), text)
}

// errQuit ends a conversation.
var errQuit = errors.New("quit")

// loop does what the lines say until there are no more.
func (s *Session) loop() error {
	type line struct {
		text string
		err  error
	}
	next, lines := make(chan struct{}, 1), make(chan line, 1)
	defer close(next)
	go func() { // on its own, since reading from a terminal cannot be interrupted
		for range next {
			text, err := s.screen.read(s.socket().Namespace())
			lines <- line{text, err}
		}
	}()
	for {
		s.screen.flush()
		next <- struct{}{}
		select {
		case <-s.ctx.Done():
			return nil
		case l := <-lines:
			if errors.Is(l.err, io.EOF) {
				return nil
			}
			if l.err != nil {
				return l.err
			}
			err := s.do(l.text)
			if errors.Is(err, errQuit) {
				return nil
			}
			if err != nil {
				s.fail(strings.TrimPrefix(err.Error(), "client: "), "")
			}
		}
	}
}

func (s *Session) socket() *client.Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}
