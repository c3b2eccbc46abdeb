package hostile_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

var heavy = flag.Bool("heavy", false, "run the large attacks, alone")

// The servers under attack.
var (
	plain  *server // as it comes, but for shorter deadlines
	listed *server // lets one other origin in and compresses
	stored *server // keeps events and few sessions in a store

	fixture string // the program
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := withServers(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		code = 1
	}
	os.Exit(code)
}

// withServers builds the fixture and runs it, as processes of their own.
func withServers(run func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "server")
	fixture = bin
	args := []string{"build", "-o", bin, "../server"}
	if !*heavy { // which measures memory
		args = []string{"build", "-race", "-o", bin, "../server"}
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return 1, errors.New(string(out))
	}
	common := []string{"-ping-interval", "1s", "-ping-timeout", "3s", "-connect-timeout", "2s", "-upgrade-timeout", "500ms", "-header-timeout", "2s"}
	if *heavy {
		// Long enough for every attack to be complete while nothing has been given back.
		common = []string{"-ping-interval", "5s", "-ping-timeout", "5s", "-connect-timeout", "10s"}
	} else {
		common = append(common, "-v")
	}
	if plain, err = startServer(bin, filepath.Join(dir, "plain.log"), common...); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, plain.stop()) }()
	if !*heavy {
		more := append(slices.Clip(common), "-cors", "https://good.example", "-deflate")
		if listed, err = startServer(bin, filepath.Join(dir, "listed.log"), more...); err != nil {
			return 1, err
		}
		defer func() { err = errors.Join(err, listed.stop()) }()
		more = append(slices.Clip(common), "-durable", "-sessions", "200", "-session-bytes", "150000", "-session-age", "10s")
		if stored, err = startServer(bin, filepath.Join(dir, "stored.log"), more...); err != nil {
			return 1, err
		}
		defer func() { err = errors.Join(err, stored.stop()) }()
	}
	return run(), nil
}
