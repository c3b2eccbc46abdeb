package hostile_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// A guest is a user of /durable.
type guest struct {
	*wsSession
	t        *testing.T
	id, pid  string
	replayed []string // events that came before CONNECT
	acks     int
}

// visit connects a user; extra is added to what it says of itself.
func visit(t *testing.T, s *server, user, extra string) *guest {
	t.Helper()
	g := &guest{wsSession: opened(t, s), t: t}
	must(t, g.send(fmt.Sprintf(`40/durable,{"user":%q%s}`, user, extra)))
	for {
		p, err := g.next()
		must(t, err)
		if event, ok := strings.CutPrefix(p, "42/durable,"); ok {
			g.replayed = append(g.replayed, event)
			continue
		}
		hello, ok := strings.CutPrefix(p, "40/durable,")
		if !ok {
			t.Fatalf("CONNECT was answered with %.200q", p)
		}
		var ids struct{ SID, PID string }
		must(t, json.Unmarshal([]byte(hello), &ids))
		g.id, g.pid = ids.SID, ids.PID
		return g
	}
}

// call emits an event and returns the acknowledgement.
func (g *guest) call(event string, args ...any) string {
	g.t.Helper()
	g.acks++
	b, err := json.Marshal(append([]any{event}, args...))
	must(g.t, err)
	must(g.t, g.send(fmt.Sprintf("42/durable,%d%s", g.acks, b)))
	p, err := g.next()
	must(g.t, err)
	answer, ok := strings.CutPrefix(p, fmt.Sprintf("43/durable,%d", g.acks))
	if !ok {
		g.t.Fatalf("%s was answered with %.200q", event, p)
	}
	return answer
}

func (g *guest) want(answer, event string, args ...any) {
	g.t.Helper()
	if got := g.call(event, args...); got != answer {
		g.t.Errorf("%s %.100v: got %.200s, want %s", event, args, got, answer)
	}
}

// event reads an event "e" and returns its value and its offset.
func (g *guest) event() (value, offset string) {
	g.t.Helper()
	p, err := g.next()
	must(g.t, err)
	var args [3]string
	must(g.t, json.Unmarshal([]byte(strings.TrimPrefix(p, "42/durable,")), &args))
	return args[1], args[2]
}

// again connects a user with the session of another connection.
func again(t *testing.T, s *server, user, pid, offset string) *guest {
	t.Helper()
	b, err := json.Marshal(map[string]string{"pid": pid, "offset": offset})
	must(t, err)
	return visit(t, s, user, ","+strings.Trim(string(b), "{}"))
}

func TestDurable(t *testing.T) {
	on := &stored
	play(t, []attack{
		{id: "A92", name: "publish ID that comes again", on: on, run: publishedTwice},
		{id: "A93", name: "offsets that are not there", on: on, run: wrongOffsets},
		{id: "A94", name: "sessions, rooms and mailboxes of others", on: on, run: ofOthers},
		{id: "A95", name: "offline sessions, a thousand", on: on, run: offlineSessions},
	})
}

func publishedTwice(t *testing.T, s *server) {
	g := visit(t, s, "ada", "")
	id := fmt.Sprintf("p-%s", g.id)
	var first struct {
		Offset    string
		Duplicate bool
	}
	var wrapped []json.RawMessage
	must(t, json.Unmarshal([]byte(g.call("append", id, "once")), &wrapped))
	must(t, json.Unmarshal(wrapped[0], &first))
	if first.Duplicate || first.Offset == "" {
		t.Errorf("first append: %+v", first)
	}
	same := fmt.Sprintf(`[{"offset":%q,"duplicate":true}]`, first.Offset)
	g.want(same, "append", id, "once")
	g.Close() // a client that lost the answer comes back
	g = visit(t, s, "ada", "")
	g.want(same, "append", id, "something else")
	// Many at once, of which one is first.
	race := fmt.Sprintf("race-%s", g.id)
	var stored atomic.Int32
	crowd(t, 50, 10, func(int) error {
		w, err := s.webSocket()
		if err != nil {
			return err
		}
		defer w.Close()
		if err := w.send(`40/durable,{"user":"ada"}`); err != nil {
			return err
		}
		if _, err := w.next(); err != nil {
			return err
		}
		if err := w.send(fmt.Sprintf(`42/durable,1["append",%q,"x"]`, race)); err != nil {
			return err
		}
		p, err := w.next()
		if strings.Contains(p, `"duplicate":false`) {
			stored.Add(1)
		}
		return err
	})
	if n := stored.Load(); n != 1 {
		t.Errorf("%d of 50 were stored", n)
	}
	// And for a mailbox.
	topic := fmt.Sprintf("t-%s", g.id)
	letter := map[string]any{"clientId": "ada", "event": topic, "messageID": "m-1", "payload": 1}
	g.want(`[{"messageID":"m-1"}]`, "publish", letter)
	g.want(`[{"messageID":"m-1","duplicate":true}]`, "publish", letter)
	g.want(`[{"waiting":1}]`, "subscribe", map[string]any{"clientId": "ada", "event": topic})
}

