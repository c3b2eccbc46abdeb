package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A server is the fixture, as a process of its own.
type server struct {
	cmd   *exec.Cmd
	addr  string // host:port
	debug string // URL
}

// serverArgs leave the server as it comes: whatever a client can hold it holds
// for its full time.
var serverArgs = []string{"-addr", "127.0.0.1:0", "-debug", "127.0.0.1:0"}

// start builds and runs the fixture; its log goes to a file in dir.
func start(ctx context.Context, dir string, args ...string) (*server, error) {
	bin := filepath.Join(dir, "server")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/roomwire/roomwire/conformance/server")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s := &server{cmd: exec.Command(bin, append(append([]string{}, serverArgs...), args...)...)}
	s.cmd.Stderr = log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server did not start, see %s: %w", log.Name(), err)
	}
	var url string
	var pid int
	if _, err := fmt.Sscanf(line, "%s pid %d debug %s", &url, &pid, &s.debug); err != nil {
		return nil, fmt.Errorf("the server said %q: %w", line, err)
	}
	s.addr = strings.TrimPrefix(url, "http://")
	return s, nil
}

// stop ends the process and returns how it ended.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// A sample is what the process holds, after its garbage was collected.
type sample struct {
	Seconds     float64 `json:"seconds"`
	Heap        int     `json:"heap"` // bytes
	RSS         int     `json:"rss"`  // bytes
	Goroutines  int     `json:"goroutines"`
	Descriptors int     `json:"descriptors"`
	Open        int     `json:"open"`    // connections of Engine.IO
	Sockets     int     `json:"sockets"` // of Socket.IO
	Opened      int64   `json:"opened"`  // by the crowd so far
	Echo        float64 `json:"echo"`    // ms, the longest of an honest client since the last sample
}

// look takes a sample.
func (s *server) look() (m sample, err error) {
	for range 2 { // what pools hold survives one collection
		resp, err := http.Get(s.debug + "/__gc")
		if err != nil {
			return m, err
		}
		resp.Body.Close()
	}
	resp, err := http.Get(s.debug + "/__stats")
	if err != nil {
		return m, err
	}
	defer resp.Body.Close()
	var st struct {
		Goroutines, HeapAlloc int
		SocketIO              struct {
			Engine  struct{ Open int }
			Sockets int
		} `json:"socketio"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		return m, err
	}
	proc := "/proc/" + strconv.Itoa(s.cmd.Process.Pid)
	files, err := os.ReadDir(proc + "/fd")
	if err != nil {
		return m, err
	}
	statm, err := os.ReadFile(proc + "/statm")
	if err != nil {
		return m, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	m = sample{
		Heap: st.HeapAlloc, RSS: pages * os.Getpagesize(), Goroutines: st.Goroutines, Descriptors: len(files),
		Open: st.SocketIO.Engine.Open, Sockets: st.SocketIO.Sockets,
	}
	return m, err
}

// settled looks until the process holds no more goroutines, descriptors and
// connections than before, or patience ends.
func (s *server) settled(before sample) (now sample, ok bool, err error) {
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(200 * time.Millisecond) {
		if now, err = s.look(); err != nil {
			return now, false, err
		}
		if now.Goroutines <= before.Goroutines && now.Descriptors <= before.Descriptors && now.Open <= before.Open && now.Sockets <= before.Sockets {
			return now, true, nil
		}
		if time.Now().After(deadline) {
			return now, false, nil
		}
	}
}
