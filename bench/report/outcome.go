package report

// Outcome is a row with everything measured of it.
type Outcome struct {
	Row
	Figures map[string]Spread // by server, in Unit
	TimesOf map[string]Spread // server / raw, within rounds
	Ours    map[string]Spread // ours / server, within rounds
	P50     map[string]Spread // ms
	P99     map[string]Spread // ms
	LastP50 map[string]Spread // ms, to the last receiver
	Errors  map[string]int
	Lost    map[string]int
}

// Outcomes computes all rows that have at least one run, in their order.
func Outcomes(rows []Row, runs []Run) []Outcome {
	var out []Outcome
	for _, row := range rows {
		values := map[string]map[int]float64{}
		lat := map[string][3][]float64{}
		o := Outcome{
			Row: row, Figures: map[string]Spread{}, TimesOf: map[string]Spread{}, Ours: map[string]Spread{},
			P50: map[string]Spread{}, P99: map[string]Spread{}, LastP50: map[string]Spread{},
			Errors: map[string]int{}, Lost: map[string]int{},
		}
		found := false
		for _, r := range runs {
			if r.Row != row.ID {
				continue
			}
			found = true
			o.Lost[r.Server] += r.Summary.Lost
			if r.Error != "" {
				o.Errors[r.Server]++
				continue
			}
			if values[r.Server] == nil {
				values[r.Server] = map[int]float64{}
			}
			values[r.Server][r.Round] = r.Value
			l := lat[r.Server]
			l[0] = append(l[0], r.Summary.P50)
			l[1] = append(l[1], r.Summary.P99)
			l[2] = append(l[2], r.Summary.LastP50)
			lat[r.Server] = l
		}
		if !found {
			continue
		}
		for server, byRound := range values {
			o.Figures[server] = spreadOf(byRound)
			o.TimesOf[server] = Ratios(byRound, values[Raw])
			o.Ours[server] = Ratios(values[Ours], byRound)
			o.P50[server] = NewSpread(lat[server][0])
			o.P99[server] = NewSpread(lat[server][1])
			o.LastP50[server] = NewSpread(lat[server][2])
		}
		out = append(out, o)
	}
	return out
}

func spreadOf(byRound map[int]float64) Spread {
	var v []float64
	for _, x := range byRound {
		v = append(v, x)
	}
	return NewSpread(v)
}

// MarkAgainst is our mark in the ratio to a server.
func (o *Outcome) MarkAgainst(server string) Mark {
	t := o.Ratio[server]
	if t != none && o.Errors[Ours] > 0 {
		return Failing
	}
	r := o.Ours[server]
	return t.Against(r.Median, r.N)
}

// Mark is our worst mark in the row.
func (o *Outcome) Mark() Mark {
	marks := []Mark{
		o.Absolute.Against(o.Figures[Ours].Median, o.Figures[Ours].N),
		o.Row.P50.Against(o.P50[Ours].Median, o.P50[Ours].N),
	}
	for _, s := range Servers {
		marks = append(marks, o.MarkAgainst(s))
	}
	for _, m := range []Mark{Failing, Missed, NotRun, Must, Goal} {
		for _, have := range marks {
			if have == m {
				return m
			}
		}
	}
	return NoMark
}

// Flatness is our cost per delivery at 19,000 clients divided by that at 1,000,
// divided by the same of raw, within rounds.
func Flatness(runs []Run) Spread {
	step := func(server string) map[int]float64 {
		small, out := valuesOf(runs, "fanout-1k", server), map[int]float64{}
		for round, large := range valuesOf(runs, "fanout-19k", server) {
			if small[round] > 0 {
				out[round] = large / small[round]
			}
		}
		return out
	}
	return Ratios(step(Ours), step(Raw))
}
