package sio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/sio"
)

// members connects peers that are in the rooms named by their event "join".
func members(t *testing.T, w *world, rooms ...[]string) (peers []*peer) {
	ns := w.srv.Of("/")
	alive(ns)
	sio.On(ns, "join", func(ctx context.Context, s *sio.Socket, rooms []string) error { return s.Join(ctx, rooms...) })
	for _, r := range rooms {
		p := w.connect()
		list := ""
		for i, name := range r {
			if i > 0 {
				list += ","
			}
			list += fmt.Sprintf("%q", name)
		}
		p.send(`421["join",[` + list + `]]`)
		p.expect(`431[]`)
		peers = append(peers, p)
	}
	return peers
}

func TestTargetsReachWhomTheyMean(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	ps := members(t, w, []string{"a"}, []string{"a", "b"}, []string{"b"}, nil)
	for name, c := range map[string]struct {
		target sio.Target
		want   []int
	}{
		"all":          {ns.Target, []int{0, 1, 2, 3}},
		"server":       {w.srv.Target, []int{0, 1, 2, 3}},
		"room":         {ns.To("a"), []int{0, 1}},
		"union":        {ns.To("a").In("b"), []int{0, 1, 2}},
		"except":       {ns.To("a", "b").Except("b"), []int{0}},
		"all but":      {ns.Except("a"), []int{2, 3}},
		"empty room":   {ns.To("nobody"), nil},
		"local":        {ns.To("b").Local(), []int{1, 2}},
		"volatile":     {ns.To("b").Volatile(), []int{1, 2}},
		"uncompressed": {ns.To("b").Compress(false), []int{1, 2}},
	} {
		if err := c.target.Emit(t.Context(), "hit", name); err != nil {
			t.Fatal(err)
		}
		for i, p := range ps {
			if slices.Contains(c.want, i) {
				p.expect(`42["hit","` + name + `"]`)
			}
			p.quiet()
		}
	}
}

func TestSocketsReachOthersButNotThemselves(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	sio.On(ns, "others", func(ctx context.Context, s *sio.Socket, _ struct{}) error { return s.Broadcast().Emit(ctx, "o") })
	sio.On(ns, "room", func(ctx context.Context, s *sio.Socket, _ struct{}) error { return s.To("a").Emit(ctx, "r") })
	sio.On(ns, "self", func(ctx context.Context, s *sio.Socket, _ struct{}) error { return s.Emit(ctx, "s", s.ID()) })
	sio.On(ns, "volatile", func(ctx context.Context, s *sio.Socket, _ struct{}) error { return s.Volatile().Emit(ctx, "v") })
	ps := members(t, w, []string{"a"}, []string{"a"}, nil)
	ps[0].send(`42["others"]`, `42["room"]`, `42["self"]`, `42["volatile"]`)
	ps[0].expect(`42["s","{id}"]`, `42["v"]`)
	ps[1].expect(`42["o"]`, `42["r"]`)
	ps[2].expect(`42["o"]`)
	for _, p := range ps {
		p.quiet()
	}
}

