package adapter

// gone is the position of an entry that was removed.
const gone = -1

// An entry is what the adapter knows of one member. The room of the member's own
// ID is a bit here and no room, unless others join a room of that name; then
// those are in a room, and this bit still stands for the member.
type entry struct {
	member Member
	places []place // in the order of joining
	pos    int32   // in memory.all, or gone
	own    bool    // in the room of its own ID
}

// A place is a membership: members[at] of room is the entry.
type place struct {
	room *room
	at   int
}

// A room is never empty.
type room struct {
	name    string
	members []*entry
}

// in reports whether e is in r. Members are in few rooms: a scan beats a map, in
// time and in bytes.
func (e *entry) in(r *room) bool {
	for i := range e.places {
		if e.places[i].room == r {
			return true
		}
	}
	return false
}

// names returns the names of the rooms, never nil.
func (e *entry) names(id string) []string {
	names := make([]string, 0, len(e.places)+1)
	if e.own {
		names = append(names, id)
	}
	for _, p := range e.places {
		names = append(names, p.room.name)
	}
	return names
}

// join puts e, whose ID is id, into a room. The caller holds the lock.
func (m *memory) join(e *entry, id, name string) {
	r := m.rooms[name]
	if name == id {
		if e.own {
			return
		}
		e.own = true
		m.tellJoined(r == nil, name, e)
		return
	}
	created := r == nil
	if created {
		r = &room{name: name}
		m.rooms[name] = r
		o := m.byID[name]
		created = o == nil || !o.own
	} else if e.in(r) {
		return
	}
	e.places = append(e.places, place{room: r, at: len(r.members)})
	r.members = append(r.members, e)
	m.tellJoined(created, name, e)
}

// leave takes e, whose ID is id, out of a room. The caller holds the lock.
func (m *memory) leave(e *entry, id, name string) {
	if name == id {
		if !e.own {
			return
		}
		e.own = false
		m.left++
		m.tellLeft(m.rooms[name] == nil, name, e)
		return
	}
	r := m.rooms[name]
	if r == nil {
		return
	}
	for i, p := range e.places {
		if p.room == r {
			copy(e.places[i:], e.places[i+1:])
			e.places[len(e.places)-1] = place{}
			e.places = e.places[:len(e.places)-1]
			m.drop(e, p)
			return
		}
	}
}

// drop takes e out of the room of p; its own list of places is the caller's
// task.
func (m *memory) drop(e *entry, p place) {
	r := p.room
	last := r.members[len(r.members)-1]
	if last != e {
		r.members[p.at] = last
		for i := range last.places {
			if last.places[i].room == r {
				last.places[i].at = p.at
				break
			}
		}
	}
	r.members = cut(r.members)
	m.left++
	deleted := len(r.members) == 0
	if deleted {
		delete(m.rooms, r.name)
		o := m.byID[r.name]
		deleted = o == nil || !o.own
	}
	m.tellLeft(deleted, r.name, e)
}
