package load

import (
	"fmt"
	"strconv"
	"time"
)

func newWorker(r *run) (worker, error) {
	d, c := r.dialect, &r.cfg
	switch c.Scenario {
	case Echo:
		w := &echoWorker{r: r}
		for slot := range c.Outstanding {
			w.packets = append(w.packets, d.echo(slot))
		}
		return w, nil
	case Ping:
		if d.ping(0) == nil {
			return nil, ErrUnsupported
		}
		w := &echoWorker{r: r}
		for slot := range c.Outstanding {
			w.packets = append(w.packets, d.ping(slot))
		}
		return w, nil
	case Fanout:
		if d.fanout() == nil {
			return nil, ErrUnsupported
		}
		return &fanoutWorker{r: r, request: d.fanout(), casts: make([]cast, c.Outstanding)}, nil
	case Rooms, RoomsExcept:
		if d.join("r") == nil {
			return nil, ErrUnsupported
		}
		return &roomsWorker{r: r, casts: make([]cast, c.Outstanding)}, nil
	case Connect, Idle:
		return &idleWorker{r: r}, nil
	}
	return nil, fmt.Errorf("load: unknown scenario %q", c.Scenario)
}

// cast is one broadcast under way.
type cast struct {
	sent int64
	left int // deliveries to come
}

// idleWorker does nothing; with Idle the clients stay for the phase's duration.
type idleWorker struct{ r *run }

func (w *idleWorker) prepare() error { return nil }

func (w *idleWorker) begin() { w.r.started = w.r.minStart }

func (w *idleWorker) delivered(*session) {}

func (w *idleWorker) acked(*session, int) {}

// echoWorker keeps Outstanding emits of every client on their way. A slot is an
// ack id; it is used again once it was answered.
type echoWorker struct {
	r       *run
	packets []*packet // by slot
}

func (w *echoWorker) prepare() error { return nil }

func (w *echoWorker) begin() {
	for slot := range w.packets {
		for _, s := range w.r.sessions {
			w.start(s, slot)
		}
	}
}

func (w *echoWorker) start(s *session, slot int) {
	r := w.r
	if !r.more() {
		return
	}
	r.started++
	r.pending++
	s.sent[slot] = r.now
	s.send(w.packets[slot])
}

func (w *echoWorker) acked(s *session, slot int) {
	r := w.r
	r.pending--
	r.ops++
	r.latency.Record(time.Duration(r.now - s.sent[slot]))
	w.start(s, slot)
}

func (w *echoWorker) delivered(*session) {}

// fanoutWorker has the first client ask for broadcasts. Broadcasts arrive at
// every client in the order they were asked for, so a client's n-th delivery
// belongs to broadcast n.
type fanoutWorker struct {
	r       *run
	request *packet
	casts   []cast // ring by broadcast number
	asked   uint64
}

func (w *fanoutWorker) prepare() error { return nil }

func (w *fanoutWorker) begin() {
	for range w.casts {
		w.start()
	}
}

func (w *fanoutWorker) start() {
	r := w.r
	if !r.more() {
		return
	}
	r.started++
	r.pending++
	w.casts[w.asked%uint64(len(w.casts))] = cast{r.now, len(r.sessions)}
	w.asked++
	r.sessions[0].send(w.request)
}

func (w *fanoutWorker) delivered(s *session) {
	r := w.r
	if s.count > w.asked {
		s.lose(fmt.Errorf("load: client %d got delivery %d of %d broadcasts", s.id, s.count, w.asked))
		return
	}
	c := &w.casts[(s.count-1)%uint64(len(w.casts))]
	r.ops++
	r.latency.Record(time.Duration(r.now - c.sent))
	if c.left--; c.left == 0 {
		r.last.Record(time.Duration(r.now - c.sent))
		r.pending--
		w.start()
	}
}

func (w *fanoutWorker) acked(*session, int) {}

// roomsWorker spreads the clients evenly over the rooms; the first member of a
// room asks for a broadcast to it, the rooms take turns. With RoomsExcept the
// clients of every other place in a room are in one more room, left out.
type roomsWorker struct {
	r      *run
	casts  []cast // by place, room = place + a multiple of len(casts)
	asks   []*packet
	joined int
	turn   int
	expect []int // deliveries of a broadcast, by room
}

const exceptRoom = "half"

func (w *roomsWorker) room(s *session) int { return s.id % w.r.cfg.Rooms }

func (w *roomsWorker) excepted(s *session) bool {
	return w.r.cfg.Scenario == RoomsExcept && s.id/w.r.cfg.Rooms%2 == 1
}

func (w *roomsWorker) prepare() error {
	r, n := w.r, w.r.cfg.Rooms
	w.expect = make([]int, n)
	except := ""
	if r.cfg.Scenario == RoomsExcept {
		except = exceptRoom
	}
	for i := range n {
		w.asks = append(w.asks, r.dialect.roomcast(roomName(i), except))
	}
	var wanted int
	for i, s := range r.sessions {
		s.send(r.dialect.join(roomName(w.room(s))))
		wanted++
		if w.excepted(s) {
			s.send(r.dialect.join(exceptRoom))
			wanted++
		} else {
			w.expect[w.room(s)]++
		}
		if i%64 < 63 && i < len(r.sessions)-1 {
			continue
		}
		r.flush()
		if err := r.until(func() bool { return w.joined >= wanted }); err != nil {
			return err
		}
	}
	return nil
}

func (w *roomsWorker) begin() {
	for place := range min(len(w.casts), w.r.cfg.Rooms) {
		w.start(place)
	}
}

func (w *roomsWorker) start(place int) {
	r := w.r
	if !r.more() {
		return
	}
	r.started++
	r.pending++
	w.turn++
	room := (w.turn*len(w.casts) + place) % r.cfg.Rooms
	w.casts[place] = cast{r.now, w.expect[room]}
	r.sessions[room].send(w.asks[room])
}

func (w *roomsWorker) delivered(s *session) {
	r := w.r
	c := &w.casts[w.room(s)%len(w.casts)]
	if w.excepted(s) || c.left == 0 {
		s.lose(fmt.Errorf("load: client %d got a broadcast that is not its", s.id))
		return
	}
	r.ops++
	r.latency.Record(time.Duration(r.now - c.sent))
	if c.left--; c.left == 0 {
		r.last.Record(time.Duration(r.now - c.sent))
		r.pending--
		w.start(w.room(s) % len(w.casts))
	}
}

func (w *roomsWorker) acked(*session, int) { w.joined++ }

func roomName(i int) string { return "r" + strconv.Itoa(i) }
