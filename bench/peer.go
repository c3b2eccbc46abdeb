package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/roomwire/roomwire/bench/load"
	"github.com/roomwire/roomwire/bench/report"
)

// peer is a server that can be measured.
type peer interface {
	name() string
	protocol() load.Protocol
	// prepare builds or installs it and returns its version.
	prepare(ctx context.Context, root string) (version string, err error)
	// command starts it for the load; debug is where its /__gc shall be, if it has one.
	command(addr, debug string, c load.Config) *exec.Cmd
	// speaks reports whether it can answer the load.
	speaks(c load.Config) bool
	collects() bool // has /__gc
}

// errAbsent means that the peer is not part of this checkout.
var errAbsent = errors.New("not in this checkout")

func peers() []peer {
	return []peer{&rawPeer{mode: "epoll"}, &ourPeer{}, &nodePeer{}, &centrifugePeer{}}
}

// nextPeers are the ways to read and to send that -next compares.
func nextPeers() []peer {
	var all []peer
	for _, n := range report.Next {
		all = append(all, &rawPeer{mode: n.Mode})
	}
	return all
}

// binary is a Go peer's built program.
type binary struct{ path string }

func (b *binary) build(ctx context.Context, root, name, dir string, env ...string) error {
	b.path = filepath.Join(root, "bin", "bench", name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.path, ".")
	cmd.WaitDelay = time.Second
	cmd.Dir = filepath.Join(root, dir)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", dir, err, out)
	}
	return nil
}

// ourPeer is the conformance fixture.
type ourPeer struct{ binary }

func (p *ourPeer) name() string            { return report.Ours }
func (p *ourPeer) protocol() load.Protocol { return load.SocketIO }
func (p *ourPeer) speaks(load.Config) bool { return true }
func (p *ourPeer) collects() bool          { return true }

func (p *ourPeer) prepare(ctx context.Context, root string) (string, error) {
	const dir = "conformance/server"
	if found, _ := filepath.Glob(filepath.Join(root, dir, "*.go")); len(found) == 0 {
		return "", errAbsent
	}
	if err := p.build(ctx, root, "roomwire", dir); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "", nil // a source archive without history
	}
	return strings.TrimSpace(string(out)), nil
}

func (p *ourPeer) command(addr, debug string, _ load.Config) *exec.Cmd {
	return exec.Command(p.path, "-addr", addr, "-debug", debug)
}

// rawPeer is the limit: the system calls alone, net/http alone over polling.
type rawPeer struct {
	binary
	mode string
}

func (p *rawPeer) name() string            { return report.RawName(p.mode) }
func (p *rawPeer) protocol() load.Protocol { return load.SocketIO }
func (p *rawPeer) collects() bool          { return false }

func (p *rawPeer) speaks(c load.Config) bool {
	return c.Payload == 0 && c.Transport != load.Upgrade
}

func (p *rawPeer) prepare(ctx context.Context, root string) (string, error) {
	if err := p.build(ctx, root, "raw", "bench/raw"); err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, p.path, "-mode", p.mode, "-check").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s", bytes.TrimSpace(out))
	}
	return "", nil
}

func (p *rawPeer) command(addr, _ string, c load.Config) *exec.Cmd {
	mode := p.mode
	if c.Transport == load.Polling {
		mode = "polling"
	}
	return exec.Command(p.path, "-addr", addr, "-mode", mode)
}

// nodePeer is the official server.
type nodePeer struct{ dir string }

func (p *nodePeer) name() string            { return report.Node }
func (p *nodePeer) protocol() load.Protocol { return load.SocketIO }
func (p *nodePeer) collects() bool          { return true }

// speaks is everything but the rows about our own bounds.
func (p *nodePeer) speaks(c load.Config) bool { return c.Payload == 0 }

func (p *nodePeer) prepare(ctx context.Context, root string) (string, error) {
	p.dir = filepath.Join(root, "bench", "node")
	if err := p.install(ctx); err != nil {
		return "", err
	}
	manifest, err := os.ReadFile(filepath.Join(p.dir, "node_modules", "socket.io", "package.json"))
	if err != nil {
		return "", err
	}
	var pkg struct{ Version string }
	if err := json.Unmarshal(manifest, &pkg); err != nil {
		return "", err
	}
	return "socket.io " + pkg.Version, nil
}

// install fetches what the lock file pins, unless that was done before.
func (p *nodePeer) install(ctx context.Context) error {
	want, err := os.ReadFile(filepath.Join(p.dir, "package-lock.json"))
	if err != nil {
		return err
	}
	mark := filepath.Join(p.dir, "node_modules", ".installed")
	if have, err := os.ReadFile(mark); err == nil && bytes.Equal(have, want) {
		return nil
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-fund", "--no-audit", "--ignore-scripts")
	cmd.WaitDelay = time.Second
	cmd.Dir = p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return os.WriteFile(mark, want, 0o644)
}

func (p *nodePeer) command(addr, debug string, _ load.Config) *exec.Cmd {
	cmd := exec.Command("node", "--expose-gc", "server.js", "--addr", addr, "--debug", debug)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "NODE_ENV=production")
	return cmd
}

// centrifugePeer is the Go library with its own protocol.
type centrifugePeer struct{ binary }

func (p *centrifugePeer) name() string            { return report.Centrifuge }
func (p *centrifugePeer) protocol() load.Protocol { return load.Centrifuge }
func (p *centrifugePeer) collects() bool          { return true }

func (p *centrifugePeer) speaks(c load.Config) bool {
	rooms := c.Scenario == load.Rooms || c.Scenario == load.RoomsExcept
	return !rooms && c.Payload == 0 && (c.Transport == "" || c.Transport == load.WebSocket)
}

// prepare builds outside the workspace: the peer's dependencies stay its own.
func (p *centrifugePeer) prepare(ctx context.Context, root string) (string, error) {
	const dir = "bench/centrifuge"
	if err := p.build(ctx, root, "centrifuge", dir, "GOWORK=off"); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", "github.com/centrifugal/centrifuge")
	cmd.Dir = filepath.Join(root, dir)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

func (p *centrifugePeer) command(addr, debug string, _ load.Config) *exec.Cmd {
	return exec.Command(p.path, "-addr", addr, "-debug", debug)
}
