package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/pty"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/sio"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"roomwire": func() { os.Exit(start()) }})
}

// A backend starts a server with the events of e2e/node-server.mjs, of which
// each of them knows at least those that the scripts use.
type backend func(env *testscript.Env, flags []string) (url string, err error)

// TestScripts runs the command against a server in this process.
func TestScripts(t *testing.T) { runScripts(t, "go", serveGo, nil) }

// TestScriptsAgainstNode runs what needs a server against the official one.
func TestScriptsAgainstNode(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("SKIPPED: the commands are not tested against the official server, since there is no node on this machine")
	}
	if _, err := os.Stat(filepath.Join(e2e, "node_modules", "socket.io")); err != nil {
		t.Skip("SKIPPED: the commands are not tested against the official server: run npm ci in e2e/ first")
	}
	var files []string
	all, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains("\n"+string(text), "\nserve") {
			files = append(files, name)
		}
	}
	if len(files) < 4 {
		t.Fatalf("only %d scripts start a server", len(files))
	}
	runScripts(t, "node", serveNode, files)
}

const e2e = "../../e2e"

type backendKey struct{}

func runScripts(t *testing.T, name string, serve backend, files []string) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	p := testscript.Params{
		Setup: func(env *testscript.Env) error {
			env.Values[backendKey{}] = func(flags []string) (string, error) { return serve(env, flags) }
			env.Setenv("ROOT", root)
			env.Setenv("GOWORK", filepath.Join(root, "go.work"))
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS"} { // for types, which asks go
				value, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(value)))
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "pty" {
				return pty.Supported, nil
			}
			if cond == "go" || cond == "node" {
				return cond == name, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve": cmdServe, "eventually": cmdEventually, "site": cmdSite, "bytes": cmdBytes, "terminal": cmdTerminal,
			"damage": cmdDamage,
		},
		RequireUniqueNames: true,
	}
	if files != nil {
		p.Files = files
	} else {
		p.Dir = "testdata/script"
	}
	testscript.Run(t, p)
}

// serve [-flag=value …] starts a server and sets $URL.
func cmdServe(ts *testscript.TestScript, _ bool, args []string) {
	url, err := ts.Value(backendKey{}).(func([]string) (string, error))(args)
	ts.Check(err)
	ts.Setenv("URL", url)
}

// eventually PATTERN PROGRAM ARG… runs a program until its output matches.
func cmdEventually(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	for began := time.Now(); time.Since(began) < 10*time.Second; {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("the output of %q never matched %s", args[1:], args[0])
}

// site STATUS BODY starts a web server that answers everything so, and sets $URL.
func cmdSite(ts *testscript.TestScript, _ bool, args []string) {
	var status int
	_, err := fmt.Sscan(args[0], &status)
	ts.Check(err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(args[1]))
	})}
	go func() { _ = srv.Serve(ln) }()
	ts.Defer(func() { _ = srv.Close() })
	ts.Setenv("URL", "http://"+ln.Addr().String())
}

// bytes FILE HEX writes a file.
func cmdBytes(ts *testscript.TestScript, _ bool, args []string) {
	data, err := hex.DecodeString(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// terminal INPUT PROGRAM ARG… runs a program on a terminal, types the lines of
// the file INPUT, each when what follows the > before it has been printed, and
// writes what was printed to the file "screen".
func cmdTerminal(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command(os.Args[0], args[2:]...)
	cmd.Args[0] = args[1] // by which the test binary knows that it is the program
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"TERM=xterm", "NO_COLOR=" + ts.Getenv("NO_COLOR"), "PATH=" + os.Getenv("PATH"), "HOME=" + ts.MkAbs(".")}
	tty, err := pty.Start(cmd, 100)
	ts.Check(err)
	defer tty.Close()
	guard := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	var screen strings.Builder
	seen := 0
	until := func(text string) {
		buf := make([]byte, 4096)
		for !strings.Contains(screen.String()[seen:], text) {
			n, err := tty.Read(buf)
			screen.Write(buf[:n])
			if err != nil {
				ts.Fatalf("the program ended before it printed %q:\n%s", text, screen.String())
			}
		}
		seen += strings.Index(screen.String()[seen:], text) + len(text)
	}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "> "); ok {
			until(text)
			continue
		}
		_, err := tty.Write([]byte(strings.NewReplacer("<tab>", "\t", "<up>", "\x1b[A", "<ctrl-d>", "\x04", "<ctrl-c>", "\x03", "<enter>", "\r").Replace(line)))
		ts.Check(err)
	}
	rest, _ := io.ReadAll(tty)
	screen.Write(rest)
	_ = cmd.Wait()
	ts.Check(os.WriteFile(ts.MkAbs("screen"), []byte(screen.String()), 0o600))
}

