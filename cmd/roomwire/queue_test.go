package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// damage DIR TEXT flips a bit in every file of a directory that holds a text.
func cmdDamage(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*"))
	ts.Check(err)
	hit := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		ts.Check(err)
		if i := bytes.Index(data, []byte(args[1])); i >= 0 {
			data[i] ^= 1
			ts.Check(os.WriteFile(name, data, 0o600))
			hit++
		}
	}
	if hit == 0 {
		ts.Fatalf("no file of %s holds %q", args[0], args[1])
	}
}
