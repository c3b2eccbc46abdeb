package report

import (
	"fmt"
	"slices"
	"strings"
)

// Check is a demand on a session that is not the ratio of one row.
type Check struct {
	Title, Figure, Wanted string
	Mark                  Mark
}

// The demands. Flatness is our cost per delivery at 19,000 clients against 1,000
// after dividing by what raw pays for the same step.
var (
	flatLimit   = Target{Must: 1.25}
	pausedPeak  = Target{Must: 40} // MB over the run without paused clients
	pausedDelay = Target{Must: 2}  // p99 against the run without paused clients
)

// Checks are the demands that the runs say something about.
func Checks(s Session, runs []Run) []Check {
	checks := []Check{lossCheck(runs)}
	if flat := Flatness(runs); flat.N > 0 || has(runs, "fanout-19k") {
		checks = append(checks, bounded("per delivery, 19,000 against 1,000 clients, beyond raw's step", flat, flatLimit, "", ""))
	}
	for _, o := range Outcomes(Rows, runs) {
		if o.Absolute != none {
			checks = append(checks, bounded(o.Title, o.Figures[Ours], o.Absolute, "", " "+o.Unit))
		}
		if o.Row.P50 != none {
			checks = append(checks, bounded(o.Title+", p50", o.P50[Ours], o.Row.P50, "", " ms"))
		}
	}
	checks = append(checks, pausedChecks(runs)...)
	return append(checks, orderChecks(s, runs)...)
}

func has(runs []Run, row string) bool {
	return slices.ContainsFunc(runs, func(r Run) bool { return r.Row == row })
}

func bounded(title string, v Spread, t Target, sign, unit string) Check {
	c := Check{Title: title, Figure: "–", Mark: t.Against(v.Median, v.N)}
	if v.N > 0 {
		c.Figure = fmt.Sprintf("%s%s%s (%s–%s)", sign, number(v.Median), unit, number(v.Min), number(v.Max))
	}
	c.Wanted = "at most " + number(t.Must)
	if t.Goal > 0 && t.Goal < t.Must {
		c.Wanted += ", goal " + number(t.Goal)
	}
	return c
}

// lossCheck counts runs that failed, lost connections among them.
func lossCheck(runs []Run) Check {
	lost, failed := 0, 0
	for _, r := range runs {
		lost += r.Summary.Lost
		if r.Error != "" {
			failed++
		}
	}
	c := Check{"connections lost, runs failed", fmt.Sprintf("%d, %d of %d", lost, failed, len(runs)), "none", Must}
	if lost+failed > 0 {
		c.Mark = Missed
	}
	return c
}

// pausedChecks compare the runs with paused clients to those without any, round by round.
func pausedChecks(runs []Run) []Check {
	var checks []Check
	control := byRound(runs, "paused-0")
	for _, row := range PausedRows[1:] {
		with := byRound(runs, row.ID)
		if len(with) == 0 {
			continue
		}
		var peak, delay []float64
		clients, cut, slow, complete := 0, 0, 0, true
		for round, r := range with {
			n := r.Summary.Paused
			clients, cut, slow = clients+n, cut+r.Summary.Cut, slow+r.Slow
			complete = complete && r.Error == "" && r.Summary.Cut == n && r.Slow == n
			if c, ok := control[round]; ok && r.Error == "" && c.Error == "" && c.Summary.P99 > 0 {
				peak = append(peak, r.Value-c.Value)
				delay = append(delay, r.Summary.P99/c.Summary.P99)
			}
		}
		mark := Must
		if !complete {
			mark = Missed
		}
		checks = append(checks,
			bounded(row.Title+": peak over none", NewSpread(peak), pausedPeak, "", " "+row.Unit),
			Check{row.Title + ": disconnected, and counted as slow", fmt.Sprintf("%d and %d of %d", cut, slow, clients), "all", mark},
			bounded(row.Title+": p99 of the others, against none", NewSpread(delay), pausedDelay, "× ", ""))
	}
	return checks
}

func byRound(runs []Run, row string) map[int]Run {
	out := map[int]Run{}
	for _, r := range runs {
		if r.Row == row && r.Server == Ours {
			out[r.Round] = r
		}
	}
	return out
}

// orderChecks say whether we are ahead of the other libraries in every row, and
// whether the order is that of the session to compare with. Raw is no server but
// a limit, on either side of which we may stand by a hair: what it changes is
// counted, but not wanted.
func orderChecks(s Session, runs []Run) []Check {
	orders := Orders(runs)
	ahead := Check{Title: "ahead of node and centrifuge, by median", Wanted: "every row", Mark: Must}
	compared := Check{Title: "order of the servers, against the other session", Wanted: "the same", Mark: Must}
	rows, first, rounds, behind := 0, 0, 0, 0
	known, withRaw, other := 0, 0, []string{}
	for _, o := range orders {
		if us, them := slices.Index(o.Servers, Ours), slices.IndexFunc(o.Servers, isLibrary); us >= 0 && them >= 0 {
			rows++
			if us < them {
				first++
			}
			rounds += o.Rounds
			behind += o.Behind
		}
		if was := s.Order[o.Row.ID]; len(was) > 0 {
			known++
			if !o.as(was, Raw) {
				other = append(other, o.Row.Title)
			}
			if o.as(was, "") {
				withRaw++
			}
		}
	}
	var checks []Check
	if rows > 0 {
		ahead.Figure = fmt.Sprintf("%d of %d (rounds: %d of %d)", first, rows, rounds-behind, rounds)
		if first < rows {
			ahead.Mark = Missed
		}
		checks = append(checks, ahead)
	}
	if len(s.Order) > 0 {
		compared.Figure = fmt.Sprintf("in %d of %d rows, with raw among them in %d", known-len(other), known, withRaw)
		if len(other) > 0 {
			compared.Mark = Missed
			compared.Figure += ", not in: " + strings.Join(other, ", ")
		}
		checks = append(checks, compared)
	}
	return checks
}

// isLibrary reports whether the server is one of those we are compared with.
func isLibrary(server string) bool { return server == Node || server == Centrifuge }
