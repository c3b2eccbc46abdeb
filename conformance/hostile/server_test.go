package hostile_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A server is a fixture process with two honest clients.
type server struct {
	cmd     *exec.Cmd
	addr    string // host:port
	debug   string // URL
	log     string // file
	ws      *honest
	polling *honest
	first   residue // of the first baseline
}

// stats are what the process says of itself.
type stats struct {
	Goroutines, HeapAlloc int
	SocketIO              struct {
		Engine struct {
			Open, Slow, TooLarge, Bad, Dropped, PingTimeouts int
			Refused                                          []int
		}
		Sockets, Namespaces, BadPackets, StrayAcks, AckTimeouts, ConnectTimeouts, Panics, Unhandled int
		AckOverflows, RoomOverflows, NamespaceOverflows, Refused, EventsIn, Connects, Disconnects   int
		RecoveryKept, RecoveryEvicted, RecoveryFailed, Recovered                                    int
	} `json:"socketio"`
	Sessions struct{ Sessions, Bytes, Evicted int } // in the store
}

func startServer(bin, log string, args ...string) (*server, error) {
	s := &server{log: log}
	s.cmd = exec.Command(bin, append([]string{"-addr", "127.0.0.1:0", "-debug", "127.0.0.1:0", "-readers", "-1"}, args...)...)
	stderr, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	s.cmd.Stderr = stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, err
	}
	var url string
	var pid int
	if _, err := fmt.Sscanf(line, "%s pid %d debug %s", &url, &pid, &s.debug); err != nil {
		return nil, fmt.Errorf("the server said %q: %w", line, err)
	}
	s.addr = strings.TrimPrefix(url, "http://")
	if s.ws, err = newHonest(s, true); err != nil {
		return nil, err
	}
	if s.polling, err = newHonest(s, false); err != nil {
		return nil, err
	}
	return s, nil
}

// stop ends the clients and the process, whose exit code tells of a race.
func (s *server) stop() error {
	s.ws.stop()
	s.polling.stop()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	if err := s.cmd.Wait(); err != nil {
		text, _ := os.ReadFile(s.log)
		return fmt.Errorf("the server ended with %w\n%.20000s", err, text[max(0, len(text)-20000):])
	}
	return nil
}

func (s *server) stats() (st stats, err error) {
	resp, err := http.Get(s.debug + "/__stats")
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	return st, json.NewDecoder(resp.Body).Decode(&st)
}

// A residue is what the process holds.
type residue struct{ goroutines, fds, heap, rss, open, sockets int }

func (s *server) residue(collect bool) (r residue, err error) {
	if collect {
		resp, err := http.Get(s.debug + "/__gc")
		if err != nil {
			return r, err
		}
		resp.Body.Close()
	}
	st, err := s.stats()
	if err != nil {
		return r, err
	}
	proc := "/proc/" + strconv.Itoa(s.cmd.Process.Pid)
	files, err := os.ReadDir(proc + "/fd")
	if err != nil {
		return r, err
	}
	text, err := os.ReadFile(proc + "/statm")
	if err != nil {
		return r, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		return r, err
	}
	return residue{st.Goroutines, len(files), st.HeapAlloc, pages * os.Getpagesize(), st.SocketIO.Engine.Open, st.SocketIO.Sockets}, nil
}

// least is the smaller of each; what two honest clients hold comes and goes.
func (r residue) least(o residue) residue {
	return residue{min(r.goroutines, o.goroutines), min(r.fds, o.fds), min(r.heap, o.heap), min(r.rss, o.rss), min(r.open, o.open), min(r.sockets, o.sockets)}
}

// baseline looks at the process for a while.
func (s *server) baseline() (r residue, err error) {
	if r, err = s.residue(true); err != nil {
		return r, err
	}
	for range 20 {
		next, err := s.residue(false)
		if err != nil {
			return r, err
		}
		next.heap, next.rss = r.heap, r.rss
		r = r.least(next)
		time.Sleep(2 * time.Millisecond)
	}
	if s.first.goroutines == 0 {
		s.first = r
	}
	return r, nil
}

// idlers is how many goroutines without work the server may keep for a while, or
// not: those of a crew, beyond the one that the honest clients need.
var idlers = runtime.GOMAXPROCS(0)

// settled waits until the process holds no more than before. Of goroutines it may
// be a few more, but not than at first, whatever has happened since.
func (s *server) settled(before residue, heapSlack int, patience time.Duration) (now residue, ok bool, err error) {
	const unknown = 1 << 60
	now = residue{unknown, unknown, unknown, unknown, unknown, unknown}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		r, err := s.residue(false)
		if err != nil {
			return now, false, err
		}
		r.heap, r.rss = now.heap, now.rss
		now = now.least(r)
		if now.goroutines <= min(before.goroutines, s.first.goroutines)+idlers && now.fds <= before.fds && now.open <= before.open && now.sockets <= before.sockets {
			if r, err = s.residue(true); err != nil {
				return now, false, err
			}
			now.heap, now.rss = r.heap, r.rss
			if now.heap <= before.heap+heapSlack {
				return now, true, nil
			}
		}
		if time.Now().After(deadline) {
			return now, false, nil
		}
	}
}
