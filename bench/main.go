// Command bench measures this library against the official Node.js server, the
// Go library centrifuge and the bare system calls, with the same load.
//
//	go run ./bench                 every row, five alternating rounds
//	go run ./bench -quick          the main rows in under five minutes
//	go run ./bench -unpinned       without pinning server and load to a core each
//	go run ./bench -next           other ways to read and to send, without a protocol
//	go run ./bench -from FILE      table and plot again from raw lines
//
// It writes the raw lines, a Markdown table and an SVG plot into bench/results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/roomwire/roomwire/bench/report"
)

// options are the command line.
type options struct {
	quick, unpinned, next bool
	rounds                int
	servers, rows         string
	out, from, compare    string
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "the main rows with short runs and three rounds")
	flag.BoolVar(&o.unpinned, "unpinned", false, "let the kernel place server and load")
	flag.BoolVar(&o.next, "next", false, "compare an epoll loop and io_uring with a goroutine per connection and write(2)")
	flag.IntVar(&o.rounds, "rounds", 0, "alternating `rounds` (default 5, with -quick 3)")
	flag.StringVar(&o.servers, "servers", "", "only these, separated by commas: "+strings.Join(report.Servers, ","))
	flag.StringVar(&o.rows, "rows", "", "only these rows, by id or by its beginning, separated by commas")
	flag.StringVar(&o.compare, "compare", "", "say whether the order of the servers is that of the raw lines in this `file`")
	flag.StringVar(&o.out, "out", "", "write `PATH`.jsonl, .md and .svg (default bench/results/<date and time>)")
	flag.StringVar(&o.from, "from", "", "measure nothing, read the raw lines of this `file`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first interrupt ends the session in order. If that hangs, another ends it
	// at once; not earlier, as one press may come as several signals.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	if err := command(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, o options) error {
	if o.from != "" {
		return again(o)
	}
	if o.rounds == 0 {
		if o.rounds = 5; o.quick {
			o.rounds = 3
		}
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	return measure(ctx, root, o)
}

// again writes table and plot from raw lines.
func again(o options) error {
	session, runs, err := readSession(o.from)
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = strings.TrimSuffix(o.from, ".jsonl")
	}
	return present(o.out, session, runs)
}

// present prints the table and writes the Markdown and the plot beside the raw lines.
func present(out string, session report.Session, runs []report.Run) error {
	outcomes := report.Outcomes(report.Rows, runs)
	paint := report.Plain
	if isTerminal(os.Stdout) && os.Getenv("NO_COLOR") == "" {
		paint = report.Colour
	}
	if session.Next {
		fmt.Print(report.TerminalNext(runs, paint))
		return os.WriteFile(out+".md", []byte(report.MarkdownNext(session, runs)), 0o644)
	}
	fmt.Print(report.Terminal(session, outcomes, runs, paint))
	md := report.Markdown(session, outcomes, runs)
	return errors.Join(
		os.WriteFile(out+".md", []byte(md), 0o644),
		os.WriteFile(out+".svg", []byte(report.SVG(session, outcomes)), 0o644),
	)
}

// findRoot is the repository: the nearest folder upwards that holds bench/go.mod.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "bench", "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("run it inside the repository")
		}
		dir = up
	}
}
