package remote

import (
	"slices"
	"sync"

	"github.com/roomwire/roomwire/parser"
)

// Acks keeps acknowledgements whole, of which the client hands over only the
// first value. The zero value is ready for use.
type Acks struct {
	mu   sync.Mutex
	sent map[ackKey]string             // name of the event by where its acknowledgement goes
	came map[string]map[string]Payload // by namespace and name of the event
}

type ackKey struct {
	namespace string
	id        int64
}

// Packet is a hook of the client.
func (a *Acks) Packet(out bool, p *parser.Packet) {
	if p.ID < 0 || out != (p.Type == parser.Event) {
		return
	}
	key := ackKey{p.Namespace, p.ID}
	a.mu.Lock()
	defer a.mu.Unlock()
	if out {
		name, err := parser.JSON.Event(p.Payload)
		if err != nil {
			return
		}
		if a.sent == nil {
			a.sent, a.came = map[ackKey]string{}, map[string]map[string]Payload{}
		}
		a.sent[key] = string(name)
		return
	}
	name, ok := a.sent[key]
	if p.Type != parser.Ack || !ok {
		return
	}
	delete(a.sent, key)
	whole := parser.Payload{Data: slices.Clone(p.Payload.Data)}
	for _, b := range p.Payload.Attachments {
		whole.Attachments = append(whole.Attachments, slices.Clone(b))
	}
	if a.came[p.Namespace] == nil {
		a.came[p.Namespace] = map[string]Payload{}
	}
	a.came[p.Namespace][name] = Payload{whole}
}

// Take returns what came last for an event.
func (a *Acks) Take(namespace, name string) Payload {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.came[namespace][name]
	delete(a.came[namespace], name)
	return p
}

// A Payload is the values of an acknowledgement.
type Payload struct{ p parser.Payload }

// Len returns the number of values.
func (p Payload) Len() int {
	if len(p.p.Data) == 0 {
		return 0
	}
	return parser.JSON.Args(p.p)
}

// Bind decodes the values, in order, into pointers.
func (p Payload) Bind(out ...any) error { return parser.JSON.Unmarshal(p.p, 0, out...) }
