package load

// session is one client: a transport below, a scenario above.
type session struct {
	run       *run
	id        int
	t         transport
	dialed    int64 // run clock
	connected bool  // the namespace is
	upgraded  bool  // the transport is the one wanted
	ready     bool  // both, and reported
	over      bool
	deaf      bool    // one of Config.Paused: nothing is expected of it
	count     uint64  // deliveries so far
	sent      []int64 // by slot, run clock
}

// transport carries packets of one session. send may keep p until flush.
type transport interface {
	send(p *packet)
	flush()
	pause()
	resume()
	close()
}

func (s *session) send(p *packet) {
	if !s.over {
		s.t.send(p)
	}
}

func (s *session) connectedNow() {
	s.connected = true
	s.checkReady()
}

func (s *session) upgradedNow() {
	s.upgraded = true
	s.checkReady()
}

func (s *session) checkReady() {
	if s.connected && s.upgraded && !s.ready {
		s.ready = true
		s.run.sessionReady(s)
	}
}

func (s *session) delivered() {
	if s.deaf {
		return
	}
	s.count++
	s.run.work.delivered(s)
}

func (s *session) acked(slot int) {
	if slot < len(s.sent) {
		s.run.work.acked(s, slot)
	}
}

// lose ends the session before its time.
func (s *session) lose(err error) {
	if s.over {
		return
	}
	s.over = true
	s.t.close()
	s.run.sessionLost(s, err)
}
