package roomwire_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers says what each package of this module may import of it. A new arrow
// is a decision: change the table and say why in the commit.
var layers = map[string]string{
	"event":                        "",
	"queue":                        "",
	"queue/queuetest":              "queue",
	"parser":                       "",
	"internal/bucket":              "",
	"internal/front":               "internal/stack internal/ws",
	"internal/lane":                "internal/stack",
	"internal/negotiate":           "",
	"internal/poller":              "internal/stack internal/uring",
	"internal/stack":               "",
	"internal/ws":                  "internal/poller internal/stack",
	"internal/typed":               "event parser",
	"internal/uring":               "",
	"engine":                       "internal/bucket internal/front internal/lane internal/negotiate internal/poller internal/ws",
	"adapter":                      "parser",
	"adapter/adaptertest":          "adapter parser",
	"client":                       "engine event internal/lane internal/typed parser",
	"sio":                          "adapter engine event internal/bucket internal/lane internal/negotiate internal/typed parser",
	"siotest":                      "client sio",
	"mailroom":                     "internal/lane parser queue sio",
	"conformance":                  "",
	"conformance/hostile":          "",
	"conformance/parser-agreement": "parser",
	"conformance/server":           "adapter engine mailroom parser queue sio",
	"e2e/server":                   "engine event sio",
}

// satellites are modules of their own, or programs, above all floors.
var satellites = []string{"adapters/", "bench", "cmd/", "e2e/goclient", "examples/", "stores/", "stress", "webtransport"}

func TestImportsPointDown(t *testing.T) {
	const mod = "github.com/roomwire/roomwire"
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}|{{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	short := func(p string) string { return strings.TrimPrefix(p, mod+"/") }
	seen := 0
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), "|")
		if pkg == mod || slices.ContainsFunc(satellites, func(s string) bool { return strings.HasPrefix(short(pkg), s) }) {
			continue
		}
		seen++
		allowed, ok := layers[short(pkg)]
		if !ok {
			t.Errorf("%s has no row in the table of layers", short(pkg))
			continue
		}
		may := strings.Fields(allowed)
		for imp := range strings.FieldsSeq(imports) {
			if strings.HasPrefix(imp, mod+"/") && !slices.Contains(may, short(imp)) {
				t.Errorf("%s must not import %s", short(pkg), short(imp))
			}
		}
	}
	if seen < 8 {
		t.Fatalf("looked at %d packages only", seen)
	}
}
