package report

import (
	"cmp"
	"slices"
	"strings"
)

// Order is how the servers stand in one row.
type Order struct {
	Row     Row
	Servers []string // the cheapest first, by median
	Rounds  int      // that have a figure of every server
	Same    int      // of Rounds: the order is that of the medians
	Behind  int      // of Rounds: node or centrifuge is cheaper than we are
}

// String is the order as "raw < roomwire".
func (o Order) String() string { return strings.Join(o.Servers, " < ") }

// as reports whether the servers that both orders have, but for the one left
// out, stand in it as in was.
func (o Order) as(was []string, without string) bool {
	among := func(list, other []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == without || !slices.Contains(other, s) })
	}
	return slices.Equal(among(o.Servers, was), among(was, o.Servers))
}

// Orders returns the order of every row that two servers or more have figures of.
func Orders(runs []Run) []Order {
	var out []Order
	for _, outcome := range Outcomes(Rows, runs) {
		o := Order{Row: outcome.Row}
		rounds := map[int]map[string]float64{}
		for _, r := range runs {
			if r.Row != o.Row.ID || r.Error != "" || !slices.Contains(Servers, r.Server) {
				continue
			}
			if rounds[r.Round] == nil {
				rounds[r.Round] = map[string]float64{}
			}
			rounds[r.Round][r.Server] = r.Value
		}
		medians := map[string]float64{}
		for server, f := range outcome.Figures {
			if slices.Contains(Servers, server) {
				medians[server] = f.Median
			}
		}
		if len(medians) < 2 {
			continue
		}
		o.Servers = ordered(medians)
		for _, figures := range rounds {
			if len(figures) == len(medians) {
				o.add(figures)
			}
		}
		out = append(out, o)
	}
	return out
}

// add counts one round.
func (o *Order) add(figures map[string]float64) {
	o.Rounds++
	if slices.Equal(ordered(figures), o.Servers) {
		o.Same++
	}
	us, measured := figures[Ours]
	for peer, them := range figures {
		if isLibrary(peer) && measured && them < us {
			o.Behind++
			return
		}
	}
}

func ordered(figures map[string]float64) []string {
	var names []string
	for _, s := range Servers {
		if _, ok := figures[s]; ok {
			names = append(names, s)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(figures[a], figures[b]) })
	return names
}
