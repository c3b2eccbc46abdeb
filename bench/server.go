package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/roomwire/roomwire/bench/load"
)

// server is one started process of a peer.
type server struct {
	url, debug string // debug is empty if the peer has no /__gc
	pid        int
	cmd        *exec.Cmd
	exited     chan struct{}
	mu         sync.Mutex
	said       bytes.Buffer // its first output, for an error message
}

const maxSaid = 8 << 10

// start runs a fresh process for the load and waits until it says its URL.
func start(ctx context.Context, p peer, c load.Config, place placement) (*server, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	debug, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd := p.command(addr, debug, c)
	endWithParent(cmd)
	s := &server{cmd: cmd, url: "http://" + addr, exited: make(chan struct{})}
	if p.collects() {
		s.debug = "http://" + debug
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = place.startOnServerCore(cmd)
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	s.pid = cmd.Process.Pid
	ready := make(chan struct{})
	go s.listen(r, ready)
	select {
	case <-ready:
		return s, nil
	case <-s.exited:
		err = fmt.Errorf("%s ended before it was ready: %s", p.name(), s.output())
	case <-time.After(20 * time.Second):
		err = fmt.Errorf("%s was not ready in 20 s: %s", p.name(), s.output())
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.stop(ctx)
	return nil, err
}

// listen reads the process's output until it ends, then reaps it.
func (s *server) listen(r io.ReadCloser, ready chan struct{}) {
	lines := bufio.NewReader(r)
	said := false
	for {
		line, err := lines.ReadString('\n')
		s.mu.Lock()
		if s.said.Len() < maxSaid {
			s.said.WriteString(line)
		}
		s.mu.Unlock()
		if !said && strings.Contains(line, "http://") {
			said = true
			close(ready)
		}
		if err != nil {
			break
		}
	}
	_ = r.Close()
	_ = s.cmd.Wait()
	close(s.exited)
}

func (s *server) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimSpace(s.said.String())
}

// collect has the process give unused memory back.
func (s *server) collect() error {
	_, err := s.ask("/__gc")
	return err
}

// slow is how many connections the fixture ended because they read too slowly.
func (s *server) slow() (int, error) {
	body, err := s.ask("/__stats")
	if err != nil {
		return 0, err
	}
	var stats struct {
		SocketIO struct{ Engine struct{ Slow *int } } `json:"socketio"`
	}
	if err := json.Unmarshal(body, &stats); err != nil {
		return 0, err
	}
	if stats.SocketIO.Engine.Slow == nil {
		return 0, errors.New("the server does not count slow clients")
	}
	return *stats.SocketIO.Engine.Slow, nil
}

func (s *server) ask(path string) ([]byte, error) {
	res, err := http.Get(s.debug + path)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", path, res.Status)
	}
	return body, err
}

// stop ends this process, by force after three seconds or when ctx is done.
func (s *server) stop(ctx context.Context) {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		return
	case <-ctx.Done():
	case <-time.After(3 * time.Second):
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// freeAddress is one that nobody listens on at the moment. It is below the ports
// that the kernel gives to clients, of which there are thousands.
func freeAddress() (addr string, err error) {
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}