func TestTargetsManageSockets(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	ps := members(t, w, []string{"a"}, nil)
	ctx := t.Context()
	if err := ns.To("a").Join(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	for s, err := range ns.To("b").All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if rooms := s.Rooms(); !slices.Equal(rooms, []string{s.ID(), "a", "b"}) || s.Local() == nil {
			t.Errorf("socket %s is in %v", s.ID(), rooms)
		}
	}
	if err := ns.To("b").Leave(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := ns.To("a").Emit(ctx, "nobody"); err != nil {
		t.Fatal(err)
	}
	if err := ns.To("b").Disconnect(ctx); err != nil {
		t.Fatal(err)
	}
	ps[0].expect(`41`)
	if err := ns.DisconnectConn(ctx); err != nil {
		t.Fatal(err)
	}
	ps[1].expect(`41`)
	ps[1].closed()
}

func TestServerCallsClients(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	answers := make(chan string, 4)
	sio.On(ns, "go", func(ctx context.Context, s *sio.Socket, _ struct{}) error {
		n, err := sio.Call[int](ctx, s, "sum", 1, 2)
		answers <- fmt.Sprint(n, err)
		return s.EmitFunc(ctx, "later", func(_ context.Context, r sio.Reply, err error) {
			var text string
			err = errors.Join(err, r.Decode(&text))
			answers <- fmt.Sprint(text, err)
		})
	})
	p := w.connect()
	p.send(`42["go"]`)
	id := p.expect(`42{id}["sum",1,2]`)[0]
	p.send(`43` + id + `[3]`)
	if got := receive(t, answers); got != "3 <nil>" {
		t.Error(got)
	}
	id = p.expect(`42{id}["later"]`)[0]
	p.send(`43`+id+`["done"]`, `43`+id+`["twice"]`, `4399["never asked"]`)
	if got := receive(t, answers); got != "done<nil>" && got != "done <nil>" {
		t.Error(got)
	}
}

func TestUnansweredCallsEnd(t *testing.T) {
	w := serve(t, &sio.Options{Limits: sio.Limits{PendingAcks: 1}})
	ns := w.srv.Of("/")
	results := make(chan error, 4)
	sio.On(ns, "go", func(ctx context.Context, s *sio.Socket, _ struct{}) error {
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		results <- s.EmitAck(short, "a", nil)
		if err := s.EmitFunc(ctx, "b", func(_ context.Context, _ sio.Reply, err error) { results <- err }); err != nil {
			return err
		}
		results <- s.EmitAck(ctx, "c", nil)
		return nil
	})
	p := w.connect()
	p.send(`42["go"]`)
	for _, want := range []error{context.DeadlineExceeded, sio.ErrTooManyAcks} {
		if err := receive(t, results); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	p.cut()
	if err := receive(t, results); !errors.Is(err, sio.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestBroadcastCollectsAcknowledgements(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	ps := members(t, w, []string{"a"}, []string{"a"}, nil)
	type result struct {
		sum int
		err error
	}
	collect := func(target sio.Target) <-chan result {
		c := make(chan result, 1)
		go func() {
			var r result
			for reply, err := range target.EmitCall(context.Background(), "n?") {
				var n int
				if err == nil {
					err = reply.Decode(&n)
				}
				r.sum += n
				r.err = errors.Join(r.err, err)
			}
			c <- r
		}()
		return c
	}
	c := collect(ns.To("a"))
	for i, p := range ps[:2] {
		id := p.expect(`42{id}["n?"]`)[0]
		p.send(fmt.Sprintf(`43%s[%d]`, id, i+1))
	}
	if r := receive(t, c); r.sum != 3 || r.err != nil {
		t.Errorf("got %+v", r)
	}
	c = collect(ns.To("a").Timeout(50 * time.Millisecond))
	id := ps[0].expect(`42{id}["n?"]`)[0]
	ps[0].send(`43` + id + `[5]`)
	ps[1].expect(`42{id}["n?"]`)
	if r := receive(t, c); r.sum != 5 || !errors.Is(r.err, sio.ErrTimeout) {
		t.Errorf("got %+v", r)
	}
	if r := receive(t, collect(ns.To("nobody"))); r.sum != 0 || r.err != nil {
		t.Errorf("got %+v", r)
	}
}

func TestRoomEventsTellTheLifeOfARoom(t *testing.T) {
	w := serve(t, nil)
	ns := w.srv.Of("/")
	events := make(chan string, 20)
	names := map[sio.RoomEventKind]string{sio.RoomCreated: "create", sio.RoomJoined: "join", sio.RoomLeft: "leave", sio.RoomDeleted: "delete"}
	ns.OnRoom(func(e sio.RoomEvent) {
		if e.Room == "r" {
			events <- names[e.Kind]
		}
	})
	ps := members(t, w, []string{"r"}, []string{"r"})
	ps[0].send("41")
	ps[1].cut()
	for _, want := range []string{"create", "join", "join", "leave", "leave", "delete"} {
		if got := receive(t, events); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

func TestLimitsOfASocket(t *testing.T) {
	w := serve(t, &sio.Options{Limits: sio.Limits{Rooms: 2, Namespaces: 2, AuthBytes: 10}})
	ns := w.srv.Of("/")
	sio.OnCall(ns, "join", func(ctx context.Context, s *sio.Socket, rooms []string) (bool, error) {
		return true, s.Join(ctx, rooms...)
	})
	for _, name := range []string{"/a", "/b"} {
		w.srv.Of(name)
	}
	p := w.connect()
	p.send(`421["join",["1","2"]]`, `422["join",["2","1"]]`, `423["join",["3"]]`)
	p.expect(`431[true]`, `432[true]`, `433[{"error":{"message":"internal error"}}]`)
	p.send(`40/a,{"long":"1234567890"}`)
	p.expect(`44/a,{"message":"auth payload is too large"}`)
	p.send(`40/a`)
	p.expect(`40/a,{"sid":"{id}"}`)
	p.send(`40/b`)
	p.expect(`44/b,{"message":"too many namespaces"}`)
	p.send(`41/a`, `40/b`)
	p.expect(`40/b,{"sid":"{id}"}`)
}

func TestNothingLongIsReadBeforeConnect(t *testing.T) {
	w := serve(t, nil)
	w.srv.Of("/").Handle("size", func(_ context.Context, r *sio.Request) (any, error) { return len(r.Args().Data), nil })
	p := w.dial()
	p.send(`40{"token":"` + strings.Repeat("x", 100_000) + `"}`)
	p.closed()
	p = w.connect()
	p.send(`421["size","` + strings.Repeat("x", 100_000) + `"]`)
	p.expect(`431[100004]`)
}
