package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/roomwire/roomwire/bench/load"
	"github.com/roomwire/roomwire/bench/report"
)

func run(round int, row, server string, value float64) report.Run {
	return report.Run{
		Round: round, Row: row, Server: server, Value: value,
		Summary: load.Summary{P50: value / 10, P99: value},
	}
}

func TestMedianIsTheMiddleOfAnyOrder(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want report.Spread
	}{
		{nil, report.Spread{}},
		{[]float64{7}, report.Spread{Min: 7, Median: 7, Max: 7, N: 1}},
		{[]float64{9, 1, 5}, report.Spread{Min: 1, Median: 5, Max: 9, N: 3}},
		{[]float64{4, 1, 9, 2}, report.Spread{Min: 1, Median: 3, Max: 9, N: 4}},
	} {
		if got := report.NewSpread(c.in); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.in, got, c.want)
		}
	}
}

// The machine is twice as slow in round 2: the ratio within a round does not see it.
func TestRatiosAreTakenWithinARound(t *testing.T) {
	got := report.Ratios(map[int]float64{1: 2, 2: 4, 3: 9}, map[int]float64{1: 1, 2: 2, 4: 1})
	if want := (report.Spread{Min: 2, Median: 2, Max: 2, N: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestMarksFollowTheTargets(t *testing.T) {
	target := report.Target{Must: 2, Goal: 1}
	for _, c := range []struct {
		value float64
		n     int
		want  report.Mark
	}{{1, 1, report.Goal}, {1.01, 1, report.Must}, {2, 1, report.Must}, {2.01, 1, report.Missed}, {0, 0, report.NotRun}} {
		if got := target.Against(c.value, c.n); got != c.want {
			t.Errorf("%v: %s, want %s", c.value, got, c.want)
		}
	}
	if got := (report.Target{}).Against(9, 1); got != report.NoMark {
		t.Errorf("no target: %s", got)
	}
}

func TestEveryTargetHasAGoalNotWeakerThanItsMust(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range report.Rows {
		if seen[row.ID] {
			t.Errorf("%s is there twice", row.ID)
		}
		seen[row.ID] = true
		targets := []report.Target{row.Absolute, row.P50}
		for _, r := range row.Ratio {
			targets = append(targets, r)
		}
		for _, x := range targets {
			if x.Goal > x.Must || x.Goal == 0 && x.Must != 0 {
				t.Errorf("%s: %+v", row.ID, x)
			}
		}
	}
}

func sample() []report.Run {
	var runs []report.Run
	for round, slow := range []float64{1, 2, 1.5} {
		for server, us := range map[string]float64{report.Raw: 3, report.Ours: 3.3, report.Node: 8, report.Centrifuge: 6.6} {
			runs = append(runs, run(round+1, "fanout-1k", server, us*slow))
		}
		runs = append(runs, run(round+1, "fanout-19k", report.Raw, 6*slow), run(round+1, "fanout-19k", report.Ours, 7.92*slow))
	}
	return runs
}

func TestTheWorstMarkOfARowCounts(t *testing.T) {
	out := report.Outcomes(report.Rows, sample())
	if len(out) != 2 {
		t.Fatalf("%d rows of 2", len(out))
	}
	o := out[0]
	if o.MarkAgainst(report.Raw) != report.Goal || o.MarkAgainst(report.Node) != report.Goal || o.Mark() != report.Goal {
		t.Errorf("marks %s %s %s", o.MarkAgainst(report.Raw), o.MarkAgainst(report.Node), o.Mark())
	}
	worse := append(sample(), run(4, "fanout-1k", report.Ours, 50), run(4, "fanout-1k", report.Raw, 1),
		run(5, "fanout-1k", report.Ours, 50), run(5, "fanout-1k", report.Raw, 1),
		run(6, "fanout-1k", report.Ours, 50), run(6, "fanout-1k", report.Raw, 1),
		run(7, "fanout-1k", report.Ours, 50), run(7, "fanout-1k", report.Raw, 1))
	if m := report.Outcomes(report.Rows, worse)[0].Mark(); m != report.Missed {
		t.Errorf("with a missed ratio: %s", m)
	}
}

func TestAFailedRunOfOursIsNoSuccess(t *testing.T) {
	bad := run(4, "fanout-1k", report.Ours, 0)
	bad.Error = "lost"
	out := report.Outcomes(report.Rows, append(sample(), bad))
	if m := out[0].Mark(); m != report.Failing {
		t.Errorf("mark %s", m)
	}
	if n := out[0].Figures[report.Ours].N; n != 3 {
		t.Errorf("%d rounds counted, the failed one with them", n)
	}
}

func TestFlatnessDividesByWhatRawPays(t *testing.T) {
	if s := report.Flatness(sample()); s.N != 3 || s.Median < 1.199 || s.Median > 1.201 {
		t.Errorf("%+v, want 1.2", s)
	}
}

// checkOf is the check whose title begins so.
func checkOf(t *testing.T, s report.Session, runs []report.Run, title string) report.Check {
	t.Helper()
	for _, c := range report.Checks(s, runs) {
		if strings.HasPrefix(c.Title, title) {
			return c
		}
	}
	t.Errorf("no check %q", title)
	return report.Check{}
}

func TestTheStepToManyClientsIsMarked(t *testing.T) {
	c := checkOf(t, report.Session{}, sample(), "per delivery, 19,000")
	if c.Mark != report.Must || c.Figure != "1.20 (1.20–1.20)" {
		t.Errorf("%+v", c)
	}
	steep := sample()
	for round := 4; round < 9; round++ {
		steep = append(steep, run(round, "fanout-1k", report.Raw, 1), run(round, "fanout-1k", report.Ours, 1),
			run(round, "fanout-19k", report.Raw, 1), run(round, "fanout-19k", report.Ours, 1.3))
	}
	if c := checkOf(t, report.Session{}, steep, "per delivery, 19,000"); c.Mark != report.Missed {
		t.Errorf("%+v", c)
	}
	half := []report.Run{run(1, "fanout-19k", report.Ours, 3)}
	if c := checkOf(t, report.Session{}, half, "per delivery, 19,000"); c.Mark != report.NotRun {
		t.Errorf("without the small row: %+v", c)
	}
}

func TestALostConnectionIsMissedWhateverTheFigures(t *testing.T) {
	if c := checkOf(t, report.Session{}, sample(), "connections lost"); c.Mark != report.Must || c.Figure != "0, 0 of 18" {
		t.Errorf("%+v", c)
	}
	bad := run(4, "fanout-1k", report.Node, 0)
	bad.Error, bad.Summary.Lost = "lost", 2
	if c := checkOf(t, report.Session{}, append(sample(), bad), "connections lost"); c.Mark != report.Missed || c.Figure != "2, 1 of 19" {
		t.Errorf("%+v", c)
	}
}

// pausedRun has a peak of memory, a p99 and how many of the paused were cut.
func pausedRun(round int, row string, peak, p99 float64, paused, cut, slow int) report.Run {
	return report.Run{
		Round: round, Row: row, Server: report.Ours, Value: peak, Slow: slow,
		Summary: load.Summary{P99: p99, Paused: paused, Cut: cut},
	}
}

func TestPausedReadersAreComparedWithNoneWithinARound(t *testing.T) {
	good := []report.Run{
		pausedRun(1, "paused-0", 20, 1, 0, 0, 0), pausedRun(1, "paused-8", 50, 1.5, 8, 8, 8),
		pausedRun(2, "paused-0", 40, 2, 0, 0, 0), pausedRun(2, "paused-8", 78, 3.8, 8, 8, 8),
	}
	const title = "150 MB, 8 paused: "
	for about, want := range map[string]report.Check{
		"peak":         {Figure: "34.0 MB (30.0–38.0)", Mark: report.Must},
		"disconnected": {Figure: "16 and 16 of 16", Mark: report.Must},
		"p99":          {Figure: "× 1.70 (1.50–1.90)", Mark: report.Must},
	} {
		if c := checkOf(t, report.Session{}, good, title+about); c.Figure != want.Figure || c.Mark != want.Mark {
			t.Errorf("%s: %+v", about, c)
		}
	}
	bad := append(good[:0:0], pausedRun(1, "paused-0", 20, 1, 0, 0, 0), pausedRun(1, "paused-8", 61, 2.1, 8, 8, 7))
	for _, about := range []string{"peak", "disconnected", "p99"} {
		if c := checkOf(t, report.Session{}, bad, title+about); c.Mark != report.Missed {
			t.Errorf("%s: %+v", about, c)
		}
	}
}

func TestTheOrderOfTheServersIsComparedByRoundAndWithAnotherSession(t *testing.T) {
	runs := sample()
	o := report.Orders(runs)[0]
	if o.String() != "raw < roomwire < centrifuge < node" || o.Rounds != 3 || o.Same != 3 || o.Behind != 0 {
		t.Errorf("%v, %+v", o, o)
	}
	same := report.Session{Order: map[string][]string{"fanout-1k": {"raw", "roomwire", "centrifuge", "node"}}}
	if c := checkOf(t, same, runs, "order"); c.Mark != report.Must || c.Figure != "in 1 of 1 rows, with raw among them in 1" {
		t.Errorf("%+v", c)
	}
	ahead := report.Session{Order: map[string][]string{"fanout-1k": {"roomwire", "raw", "centrifuge", "node"}}}
	if c := checkOf(t, ahead, runs, "order"); c.Mark != report.Must || c.Figure != "in 1 of 1 rows, with raw among them in 0" {
		t.Errorf("%+v", c)
	}
	other := report.Session{Order: map[string][]string{"fanout-1k": {"raw", "roomwire", "node", "centrifuge"}}}
	if c := checkOf(t, other, runs, "order"); c.Mark != report.Missed || c.Figure != "in 0 of 1 rows, with raw among them in 0, not in: fan-out to 1,000" {
		t.Errorf("%+v", c)
	}
	fewer := report.Session{Order: map[string][]string{"fanout-1k": {"raw", "roomwire", "node"}}}
	if c := checkOf(t, fewer, runs, "order"); c.Mark != report.Must {
		t.Errorf("a server that was not measured there: %+v", c)
	}
	if c := checkOf(t, same, runs, "ahead"); c.Mark != report.Must || c.Figure != "1 of 1 (rounds: 3 of 3)" {
		t.Errorf("%+v", c)
	}
	runs = append(runs, run(4, "fanout-1k", report.Raw, 3), run(4, "fanout-1k", report.Ours, 9), run(4, "fanout-1k", report.Node, 8), run(4, "fanout-1k", report.Centrifuge, 10))
	if c := checkOf(t, same, runs, "ahead"); c.Mark != report.Must || c.Figure != "1 of 1 (rounds: 3 of 4)" {
		t.Errorf("%+v", c)
	}
	behind := []report.Run{run(1, "echo-1k", report.Ours, 9), run(1, "echo-1k", report.Centrifuge, 8)}
	if c := checkOf(t, same, behind, "ahead"); c.Mark != report.Missed || c.Figure != "0 of 1 (rounds: 0 of 1)" {
		t.Errorf("%+v", c)
	}
	md := report.Markdown(report.Session{}, report.Outcomes(report.Rows, runs), runs)
	if want := "| fan-out to 1,000 | raw < roomwire < centrifuge < node | 3 of 4 | – |"; !strings.Contains(md, want) {
		t.Errorf("no %q in\n%s", want, md)
	}
}

func TestNextDividesByTheFirstOfItsServers(t *testing.T) {
	runs := []report.Run{
		run(1, "echo-100", "raw-goroutine", 4), run(1, "echo-100", report.Raw, 3),
		run(2, "echo-100", "raw-goroutine", 8), run(2, "echo-100", report.Raw, 4),
	}
	md := report.MarkdownNext(report.Session{Next: true}, runs)
	if want := "| echo, 100 clients | 6.00 µs, × 1.00 (1.00–1.00) | 3.50 µs, × 0.62 (0.50–0.75) | – | – |"; !strings.Contains(md, want) {
		t.Errorf("no %q in\n%s", want, md)
	}
	if text := report.TerminalNext(runs, report.Plain); !strings.Contains(text, "3.50 µs × 0.62") {
		t.Errorf("%s", text)
	}
}

func TestTerminalColumnsAreAligned(t *testing.T) {
	table := func(paint report.Paint) string {
		return report.Terminal(report.Session{}, report.Outcomes(report.Rows, sample()), sample(), paint)
	}
	text, checks, _ := strings.Cut(table(report.Plain), "\n\n")
	lines := strings.Split(text, "\n")
	want := column(lines[0], "raw") + len("raw")
	for _, l := range lines[1:] {
		if got := column(l, "µs") + len("ms"); got != want {
			t.Errorf("the raw column ends at %d in %q, at %d in the head", got, l, want)
		}
	}
	if !strings.Contains(lines[1], "4.95 µs") || !strings.HasSuffix(lines[1], "goal") {
		t.Errorf("row %q", lines[1])
	}
	if !strings.Contains(checks, "connections lost") {
		t.Errorf("no checks in %q", checks)
	}
	if coloured := table(report.Colour); !strings.Contains(coloured, "\x1b[32mgoal\x1b[0m") {
		t.Errorf("no colour in %q", coloured)
	}
}

// column counts characters, not bytes, before the first occurrence.
func column(line, text string) int {
	return utf8.RuneCountInString(line[:max(0, strings.Index(line, text))])
}

func TestMarkdownNamesTheCommandAndTheRatios(t *testing.T) {
	s := report.Session{Command: "go run ./bench -x", Rounds: 3, Pinned: true, Versions: map[string]string{report.Node: "socket.io 4.8.4"}}
	runs := sample()
	md := report.Markdown(s, report.Outcomes(report.Rows, runs), runs)
	for _, want := range []string{
		"`go run ./bench -x`", "node socket.io 4.8.4", "| fan-out to 1,000 | 4.50 µs (3.00–6.00) |",
		"1.10 goal (1.30 / 1.15)", "0.41 goal (0.5 / 0.43)", "raw's step | 1.20 (1.20–1.20) | at most 1.25 | must |",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
	for _, l := range strings.Split(md, "\n") {
		if strings.Contains(l, " < ") {
			t.Errorf("a pinned session has no table of orders: %q", l)
		}
		if strings.HasPrefix(l, "| fan") && strings.Count(l, "|") != 6 && strings.Count(l, "|") != 8 {
			t.Errorf("cells of %q", l)
		}
	}
}

func TestThePlotIsWellFormedAndScalesEachRow(t *testing.T) {
	s := report.Session{Command: "a < b & c", Versions: map[string]string{}}
	svg := report.SVG(s, report.Outcomes(report.Rows, sample()))
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
	// Node is the slowest of the first row, ours of the second: both fill it.
	if n := strings.Count(svg, `width="420.0"`); n != 2 {
		t.Errorf("%d full bars of 2", n)
	}
	if !strings.Contains(svg, "4.95 µs · 1.10 × raw") {
		t.Errorf("no label in\n%s", svg)
	}
}

func TestRawLinesComeBack(t *testing.T) {
	text := `{"command":"x","rounds":2,"versions":{"node":"1"}}
{"round":1,"row":"echo-1","server":"raw","value":2.5,"summary":{"p50_ms":1}}
{"round":1,"row":"echo-1","server":"node","error":"lost"}
`
	s, runs, err := report.Read(strings.NewReader(text))
	if err != nil || s.Rounds != 2 || len(runs) != 2 || runs[0].Value != 2.5 || runs[0].Summary.P50 != 1 || runs[1].Error != "lost" {
		t.Errorf("%+v %+v %v", s, runs, err)
	}
	if _, _, err := report.Read(strings.NewReader("{}\nnonsense\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("nonsense: %v", err)
	}
}
