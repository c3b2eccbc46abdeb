package adaptertest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/parser"
)

// A Socket is a member without a connection.
type Socket struct {
	Name string
	node int
}

// ID returns the name.
func (s *Socket) ID() string { return s.Name }

// A Recorder is a [adapter.Local] that remembers what it was asked for. It may be
// used by many goroutines at once.
type Recorder struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	got     map[string][]Delivery
	members map[string]adapter.Member
	gone    map[string]bool // ID: disconnected, with its connection or not
	silent  map[string]bool
	waiting map[string]func()
	calls   []context.Context
	events  []adapter.RoomEvent
	asked   []string
	answer  func(p *parser.Packet) (*parser.Payload, error)
}

// A Delivery is one packet that reached one socket.
type Delivery struct {
	Data        string
	Attachments [][]byte
	Namespace   string
	Flags       adapter.Flags
}

// NewRecorder returns a Recorder whose sockets acknowledge at once, each with
// its own ID, and which answers the events of other nodes with their payload.
func NewRecorder() *Recorder {
	return &Recorder{
		changed: make(chan struct{}),
		got:     map[string][]Delivery{},
		members: map[string]adapter.Member{},
		gone:    map[string]bool{},
		silent:  map[string]bool{},
		waiting: map[string]func(){},
		answer:  func(p *parser.Packet) (*parser.Payload, error) { return &p.Payload, nil },
	}
}

// Silence makes sockets keep their acknowledgements until Release.
func (r *Recorder) Silence(ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		r.silent[id] = true
	}
}

// Release sends the acknowledgement that a silent socket has kept.
func (r *Recorder) Release(id string) {
	r.mu.Lock()
	reply := r.waiting[id]
	delete(r.waiting, id)
	r.mu.Unlock()
	if reply != nil {
		reply()
	}
}

// Answer says how events of other nodes are answered.
func (r *Recorder) Answer(answer func(p *parser.Packet) (*parser.Payload, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// Got returns what reached a socket, in order.
func (r *Recorder) Got(id string) []Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[id])
}

// Wait waits until cond, which is called with the Recorder locked, is true; it
// reports false when that takes longer than patience.
func (r *Recorder) Wait(patience time.Duration, cond func() bool) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		r.mu.Lock()
		ok, changed := cond(), r.changed
		r.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-late.C:
			return false
		}
	}
}

// met returns the members that were delivered to and whose ID starts with prefix
// and a dash.
func (r *Recorder) met(prefix string) []adapter.Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []adapter.Member
	for id, m := range r.members {
		if strings.HasPrefix(id, prefix+"-") {
			list = append(list, m)
		}
	}
	return list
}

// change notes something and wakes who waits.
func (r *Recorder) change(note func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	note()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Recorder) deliver(m adapter.Member, p *parser.Packet, f adapter.Flags) {
	d := Delivery{Data: string(p.Payload.Data), Namespace: p.Namespace, Flags: f}
	for _, a := range p.Payload.Attachments {
		d.Attachments = append(d.Attachments, slices.Clone(a))
	}
	r.change(func() {
		r.got[m.ID()] = append(r.got[m.ID()], d)
		r.members[m.ID()] = m
	})
}

// Deliver implements [adapter.Local].
func (r *Recorder) Deliver(groups iter.Seq[[]adapter.Member], p *parser.Packet, f adapter.Flags) {
	for group := range groups {
		for _, m := range group {
			r.deliver(m, p, f)
		}
	}
}

// Call implements [adapter.Local].
func (r *Recorder) Call(ctx context.Context, groups iter.Seq[[]adapter.Member], p *parser.Packet, f adapter.Flags, reply func(adapter.Reply)) int {
	n := 0
	for group := range groups {
		n += len(group)
		for _, m := range group {
			r.ask(m, p, f, reply)
		}
	}
	r.change(func() { r.calls = append(r.calls, ctx) })
	return n
}

// ask delivers to m, which replies with its ID, at once or when it is told to.
func (r *Recorder) ask(m adapter.Member, p *parser.Packet, f adapter.Flags, reply func(adapter.Reply)) {
	id := m.ID()
	r.deliver(m, p, f)
	send := func() {
		reply(adapter.Reply{SocketID: id, Payload: parser.Payload{Data: fmt.Appendf(nil, "[%q]", id)}})
	}
	r.mu.Lock()
	silent := r.silent[id]
	if silent {
		r.waiting[id] = send
	}
	r.mu.Unlock()
	if !silent {
		send()
	}
}

// Describe implements [adapter.Local].
func (r *Recorder) Describe(m adapter.Member) adapter.Socket {
	return adapter.Socket{
		ID:        m.ID(),
		Handshake: json.RawMessage(fmt.Sprintf(`{"of":%q}`, m.ID())),
		Data:      json.RawMessage(fmt.Sprintf(`[%q]`, m.ID())),
	}
}

// Disconnect implements [adapter.Local].
func (r *Recorder) Disconnect(m adapter.Member, closeConn bool) {
	r.change(func() { r.gone[m.ID()] = closeConn })
}

// RoomEvent implements [adapter.Local].
func (r *Recorder) RoomEvent(e adapter.RoomEvent) {
	r.change(func() { r.events = append(r.events, e) })
}

// ServerEvent implements [adapter.Local].
func (r *Recorder) ServerEvent(_ context.Context, p *parser.Packet) (*parser.Payload, error) {
	data := string(p.Payload.Data)
	var answer func(*parser.Packet) (*parser.Payload, error)
	r.change(func() {
		r.asked = append(r.asked, data)
		answer = r.answer
	})
	if p.ID < 0 {
		return nil, nil
	}
	return answer(p)
}