func wrongOffsets(t *testing.T, s *server) {
	driver := visit(t, s, "driver", "")
	room := "d:offsets"
	// leave is a session of ada that has seen two events and missed a third.
	leave := func() (pid, first, second string) {
		g := visit(t, s, "ada", "")
		g.want(`[true]`, "join", room)
		driver.want(`[true]`, "emit", room, "one")
		_, first = g.event()
		driver.want(`[true]`, "emit", room, "two")
		_, second = g.event()
		g.Close()
		driver.want(`[true]`, "emit", room, "three")
		return g.pid, first, second
	}
	_, first, _ := leave()
	place, memory, _ := strings.Cut(first, "~")
	epoch, _, _ := strings.Cut(place, ".")
	for name, offset := range map[string]string{
		"beyond the end": epoch + ".zzzzzz~" + memory, "of another epoch": "1.1~" + memory, "garbage": "garbage", "negative": epoch + ".-1~" + memory,
		"huge": epoch + ".zzzzzzzzzzzzzzzzzzzzzzzz~" + memory, "half": place, "NUL": "\x00", "of another server": "123-0", "long": strings.Repeat("9", 10_000),
	} {
		pid, _, _ := leave()
		o := again(t, s, "ada", pid, offset)
		if o.pid == pid || len(o.replayed) > 0 {
			t.Errorf("offset %s: session %v, replayed %q", name, o.pid == pid, o.replayed)
		}
		o.Close()
	}
	pid, _, second := leave()
	g := again(t, s, "ada", pid, second)
	if g.pid != pid || len(g.replayed) != 1 || !strings.HasPrefix(g.replayed[0], `["e","three",`) {
		t.Errorf("session %v, replayed %q", g.pid == pid, g.replayed)
	}
	g.Close()
	// What was removed cannot be told: a new session, and not the rest.
	driver.want(`[true]`, "emit", room, "four")
	driver.want(`[true]`, "trim-rooms", nil)
	driver.want(`[true]`, "emit", room, "five")
	g = again(t, s, "ada", pid, second)
	if g.pid == pid || len(g.replayed) > 0 {
		t.Errorf("after a trim: session %v, replayed %q", g.pid == pid, g.replayed)
	}

	// A log that is read says so in words.
	var offsets []string
	for i := range 4 {
		var a []struct{ Offset string }
		must(t, json.Unmarshal([]byte(g.call("append", "", fmt.Sprint(i))), &a))
		offsets = append(offsets, a[0].Offset)
	}
	g.want(`[{"data":["2","3"],"gap":""}]`, "read", offsets[1])
	g.want(`[{"data":null,"gap":""}]`, "read", offsets[3])
	epoch, _, _ = strings.Cut(offsets[0], ".")
	g.want(`[{"data":null,"gap":"beyond"}]`, "read", epoch+".zzzzzz")
	g.want(`[{"data":null,"gap":"epoch"}]`, "read", "1.1")
	g.want(`[{"error":{"message":"no offset"}}]`, "read", epoch+".-1")
	g.want(`[true]`, "trim", offsets[2])
	g.want(`[{"data":null,"gap":"trimmed"}]`, "read", offsets[0])
	g.want(`[{"data":["3"],"gap":""}]`, "read", offsets[2])
}