// serveNode runs e2e/node-server.mjs.
func serveNode(env *testscript.Env, flags []string) (string, error) {
	cmd := exec.Command("node", append([]string{"node-server.mjs", "-addr=127.0.0.1:0"}, flags...)...)
	cmd.Dir, cmd.Stderr = e2e, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	env.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url := regexp.MustCompile(`http://\S+`).FindString(line)
	if url == "" {
		return "", fmt.Errorf("the Node server said %q: %w", line, err)
	}
	return url, nil
}

// serveGo serves the same events in this process.
func serveGo(env *testscript.Env, flags []string) (string, error) {
	o := &sio.Options{Logger: slog.New(slog.DiscardHandler)}
	for _, f := range flags {
		name, value, _ := strings.Cut(strings.TrimLeft(f, "-"), "=")
		switch name {
		case "recovery":
			o.Recovery = &sio.Recovery{}
		case "cors":
			o.Engine.CORS = &engine.CORS{Origins: []string{value}}
		case "cookie":
			o.Engine.Cookie = &http.Cookie{HttpOnly: true, SameSite: http.SameSiteLaxMode}
		case "deflate":
			o.Engine.Compression = &engine.Compression{}
		case "ping-interval":
			d, err := time.ParseDuration(value)
			if err != nil {
				return "", err
			}
			o.Engine.PingInterval = d
		default:
			return "", fmt.Errorf("the server has no flag %s", f)
		}
	}
	srv := sio.NewServer(o)
	fixture(srv)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = hs.Serve(ln) }()
	env.Defer(func() { _, _ = srv.Close(), hs.Close() })
	return "http://" + ln.Addr().String(), nil
}

// fixture is a part of e2e/node-server.mjs.
func fixture(srv *sio.Server) {
	guarded := srv.Of("/guarded")
	guarded.Use(func(_ context.Context, s *sio.Socket) error {
		var auth struct{ Token string }
		if err := s.Auth(&auth); err != nil || auth.Token != "secret" {
			return &event.Error{Message: "not authorized", Data: map[string]any{"code": 401, "need": "token"}}
		}
		return nil
	})
	for _, ns := range []*sio.Namespace{srv.Of("/"), srv.Of("/custom"), guarded} {
		ns.Handle("echo", func(_ context.Context, r *sio.Request) (any, error) { return r.Args(), nil })
		ns.Handle("room", func(ctx context.Context, r *sio.Request) (any, error) {
			args := make([]any, r.Len())
			into := make([]any, len(args))
			for i := range args {
				into[i] = &args[i]
			}
			if err := r.Bind(into...); err != nil || len(args) == 0 {
				return nil, errors.Join(err, errors.New("no room"))
			}
			return nil, r.Socket.To(fmt.Sprint(args[0])).Emit(ctx, "room", args[1:]...)
		})
		sio.On(ns, "join", func(ctx context.Context, s *sio.Socket, room string) error { return s.Join(ctx, room) })
		sio.OnCall(ns, "list", func(ctx context.Context, s *sio.Socket, room string) ([]string, error) {
			ids := []string{}
			for sk, err := range ns.In(room).All(ctx) {
				if err != nil {
					return nil, err
				}
				ids = append(ids, sk.ID())
			}
			slices.Sort(ids)
			return ids, nil
		})
		sio.On(ns, "burst", func(ctx context.Context, s *sio.Socket, n int) error {
			for i := range n {
				if err := s.Emit(ctx, "seq", i); err != nil {
					return err
				}
			}
			return nil
		})
		ns.Handle("ask", func(ctx context.Context, r *sio.Request) (any, error) {
			s := r.Socket
			return nil, s.EmitFunc(ctx, "asked", func(ctx context.Context, answer sio.Reply, err error) {
				var v any
				if err = errors.Join(err, answer.Decode(&v)); err == nil {
					_ = s.Emit(ctx, "answered", v)
				}
			}, "what")
		})
		sio.On(ns, "kick", func(_ context.Context, s *sio.Socket, _ bool) error { s.Disconnect(); return nil })
		sio.OnCall(ns, "whoami", func(_ context.Context, s *sio.Socket, _ struct{}) (map[string]any, error) {
			auth := json.RawMessage("{}")
			err := s.Auth(&auth)
			return map[string]any{
				"auth": auth, "header": s.Request().Header.Get("X-Test"), "transport": s.Transport(),
				"query": map[string]string{"q": s.Request().URL.Query().Get("q")}, "bearer": s.Request().Header.Get("Authorization"),
			}, err
		})
	}
}
