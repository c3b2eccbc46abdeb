package report

// Target is a bound that a figure should not exceed; zero values bound nothing.
type Target struct{ Must, Goal float64 }

// Mark says how a figure stands against its target.
type Mark string

// The marks.
const (
	Goal    Mark = "goal"
	Must    Mark = "must"
	Missed  Mark = "missed"
	NoMark  Mark = "–" // no target
	NotRun  Mark = "not run"
	Failing Mark = "failed" // a run ended in an error
)

// Against returns the mark of value, n being the rounds behind it.
func (t Target) Against(value float64, n int) Mark {
	switch {
	case t == Target{}:
		return NoMark
	case n == 0:
		return NotRun
	case value <= t.Goal:
		return Goal
	case value <= t.Must:
		return Must
	}
	return Missed
}

// Row is one line of the benchmark with what is wanted of it.
type Row struct {
	ID, Title string
	Unit      string // "µs", "KiB" or "MB"
	// Ratio bounds ours divided by the named server's.
	Ratio map[string]Target
	// Absolute bounds our figure itself, in Unit.
	Absolute Target
	// P50 bounds our median latency, milliseconds.
	P50 Target
}

// The servers.
const (
	Ours       = "roomwire"
	Raw        = "raw"
	Node       = "node"
	Centrifuge = "centrifuge"
)

// Servers is every server in the order of the columns.
var Servers = []string{Raw, Ours, Node, Centrifuge}

func ratios(raw, node, centrifuge Target) map[string]Target {
	return map[string]Target{Raw: raw, Node: node, Centrifuge: centrifuge}
}

var none Target

// Rows is the benchmark with its targets. Where the best Go peer is not one of
// the servers here, its ratio is not part of the table.
var Rows = []Row{
	{ID: "fanout-100", Title: "fan-out to 100", Unit: "µs"},
	{
		ID: "fanout-1k", Title: "fan-out to 1,000", Unit: "µs",
		Ratio: ratios(Target{1.3, 1.15}, Target{0.50, 0.43}, Target{0.57, 0.50}),
	},
	{
		ID: "fanout-10k", Title: "fan-out to 10,000", Unit: "µs",
		Ratio: ratios(Target{1.6, 1.25}, Target{0.40, 0.31}, Target{0.45, 0.35}),
	},
	{ID: "fanout-19k", Title: "fan-out to 19,000", Unit: "µs"},
	{
		ID: "fanout-backlog", Title: "fan-out to 100, 16 outstanding", Unit: "µs",
		Ratio: ratios(Target{1.6, 1.25}, Target{0.12, 0.09}, Target{0.57, 0.45}),
	},
	{
		ID: "echo-1", Title: "echo, 1 client", Unit: "µs",
		Ratio: ratios(Target{1.5, 1.3}, Target{0.87, 0.75}, Target{0.94, 0.81}),
	},
	{
		ID: "echo-100", Title: "echo, 100 clients", Unit: "µs",
		Ratio: ratios(Target{1.9, 1.5}, Target{0.42, 0.33}, Target{0.68, 0.54}),
	},
	{
		ID: "echo-1k", Title: "echo, 1,000 clients", Unit: "µs",
		Ratio: ratios(Target{2.2, 1.6}, Target{0.30, 0.22}, Target{0.56, 0.41}),
	},
	{
		ID: "echo-backlog", Title: "echo, 100 clients × 16 outstanding", Unit: "µs",
		Ratio: ratios(Target{1.8, 1.5}, Target{0.31, 0.26}, Target{0.97, 0.80}),
	},
	{
		ID: "connect", Title: "connect, WebSocket", Unit: "µs",
		Ratio: ratios(Target{4.5, 2.5}, Target{0.19, 0.10}, Target{0.83, 0.46}),
	},
	{
		ID: "upgrade", Title: "connect, polling then upgrade", Unit: "µs",
		Ratio: ratios(none, Target{0.20, 0.12}, none), P50: Target{15, 15},
	},
	{
		ID: "rooms", Title: "10,000 in 1,000 rooms, per delivery", Unit: "µs",
		Ratio: ratios(Target{1.6, 1.3}, Target{0.44, 0.36}, none),
	},
	{
		ID: "rooms-except", Title: "the same, 5,000 left out", Unit: "µs",
		Ratio: ratios(Target{2.0, 1.5}, Target{0.10, 0.075}, none),
	},
	{
		ID: "polling-echo", Title: "polling echo, 100 clients (raw: net/http)", Unit: "µs",
		Ratio: ratios(none, Target{0.65, 0.35}, none),
	},
	{
		ID: "idle", Title: "idle memory at 10,000, per connection", Unit: "KiB",
		Ratio: ratios(none, none, Target{0.40, 0.20}), Absolute: Target{8, 4},
	},
}

// PausedRows are the broadcasts of 150 MB beside clients that stop reading, the
// run without any first. The figure is the peak of the server's memory.
var PausedRows = []Row{
	{ID: "paused-0", Title: "150 MB, nobody paused", Unit: "MB"},
	{ID: "paused-1", Title: "150 MB, 1 paused", Unit: "MB"},
	{ID: "paused-8", Title: "150 MB, 8 paused", Unit: "MB"},
}
