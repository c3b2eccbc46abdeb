package typescript_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/typescript"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func TestDeclarationsAreThoseOfTheGoldenFile(t *testing.T) {
	got, err := typescript.Declarations("testdata/everything")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "everything.ts")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("line %d differs from %s; -update rewrites it\n%s", i+1, golden, got)
		}
	}
}

func TestPackagesThatAreNoContractAreRefused(t *testing.T) {
	for dir, want := range map[string]string{
		"testdata/broken":    `event "bad": Carrier: field Inner: field Ch: a chan int cannot be sent`,
		"testdata/empty":     "no exported constant of type event.Of or event.Call",
		"testdata/direction": `direction.go:9:7: "//sio:from nowhere": an event is from client, server or both`,
		"testdata/nowhere":   "testdata/nowhere",
	} {
		if text, err := typescript.Declarations(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q\n%s", dir, err, want, text)
		}
	}
}
