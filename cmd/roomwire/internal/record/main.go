// Record runs the commands of a Markdown file and writes what they print on a
// terminal below them, or, with -check, fails when that has changed.
//
//	record [-check] FILE
//
// A command is a line "$ roomwire …" in a block of the language console. In
// front of the block there may be a comment <!-- record … --> with a line for
// each thing to do meanwhile: "> TEXT" waits until TEXT has been printed,
// "! COMMAND" runs a command, anything else is typed. localhost:3000 is the
// server of examples/contract, localhost:4000 the official one in Node.js;
// without Node.js the blocks that need it stay as they are, and that is said.
//
// Times, durations and IDs differ from run to run; a block in which nothing
// else differs is left alone.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"strings"
)

func main() {
	log.SetFlags(0)
	check := flag.Bool("check", false, "change nothing, and fail if the file would change")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: record [-check] FILE")
	}
	if err := run(flag.Arg(0), *check); err != nil {
		log.Fatal("record: ", err)
	}
}

func run(file string, check bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	st, err := newStage()
	if err != nil {
		return err
	}
	defer st.close()
	var stale []string
	var failed error
	blocks := 0
	out := block.ReplaceAllStringFunc(string(text), func(old string) string {
		parts := block.FindStringSubmatch(old)
		blocks++
		if strings.Contains(parts[2], "localhost:4000") && st.noNode != nil {
			log.Printf("SKIPPED: not recorded, since %v: %s", st.noNode, strings.SplitN(parts[2], "\n", 2)[0])
			return old
		}
		printed, err := st.play(parts[1], parts[2])
		failed = errors.Join(failed, err)
		if mask(printed) == mask(parts[2]) {
			return old
		}
		stale = append(stale, difference(parts[2], printed))
		return strings.Replace(old, parts[2], printed, 1)
	})
	switch {
	case failed != nil:
		return failed
	case blocks == 0:
		return fmt.Errorf("%s has no block of the language console", file)
	case check && len(stale) > 0:
		return fmt.Errorf("%d of %d blocks of %s are not what the commands print; run docs/record.sh\n%s", len(stale), blocks, file, strings.Join(stale, "\n"))
	case check:
		fmt.Printf("%s: %d blocks are what the commands print\n", file, blocks)
		return nil
	}
	fmt.Printf("%s: %d blocks, %d changed\n", file, blocks, len(stale))
	return os.WriteFile(file, []byte(out), 0o644)
}

var block = regexp.MustCompile("(?s)(<!-- record\n.*?-->\n\n?)?```console\n(.*?)```")

// What differs from run to run.
var masks = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`), "TIME"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "TIME"},
	{regexp.MustCompile(`\b(in|within) [\d.]+(µs|ms)`), "$1 TOOK"},
	{regexp.MustCompile(`\b[\d.]+(µs|ms|s) after`), "TOOK after"},
	{regexp.MustCompile(`\bid [\w-]{20}`), "id ID"},
	{regexp.MustCompile(`"[\w-]{20}"`), `"ID"`},
	{regexp.MustCompile(`"[^" ]*…`), `…`},             // cut in the middle of something
	{regexp.MustCompile(`(?m)^.*· upgrade .*\n`), ""}, // it comes when it comes
}

func mask(s string) string {
	for _, m := range masks {
		s = m.re.ReplaceAllString(s, m.with)
	}
	return s
}

// difference shows the first line that is not the same.
func difference(old, now string) string {
	a, b := strings.Split(mask(old), "\n"), strings.Split(mask(now), "\n")
	for i := range b {
		if i >= len(a) || a[i] != b[i] {
			was := ""
			if i < len(a) {
				was = a[i]
			}
			return fmt.Sprintf("in %q:\n  - %s\n  + %s", a[0], was, b[i])
		}
	}
	return fmt.Sprintf("in %q: it ends earlier", a[0])
}
