package hostile_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A proxy is a program that is tried with the configuration that we recommend.
type proxy struct {
	program, config string
	args            []string // CONFIG and DIR stand for paths
}

// TestProxies connects through proxies over every transport. Those that are not
// installed are skipped.
func TestProxies(t *testing.T) {
	if *heavy {
		t.Skip("the large attacks run alone")
	}
	for _, p := range []proxy{
		{"nginx", "nginx.conf", []string{"-p", "DIR", "-c", "CONFIG"}},
		{"caddy", "Caddyfile", []string{"run", "--adapter", "caddyfile", "--config", "CONFIG"}},
		{"haproxy", "haproxy.cfg", []string{"-db", "-f", "CONFIG"}},
		{"traefik", "traefik-routes.yml", []string{
			"--entrypoints.web.address=LISTEN", "--providers.file.filename=CONFIG", "--global.checknewversion=false",
		}},
	} {
		t.Run(p.program, func(t *testing.T) {
			path, err := exec.LookPath(p.program)
			if err != nil {
				t.Skip("not installed: " + p.program)
			}
			through := p.start(t, path)
			tryProxy(t, through)
		})
	}
}

// start runs the program on the loopback interface before the plain server.
func (p proxy) start(t *testing.T, path string) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := ln.Addr().String()
	must(t, ln.Close()) // none of them can be told to choose a port
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // which a worker of another user has to enter
		must(t, os.Chmod(d, 0o755))
	}
	text, err := os.ReadFile(filepath.Join("testdata", p.config))
	must(t, err)
	config := filepath.Join(dir, p.config)
	_, port, err := net.SplitHostPort(addr)
	must(t, err)
	fill := strings.NewReplacer("LISTEN", addr, "PORT", port, "BACKEND", plain.addr, "DIR", dir, "CONFIG", config)
	must(t, os.WriteFile(config, []byte(fill.Replace(string(text))), 0o600))
	args := make([]string, len(p.args))
	for i, a := range p.args {
		args[i] = fill.Replace(a)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // SIGINT is ignored in what a shell runs in the background
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	s := &server{addr: addr}
	waitFor(t, p.program, func() bool {
		w, err := s.webSocket() // one that listens may not have its routes yet
		if err == nil {
			w.Close()
		}
		return err == nil
	})
	return s
}

func tryProxy(t *testing.T, s *server) {
	w, err := s.webSocket()
	must(t, err)
	defer w.Close()
	must(t, w.join("/"))
	p := polling(t, s)
	for i := range 20 {
		must(t, w.echo(fmt.Sprint("socket ", i)))
		must(t, p.echo(fmt.Sprint("poll ", i)))
	}
	must(t, w.echo(strings.Repeat("long ", 20_000)))
	must(t, p.echo(strings.Repeat("long ", 20_000)))

	// A poll waits, and is answered as soon as there is something, for a room
	// that the honest clients are not in.
	for _, c := range []session{w, p} {
		must(t, c.send(`4298["join","proxy"]`))
		if got, err := c.next(); err != nil || got != `4398[]` {
			t.Errorf("%q, %v", got, err)
		}
	}
	go func() {
		time.Sleep(300 * time.Millisecond)
		_ = w.send(`42["roomcast","proxy","now"]`)
	}()
	began := time.Now()
	if got, err := p.next(); err != nil || got != `42["msg","now"]` {
		t.Errorf("%q, %v", got, err)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("the answer was held for %v", d)
	}
	if got, err := w.next(); err != nil || got != `42["msg","now"]` {
		t.Errorf("%q, %v", got, err)
	}

	// And moves to WebSocket.
	r, err := s.dial()
	must(t, err)
	defer r.Close()
	_, err = io.WriteString(r, upgrade(wsp+"&sid="+p.sid))
	must(t, err)
	a, err := r.answer("GET")
	must(t, err)
	if a.status != 101 {
		t.Fatalf("upgrade: %d %q", a.status, a.body)
	}
	moved := &wsSession{raw: r, sid: p.sid}
	must(t, moved.send("2probe"))
	if got, err := moved.next(); err != nil || got != "3probe" {
		t.Fatalf("%q, %v", got, err)
	}
	must(t, moved.send("5"))
	must(t, moved.echo("moved"))
	// Longer than a heartbeat.
	for range 3 {
		time.Sleep(700 * time.Millisecond)
		must(t, moved.send(`421["echo","beat"]`))
		if got, err := moved.next(); err != nil || got != `431["beat"]` {
			t.Fatalf("%q, %v", got, err)
		}
	}
	// A page of the same origin is one behind the proxy, too.
	same, err := s.webSocket("Origin: http://example.test")
	must(t, err)
	same.Close()
	refused(t, s, upgrade(wsp, "Origin: https://evil.example"), "", 403)
	refused(t, s, request("GET", poll, "", "Origin: https://evil.example"), "", 403)
	refused(t, s, request("POST", poll+"&sid=unknown", strings.Repeat("x", 2_000_000)), "", 400, 413)
}
