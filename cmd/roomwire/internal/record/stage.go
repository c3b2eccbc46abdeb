package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/pty"
)

// A stage has the servers, and the program in a directory of its own.
type stage struct {
	dir     string
	root    string // of the repository
	servers []*exec.Cmd
	hosts   map[string]string // real ones by those in the text
	noNode  error             // why there is no official server
}

func newStage() (*stage, error) {
	if !pty.Supported {
		return nil, errors.New("there are no pseudo-terminals here")
	}
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/roomwire/roomwire").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	s := &stage{root: strings.TrimSpace(string(root)), hosts: map[string]string{}}
	if s.dir, err = os.MkdirTemp("", "record"); err != nil {
		return nil, err
	}
	for name, pkg := range map[string]string{"roomwire": "./cmd/roomwire", "server": "./examples/contract/server"} {
		build := exec.Command("go", "build", "-o", filepath.Join(s.dir, name), pkg)
		build.Dir, build.Stderr = s.root, os.Stderr
		if err := build.Run(); err != nil {
			s.close()
			return nil, err
		}
	}
	if err := s.serve("localhost:3000", "", filepath.Join(s.dir, "server"), "-addr", "127.0.0.1:0"); err != nil {
		s.close()
		return nil, err
	}
	s.noNode = s.serve("localhost:4000", filepath.Join(s.root, "e2e"), "node", "node-server.mjs", "-addr=127.0.0.1:0")
	return s, nil
}

var address = regexp.MustCompile(`http://[\d.]+:(\d+)`)

// serve starts a server, which says in its first line where it listens.
func (s *stage) serve(host, dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.servers = append(s.servers, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	found := address.FindStringSubmatch(line)
	if found == nil {
		return fmt.Errorf("%s says %q: %w", name, line, err)
	}
	s.hosts[host] = "localhost:" + found[1]
	return nil
}

func (s *stage) close() {
	for _, cmd := range s.servers {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	_ = os.RemoveAll(s.dir)
}

// play runs the commands of a block and returns it as it should be.
func (s *stage) play(directions, old string) (string, error) {
	directions = strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(directions, "<!-- record")), "-->")
	var b strings.Builder
	for line := range strings.Lines(old) {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		printed, err := s.perform(strings.TrimSpace(command), strings.TrimSpace(directions))
		if err != nil {
			return old, fmt.Errorf("%s: %w", command, err)
		}
		directions = "" // they are those of the first
		b.WriteString(line + printed)
	}
	return b.String(), nil
}

// command is a program that runs a line of the shell.
func (s *stage) command(line string) *exec.Cmd {
	for text, real := range s.hosts {
		line = strings.ReplaceAll(line, text, real)
	}
	cmd := exec.Command("bash", "-c", line)
	cmd.Dir = s.root
	cmd.Env = append(os.Environ(), "PATH="+s.dir+":"+os.Getenv("PATH"), "NO_COLOR=1", "TERM=xterm", "TZ=UTC")
	return cmd
}

// perform runs one command on a terminal and returns what was to be seen.
func (s *stage) perform(line, directions string) (string, error) {
	cmd := s.command(line)
	tty, err := pty.Start(cmd, 100)
	if err != nil {
		return "", err
	}
	defer tty.Close()
	guard := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	var sc screen
	for d := range strings.Lines(directions) {
		d = strings.TrimSuffix(d, "\n")
		if text, ok := strings.CutPrefix(d, "> "); ok {
			if err := sc.until(tty, text); err != nil {
				return "", err
			}
			continue
		}
		if other, ok := strings.CutPrefix(d, "! "); ok {
			if out, err := s.command(other).CombinedOutput(); err != nil {
				return "", fmt.Errorf("%s: %w\n%s", other, err, out)
			}
			continue
		}
		if _, err := io.WriteString(tty, strings.ReplaceAll(d, "^D", "\x04")+enter(d)); err != nil {
			return "", err
		}
	}
	rest, err := io.ReadAll(tty)
	if err != nil {
		return "", err
	}
	sc.write(rest)
	_ = cmd.Wait() // a failure is part of what some commands show
	text := sc.text()
	for host, real := range s.hosts {
		text = strings.ReplaceAll(text, real, host)
	}
	return text, nil
}

func enter(line string) string {
	if strings.HasSuffix(line, "^D") {
		return ""
	}
	return "\r"
}