func ofOthers(t *testing.T, s *server) {
	driver := visit(t, s, "driver", "")
	club := "d:club-" + driver.id // which is banned for ever in the end
	ada := visit(t, s, "ada", "")
	for _, room := range []string{"d:ada:private", club} {
		ada.want(`[true]`, "join", room)
	}
	driver.want(`[true]`, "emit", "d:ada:private", "one")
	_, offset := ada.event()
	ada.Close()
	driver.want(`[true]`, "emit", "d:ada:private", "secret")
	driver.want(`[true]`, "emit", club, "of the club")

	// With the session of somebody else, which only a thief knows.
	thief := opened(t, s)
	must(t, thief.send(fmt.Sprintf(`40/durable,{"user":"bob","pid":%q,"offset":%q}`, ada.pid, offset)))
	if p, err := thief.next(); err != nil || p != `44/durable,{"message":"not your session"}` {
		t.Errorf("%.200q, %v", p, err)
	}
	// With one that is guessed, or is the public ID.
	for _, pid := range []string{ada.id, "", "__proto__", strings.Repeat("A", 20), strings.Repeat("x", 20_000)} {
		bob := again(t, s, "bob", pid, offset)
		if bob.pid == ada.pid || bob.id == ada.id || len(bob.replayed) > 0 {
			t.Errorf("%.30q brought %q and %q", pid, bob.id, bob.replayed)
		}
		bob.want(`[{"error":{"message":"not your room"}}]`, "join", "d:ada:private")
		for _, action := range []string{"subscribe", "getAll", "publish", "unsubscribe", "received"} {
			bob.want(`[{"error":{"message":"not your mailbox"}}]`, action, map[string]any{"clientId": "ada", "event": "m", "messageID": "m-1"})
		}
		bob.want(`[[]]`, "rooms", nil)
		bob.Close()
	}
	// Rooms are asked for again when a session is recovered.
	driver.want(`[true]`, "ban", club)
	ada2 := again(t, s, "ada", ada.pid, offset)
	if ada2.pid != ada.pid || len(ada2.replayed) != 1 || !strings.HasPrefix(ada2.replayed[0], `["e","secret",`) {
		t.Errorf("session %v, replayed %q", ada2.pid == ada.pid, ada2.replayed)
	}
	ada2.want(`[["d:ada:private"]]`, "rooms", nil)
	driver.want(`[true]`, "emit", club, "not for ada")
	ada2.want(`[["d:ada:private"]]`, "rooms", nil) // and nothing came before it
}

// offlineSessions leaves sessions behind: the oldest give way, by count and by
// bytes, are counted, and end with their time.
func offlineSessions(t *testing.T, s *server) {
	for name, extra := range map[string]struct {
		room string
		n    int
	}{"count": {"", 1000}, "bytes": {"d:" + strings.Repeat("r", 1000), 400}} {
		was, err := s.stats()
		must(t, err)
		pids := make([]string, extra.n)
		offline := func(i int) error {
			g := visit(t, s, "ada", "")
			pids[i] = g.pid
			if extra.room != "" {
				g.want(`[true]`, "join", extra.room)
			}
			g.Close()
			return nil
		}
		for i := range pids {
			must(t, offline(i))
		}
		waitFor(t, "the end of the connections", func() bool {
			st, err := s.stats()
			must(t, err)
			return st.SocketIO.Sockets <= was.SocketIO.Sockets
		})
		waitFor(t, "the eviction of sessions", func() bool {
			st, err := s.stats()
			must(t, err)
			return st.SocketIO.RecoveryKept <= 200 && st.Sessions.Sessions <= 220 && st.Sessions.Bytes <= 160_000
		})
		st, err := s.stats()
		must(t, err)
		memory, store := st.SocketIO.RecoveryEvicted-was.SocketIO.RecoveryEvicted, st.Sessions.Evicted-was.Sessions.Evicted
		t.Logf("%s: %d kept in memory, %d in the store with %d bytes; %d and %d gave way", name, st.SocketIO.RecoveryKept, st.Sessions.Sessions, st.Sessions.Bytes, memory, store)
		if memory < extra.n/2 || store < extra.n/2 {
			t.Errorf("%s: %d sessions in memory and %d in the store gave way", name, memory, store)
		}
		if g := again(t, s, "ada", pids[0], ""); g.pid == pids[0] {
			t.Errorf("%s: the oldest session is there", name)
		} else {
			g.Close()
		}
		last := pids[len(pids)-1]
		if g := again(t, s, "ada", last, ""); g.pid != last {
			t.Errorf("%s: the newest session is gone", name)
		} else {
			g.Close()
		}
	}
	waitFor(t, "the end of their time", func() bool {
		st, err := s.stats()
		must(t, err)
		return st.SocketIO.RecoveryKept == 0
	})
}
