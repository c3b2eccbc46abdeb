// Package inbox keeps for the people of the demo chat what is said in their
// rooms while they are away: each has a mailbox for each room.
package inbox

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roomwire/roomwire/examples/chat/room"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
)

// The bounds of what is kept. What is over a mailbox's goes, oldest first.
const (
	maxPeople = 100 // of a room
	maxRooms  = 1000
	maxName   = 100 // bytes of a nickname, or of a room's name
)

var limits = queue.MailboxOptions{
	TTL: 7 * 24 * time.Hour, MaxLength: 1000, MaxBytes: 1 << 20, MaxMailboxes: maxPeople * maxRooms, DropOldest: true,
}

// marker is the first message of a mailbox, which nobody gets to see.
const marker = "null"

// An Inbox keeps messages for those who are away.
type Inbox struct {
	chat  *sio.Namespace
	boxes *queue.Mailboxes
	log   *slog.Logger
	// Delivered, if not nil, is called when missed messages were sent to
	// someone who came back, and again when they were acknowledged.
	Delivered func(s *sio.Socket, who room.Person, messages int, taken bool)

	mu     sync.Mutex
	people map[string]map[string]bool // nicknames, by room
}

// Waiting is what waits for one person.
type Waiting struct {
	Nick    string
	Pending int64
}

// Open makes the inbox of a chat whose handlers are registered already.
func Open(ctx context.Context, chat *sio.Namespace, store *queue.Store, log *slog.Logger) (*Inbox, error) {
	boxes, err := store.Mailboxes(ctx, chat.Name(), &limits)
	if err != nil {
		return nil, err
	}
	in := &Inbox{chat: chat, boxes: boxes, log: log, people: make(map[string]map[string]bool)}
	for box, err := range boxes.List(ctx) {
		if err != nil {
			return nil, err
		}
		in.meet(room.Person{Nick: box.Recipient, Room: box.Topic})
	}
	chat.OnConnect(func(ctx context.Context, s *sio.Socket) error { in.arrived(ctx, s); return nil })
	chat.UseEvents(in.around)
	return in, nil
}

type presentKey struct{}

// around looks who is there before a message is sent, and gives people that
// come to a room what they missed in it.
func (in *Inbox) around(next sio.Handler) sio.Handler {
	return func(ctx context.Context, r *sio.Request) (any, error) {
		switch r.Event {
		case "chat message":
			return next(context.WithValue(ctx, presentKey{}, in.present(room.Who(r.Socket).Room)), r)
		case "me":
			was := room.Who(r.Socket)
			reply, err := next(ctx, r)
			if err == nil && room.Who(r.Socket) != was {
				in.arrived(ctx, r.Socket)
			}
			return reply, err
		}
		return next(ctx, r)
	}
}

// Keep stores a message that was sent for those who were not there, and
// returns whom it waits for. It does nothing for other events.
func (in *Inbox) Keep(ctx context.Context, e sio.Sent) []Waiting {
	if e.Event != "chat message" || len(e.Rooms) != 1 || !strings.HasPrefix(e.Rooms[0], "#") {
		return nil
	}
	var message [1]json.RawMessage
	if json.Unmarshal(e.Args.Data, &message) != nil {
		return nil
	}
	name := e.Rooms[0][1:]
	// Who came, or went, while it was sent may or may not have got it; the
	// page shows a message that it gets twice once.
	before, _ := ctx.Value(presentKey{}).(map[string]bool)
	after := in.present(name)
	var waiting []Waiting
	for _, nick := range in.peopleOf(name) {
		if !before[nick] || !after[nick] {
			waiting = append(waiting, Waiting{Nick: nick})
		}
	}
	var all sync.WaitGroup // they share a sync
	for i := range waiting {
		all.Go(func() {
			w := &waiting[i]
			box := in.boxes.Box(w.Nick, name)
			if _, err := box.Publish(context.WithoutCancel(ctx), queue.Outgoing{Data: message[0]}, nil); err != nil {
				in.log.Warn("message not kept", "for", w.Nick, "room", name, "error", err)
			}
			if info, err := box.Info(); err == nil {
				w.Pending = info.Pending
			}
		})
	}
	all.Wait()
	return waiting
}

// arrived gives someone who came into a room what is kept for them.
func (in *Inbox) arrived(ctx context.Context, s *sio.Socket) {
	who := room.Who(s)
	if !in.register(ctx, who) {
		return
	}
	box := in.boxes.Box(who.Nick, who.Room)
	var ids []string
	var messages []json.RawMessage
	for m, err := range box.Pending(ctx, 0, limits.MaxLength) {
		if err != nil {
			in.log.Warn("missed message not read", "for", who.Nick, "error", err)
			if m.ID == "" {
				return
			}
			continue
		}
		if ids = append(ids, m.ID); string(m.Data) != marker {
			messages = append(messages, m.Data)
		}
	}
	if len(messages) == 0 {
		return
	}
	err := s.EmitFunc(ctx, "missed", func(ctx context.Context, _ sio.Reply, err error) {
		if err == nil {
			_, err = box.Ack(ctx, ids...)
		}
		if err != nil { // they wait for the next time
			in.log.Debug("missed messages not acknowledged", "for", who.Nick, "error", err)
		} else if in.Delivered != nil {
			in.Delivered(s, who, len(messages), true)
		}
	}, messages)
	if err == nil && in.Delivered != nil {
		in.Delivered(s, who, len(messages), false)
	}
}

// register makes sure that a person is remembered, also by the next process;
// false says that nothing is kept for them.
func (in *Inbox) register(ctx context.Context, who room.Person) bool {
	known, kept := in.meet(who)
	if known || !kept {
		return kept
	}
	// A mailbox is there from its first message on.
	box := in.boxes.Box(who.Nick, who.Room)
	r, err := box.Publish(ctx, queue.Outgoing{Data: []byte(marker)}, nil)
	if err == nil {
		_, err = box.Ack(ctx, r.ID)
	}
	if err != nil {
		in.log.Warn("person not remembered", "nick", who.Nick, "error", err)
	}
	return true
}

// meet notes a person. Guests have no name to come back with.
func (in *Inbox) meet(who room.Person) (known, kept bool) {
	if who.Nick == "" || who.Room == "" || len(who.Nick) > maxName || len(who.Room) > maxName || strings.HasPrefix(who.Nick, "guest") {
		return false, false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	people := in.people[who.Room]
	if people[who.Nick] {
		return true, true
	}
	if len(people) >= maxPeople || people == nil && len(in.people) >= maxRooms {
		return false, false
	}
	if people == nil {
		people = make(map[string]bool)
		in.people[who.Room] = people
	}
	people[who.Nick] = true
	return false, true
}

// peopleOf returns the nicknames that are known in a room, sorted.
func (in *Inbox) peopleOf(name string) []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Sorted(maps.Keys(in.people[name]))
}

// present returns the nicknames that are in a room now.
func (in *Inbox) present(name string) map[string]bool {
	here := make(map[string]bool)
	for s := range in.chat.Sockets() {
		if who := room.Who(s); who.Room == name {
			here[who.Nick] = true
		}
	}
	return here
}
