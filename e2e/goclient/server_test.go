package goclient_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// A target is a kind of server that the client is tried against.
type target struct {
	name string
	// start starts a server on a port of 127.0.0.1, 0 for any.
	start func(t testing.TB, o serverOptions, port int) *server
}

// A serverOptions says how a server is to be configured, in the words of
// Socket.IO, so that it can be handed to the official one.
type serverOptions struct {
	PingInterval int       `json:"pingInterval,omitempty"` // ms
	PingTimeout  int       `json:"pingTimeout,omitempty"`
	Deflate      bool      `json:"perMessageDeflate,omitempty"`
	MaxBuffer    int       `json:"maxHttpBufferSize,omitempty"`
	Recovery     *struct{} `json:"connectionStateRecovery,omitempty"`
}

// A server is one that runs.
type server struct {
	url  string
	stop func() // at once, as if it had crashed
}

func targets(t *testing.T) []target {
	list := []target{}
	if os.Getenv("ROOMWIRE_NODE") == "1" {
		list = append(list, target{"node", startNode})
	} else {
		t.Log("ROOMWIRE_NODE is not 1: NOT tried against the official server")
	}
	list = append(list, goTargets...)
	if len(list) == 0 {
		t.Skip("no server to try the client against: set ROOMWIRE_NODE=1 and run npm ci in e2e")
	}
	return list
}

// startNode starts the official server.
func startNode(t testing.TB, o serverOptions, port int) *server {
	t.Helper()
	config, _ := json.Marshal(o)
	cmd := exec.Command("node", "server.cjs", string(config), strconv.Itoa(port))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Kill()
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the official server did not start (npm ci in e2e?): %v", err)
	}
	var p int
	if _, err := fmt.Sscan(line, &p); err != nil {
		t.Fatal(err)
	}
	return &server{url: "http://127.0.0.1:" + strconv.Itoa(p), stop: stop}
}

// startHTTP serves h as a server of this process.
func startHTTP(t testing.TB, h http.Handler, port int, closed func()) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		_ = srv.Close()
		<-done
		closed()
	}
	t.Cleanup(stop)
	p := l.Addr().(*net.TCPAddr).Port
	return &server{url: "http://127.0.0.1:" + strconv.Itoa(p), stop: stop}
}
