package load

import (
	"time"
)

// Result is what one Run measured.
type Result struct {
	Config  Config // with its defaults filled in
	Ops     int    // operations in the measured part
	Elapsed time.Duration
	// CPU is what the server's process used in the measured part; 0 without a PID.
	CPU time.Duration
	// Latency is per operation: emit to ack, request of a broadcast to one
	// delivery, dial to ready.
	Latency Histogram
	// Last is per broadcast, to its last receiver; empty in other scenarios.
	Last Histogram
	// Lost counts the connections that ended before their time.
	Lost int
	// Cut counts the clients of Config.Paused that the server disconnected.
	Cut int
	// RSSBefore and RSSAfter are the server's memory with no client and at the
	// end with all of them; 0 without a PID.
	RSSBefore, RSSAfter int64
	// RSSPeak is the most memory that the server's process ever had up to the end
	// of the measured part; 0 without a PID.
	RSSPeak int64
}

// CPUPerOp is the server's CPU time per operation in microseconds; ok is false
// when it is not known.
func (r *Result) CPUPerOp() (us float64, ok bool) {
	if r.CPU <= 0 || r.Ops == 0 {
		return 0, false
	}
	return float64(r.CPU) / 1e3 / float64(r.Ops), true
}

// MemoryPerConn is the growth of the server's memory per client in bytes; ok is
// false when it is not known.
func (r *Result) MemoryPerConn() (bytes float64, ok bool) {
	if r.RSSAfter == 0 || r.Config.Clients == 0 {
		return 0, false
	}
	return float64(r.RSSAfter-r.RSSBefore) / float64(r.Config.Clients), true
}

// Rate is operations per second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Ops) / r.Elapsed.Seconds()
}

// Summary is a Result in numbers, ready for JSON. Latencies are milliseconds,
// absent figures are left out.
type Summary struct {
	Scenario    Scenario  `json:"scenario"`
	Transport   Transport `json:"transport"`
	Clients     int       `json:"clients"`
	Outstanding int       `json:"outstanding"`
	Payload     int       `json:"payload"`
	Ops         int       `json:"ops"`
	Seconds     float64   `json:"seconds"`
	Rate        float64   `json:"ops_per_second"`
	CPUPerOp    float64   `json:"cpu_us_per_op,omitempty"`
	Load        float64   `json:"server_load,omitempty"` // CPU time / elapsed
	P50         float64   `json:"p50_ms"`
	P90         float64   `json:"p90_ms"`
	P99         float64   `json:"p99_ms"`
	Max         float64   `json:"max_ms"`
	LastP50     float64   `json:"last_p50_ms,omitempty"`
	LastP99     float64   `json:"last_p99_ms,omitempty"`
	Lost        int       `json:"lost"`
	RSS         int64     `json:"rss_bytes,omitempty"`
	RSSPeak     int64     `json:"rss_peak_bytes,omitempty"`
	PerConn     float64   `json:"rss_per_conn_bytes,omitempty"`
	Paused      int       `json:"paused,omitempty"`
	Cut         int       `json:"paused_cut,omitempty"`
}

// Summary reduces the result to numbers.
func (r *Result) Summary() Summary {
	c := &r.Config
	s := Summary{
		Scenario: c.Scenario, Transport: c.Transport,
		Clients: c.Clients, Outstanding: c.Outstanding, Payload: c.Payload,
		Ops: r.Ops, Seconds: r.Elapsed.Seconds(), Rate: r.Rate(),
		P50: millis(r.Latency.Percentile(50)), P90: millis(r.Latency.Percentile(90)),
		P99: millis(r.Latency.Percentile(99)), Max: millis(r.Latency.Max()),
		LastP50: millis(r.Last.Percentile(50)), LastP99: millis(r.Last.Percentile(99)),
		Lost: r.Lost, RSS: r.RSSAfter, RSSPeak: r.RSSPeak, Paused: c.Paused, Cut: r.Cut,
	}
	s.CPUPerOp, _ = r.CPUPerOp()
	s.PerConn, _ = r.MemoryPerConn()
	if r.Elapsed > 0 {
		s.Load = float64(r.CPU) / float64(r.Elapsed)
	}
	return s
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }
