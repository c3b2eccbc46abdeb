package engine

import "sync/atomic"

// Stats are counters of a [Server].
type Stats struct {
	Open, Opened, Closed                       int64
	Polling, WebSocket                         int64 // of Open
	Upgrades                                   int64
	PacketsIn, PacketsOut, BytesIn, BytesOut   int64    // bytes of packets, without their type
	Refused                                    [6]int64 // requests, by code
	Limited                                    int64    // handshakes that PerAddress refused, with code 4
	PingTimeouts, Slow, Dropped, TooLarge, Bad int64
}

// counters are those that few things touch.
type counters struct {
	opened, upgrades                           atomic.Int64
	pingTimeouts, slow, dropped, tooLarge, bad atomic.Int64
	limited                                    atomic.Int64
	refused                                    [6]atomic.Int64
}

// traffic is counted by each connection for itself, so that connections which
// run on different cores share no counter.
type traffic struct {
	packetsOut, bytesOut int64        // under Conn.mu
	packetsIn, bytesIn   atomic.Int64 // by the reader
}

// Stats returns the counters since the start. It looks at every connection.
func (s *Server) Stats() Stats {
	st := Stats{
		Opened:       s.count.opened.Load(),
		Upgrades:     s.count.upgrades.Load(),
		PingTimeouts: s.count.pingTimeouts.Load(),
		Slow:         s.count.slow.Load(),
		Dropped:      s.count.dropped.Load(),
		TooLarge:     s.count.tooLarge.Load(),
		Bad:          s.count.bad.Load(),
		Limited:      s.count.limited.Load(),
	}
	for i := range st.Refused {
		st.Refused[i] = s.count.refused[i].Load()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	st.Open = int64(len(s.conns))
	st.Closed = st.Opened - st.Open
	st.PacketsIn, st.PacketsOut, st.BytesIn, st.BytesOut = s.past.PacketsIn, s.past.PacketsOut, s.past.BytesIn, s.past.BytesOut
	for _, c := range s.conns {
		c.addTo(&st)
	}
	st.Polling = st.Open - st.WebSocket
	return st
}

func (c *Conn) addTo(st *Stats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != nil {
		st.WebSocket++
	}
	st.PacketsIn += c.traffic.packetsIn.Load()
	st.BytesIn += c.traffic.bytesIn.Load()
	st.PacketsOut += c.traffic.packetsOut
	st.BytesOut += c.traffic.bytesOut
}
