package sio

import (
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/lane"
	"github.com/roomwire/roomwire/parser"
)

// alone is how many groups of a broadcast one goroutine delivers to before it
// asks for help: what is over in some milliseconds is not worth the start.
const alone = 16

// A delivery is one broadcast on its way to the sockets of this node.
type delivery struct {
	groups  iter.Seq[[]adapter.Member]
	engine  *engine.Server
	frames  *engine.Prepared
	mode    engine.Mode
	seq     uint64 // newest event in the log; 0: do not note it
	hearing bool   // somebody wants to know who got it

	help  lane.Help
	sent  atomic.Int64
	mu    sync.Mutex
	full  []*Socket // guarded by mu
	heard []*Socket // guarded by mu
}

// Deliver implements adapter.Local: the packet is encoded once, framed once,
// and handed to each connection. A large broadcast is shared out to the cores;
// as it is over when Deliver returns, the order of events at each socket is that
// of the calls.
func (l *local) Deliver(groups iter.Seq[[]adapter.Member], p *parser.Packet, f adapter.Flags) {
	n := (*Namespace)(l)
	d := &delivery{
		groups: groups, engine: n.srv.eng, frames: prepare(n.srv.opts.Codec, p), mode: modeOf(f),
		hearing: n.srv.outgoing.Load() > 0,
	}
	if n.recovery != nil && !f.Volatile {
		d.seq = n.recovery.newest.Load()
	}
	d.share()
	for _, s := range d.full {
		// Only with engine.OverflowRefuse; the write timeout bounds the wait.
		if s.eng.Wait(s.Context()) == nil && s.deliver(d.frames, d.mode) == nil {
			d.sent.Add(1)
		}
	}
	n.srv.stats.eventsOut.Add(d.sent.Load())
	n.count(p, d.sent.Load())
	if len(d.heard) > 0 {
		l.heard(d.heard, clonePayload(p.Payload))
	}
}

// share delivers to all, with help if it is worth it.
func (d *delivery) share() {
	defer d.help.Wait()
	d.run(true)
}

// run delivers to the groups that nobody else takes. Who is the first asks for
// help when there are many.
func (d *delivery) run(first bool) {
	var sent int64
	n := 0
	for group := range d.groups {
		sent += d.send(group)
		if n++; n == alone && first {
			d.help.Ask(func() { d.run(false) })
		}
	}
	d.sent.Add(sent)
}

// A squad is the sockets of a group that are written to together.
type squad struct {
	sockets [engine.Group]*Socket
	conns   [engine.Group]*engine.Conn
	errs    [engine.Group]error
}

var squads = sync.Pool{New: func() any { return new(squad) }}

// send delivers to a group and returns to how many.
func (d *delivery) send(group []adapter.Member) (sent int64) {
	q := squads.Get().(*squad)
	n := 0
	for _, m := range group {
		s := m.(*Socket)
		if d.seq > 0 {
			s.lastSeq.Store(d.seq)
		}
		if n < engine.Group && s.state.Load() == connected {
			q.sockets[n], q.conns[n] = s, s.eng
			n++
		} else if d.delivered(s, s.deliver(d.frames, d.mode)) {
			sent++
		}
	}
	d.engine.Broadcast(q.conns[:n], d.frames, d.mode, q.errs[:n])
	for i, s := range q.sockets[:n] {
		if d.delivered(s, q.errs[i]) {
			sent++
		}
	}
	clear(q.sockets[:n]) // so that closed ones are not kept
	clear(q.conns[:n])
	clear(q.errs[:n])
	squads.Put(q)
	return sent
}

// delivered notes what became of a delivery and reports whether s has it.
func (d *delivery) delivered(s *Socket, err error) bool {
	switch {
	case err == nil:
		if d.hearing {
			d.note(&d.heard, s)
		}
		return true
	case errors.Is(err, engine.ErrFull):
		d.note(&d.full, s)
	}
	return false
}

func (d *delivery) note(list *[]*Socket, s *Socket) {
	d.mu.Lock()
	*list = append(*list, s)
	d.mu.Unlock()
}
