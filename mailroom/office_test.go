package mailroom_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/mailroom"
	"github.com/roomwire/roomwire/queue"
	"github.com/roomwire/roomwire/sio"
	"github.com/roomwire/roomwire/siotest"
)

// A post is an office with its store and a server.
type post struct {
	t      testing.TB
	store  *queue.Store
	boxes  *queue.Mailboxes
	office *mailroom.Office
	srv    *sio.Server
}

func newPost(t testing.TB, o *mailroom.Options, so *sio.Options) *post {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	store, err := queue.Open(queue.Memory(), &queue.Options{Janitor: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := store.Mailboxes(context.Background(), "post", nil)
	if err != nil {
		t.Fatal(err)
	}
	var opts mailroom.Options
	if o != nil {
		opts = *o
	}
	opts.Logger = quiet
	if so == nil {
		so = &sio.Options{}
	}
	so.Logger = quiet
	p := &post{t, store, boxes, mailroom.New(boxes, &opts), sio.NewServer(so)}
	t.Cleanup(func() {
		_ = p.srv.Close()
		p.office.Close()
		if n := p.office.Stats().Attached; n != 0 {
			t.Errorf("%d attachments are left", n)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *post) publish(recipient, topic string, v any) string {
	p.t.Helper()
	r, err := p.office.Publish(context.Background(), recipient, topic, v)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.MessageID
}

func (p *post) waiting(recipient, topic string) int64 {
	p.t.Helper()
	n, err := p.office.Waiting(recipient, topic)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// A parcel is what a client gets.
type parcel struct {
	MessageID string `json:"messageID"`
	Payload   any    `json:"payload"`
}

// connect returns a client whose events called "m" go to got; it acknowledges
// those for which ack says so.
func (p *post) connect(ack func(parcel) bool) (s *client.Socket, got chan parcel) {
	p.t.Helper()
	s = siotest.Dial(p.t, p.srv, &client.Options{Logger: slog.New(slog.DiscardHandler)}).Of("/")
	if err := s.Connect(context.Background()); err != nil {
		p.t.Fatal(err)
	}
	got = make(chan parcel, 100_000)
	s.Handle("m", func(_ context.Context, r *client.Request) (any, error) {
		var in parcel
		if r.Len() != 1 {
			p.t.Errorf("%d arguments", r.Len())
		}
		if err := r.Bind(&in); err != nil {
			p.t.Error(err)
		}
		got <- in
		if !ack(in) {
			return nil, errors.New("not now")
		}
		return nil, nil
	})
	return s, got
}

func (p *post) attach(s *client.Socket, o *mailroom.AttachOptions) *mailroom.Attachment {
	p.t.Helper()
	a, err := p.office.Attach(p.srv.Of("/").Socket(s.ID()), "ada", "m", o)
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// settle lets everything happen that happens within a second.
func settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

func always(parcel) bool { return true }
func never(parcel) bool  { return false }

func TestWhatWaitsComesInOrderAndWhatWasAcknowledgedNeverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, &mailroom.Options{Redeliver: -1}, nil)
		for i := range 10 {
			p.publish("ada", "m", i)
		}
		p.publish("bob", "m", "not for ada")
		p.publish("ada", "other", "not for this")
		odd := func(in parcel) bool { return int(in.Payload.(float64))%2 == 1 }
		s, got := p.connect(odd)
		p.attach(s, nil)
		p.publish("ada", "m", 10)
		settle()
		if have := payloads(got); have != "0 1 2 3 4 5 6 7 8 9 10" {
			t.Errorf("got %s", have)
		}
		s.Disconnect()
		settle()
		if n := p.office.Stats().Attached; n != 0 {
			t.Errorf("%d attached after the disconnect", n)
		}
		s, got = p.connect(always)
		p.attach(s, nil)
		settle()
		if have := payloads(got); have != "0 2 4 6 8 10" {
			t.Errorf("got %s, want those that were not acknowledged", have)
		}
		if n := p.waiting("ada", "m"); n != 0 {
			t.Errorf("%d wait", n)
		}
		st := p.office.Stats()
		if st.Stored != 13 || st.Delivered != 17 || st.Acked != 11 || st.Waiting != 2 || st.Redelivered != 0 || st.Failed != 0 {
			t.Errorf("%+v", st)
		}
		if text := fmt.Sprint(st.LogValue()); !strings.Contains(text, "waiting=2") {
			t.Errorf("logged as %s", text)
		}
	})
}

// payloads empties a channel.
func payloads(got chan parcel) string {
	var all []string
	for len(got) > 0 {
		all = append(all, fmt.Sprint((<-got).Payload))
	}
	return strings.Join(all, " ")
}

func TestUnacknowledgedMessageComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, &mailroom.Options{Redeliver: time.Minute}, nil)
		tries := map[any]int{}
		s, got := p.connect(func(in parcel) bool { tries[in.Payload]++; return in.Payload != "b" || tries["b"] == 5 })
		p.attach(s, nil)
		for _, v := range []string{"a", "b", "c"} {
			p.publish("ada", "m", v)
		}
		time.Sleep(57 * time.Second)
		settle()
		if have := payloads(got); have != "a b c" {
			t.Errorf("got %s", have)
		}
		for range 4 {
			time.Sleep(time.Minute - time.Second)
			settle()
			if have := payloads(got); have != "b" {
				t.Errorf("got %s", have)
			}
		}
		time.Sleep(time.Hour)
		settle()
		if have := payloads(got); have != "" || p.waiting("ada", "m") != 0 {
			t.Errorf("got %s, %d wait", have, p.waiting("ada", "m"))
		}
		if n := p.office.Stats().Redelivered; n != 4 {
			t.Errorf("%d redelivered", n)
		}
	})
}

func TestWindowBoundsWhatIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, &mailroom.Options{Redeliver: -1}, nil)
		for i := range 300 {
			p.publish("ada", "m", i)
		}
		gate := make(chan bool)
		s, got := p.connect(func(parcel) bool { return <-gate })
		p.attach(s, &mailroom.AttachOptions{Window: 10})
		for i := 300; i < 400; i++ {
			p.publish("ada", "m", i)
		}
		for i := range 400 {
			settle()
			if n := p.office.Stats().Delivered; n != int64(min(i+10, 400)) {
				t.Fatalf("%d delivered after %d acknowledgements", n, i)
			}
			if v := (<-got).Payload; v != float64(i) {
				t.Fatalf("got %v, want %d", v, i)
			}
			gate <- true
		}
		settle()
		if n := p.waiting("ada", "m"); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

func TestEverySocketGetsAMessageAndOneAcknowledgementIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, &mailroom.Options{Redeliver: time.Minute}, nil)
		a, gotA := p.connect(always)
		b, gotB := p.connect(never)
		p.attach(a, nil)
		p.attach(b, nil)
		settle()
		p.publish("ada", "m", 1)
		time.Sleep(time.Hour)
		settle()
		if x, y := payloads(gotA), payloads(gotB); x != "1" || y != "1" {
			t.Errorf("got %q and %q", x, y)
		}
	})
}

func TestReceivedRemovesAMessageOfItsSenderOrOurs(t *testing.T) {
	p := newPost(t, nil, nil)
	ctx := t.Context()
	own := p.publish("ada", "m", 1)
	for range 2 {
		r, err := p.office.Post(ctx, mailroom.Letter{Recipient: "ada", Topic: "m", ID: "mine", Payload: 2})
		if err != nil || r.MessageID != "mine" {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	if n := p.waiting("ada", "m"); n != 2 {
		t.Fatalf("%d wait", n)
	}
	for _, c := range []struct {
		recipient, id string
		want          int
	}{{"bob", own, 0}, {"ada", own, 1}, {"ada", own, 0}, {"ada", "other", 0}, {"ada", "mine", 1}, {"ada", "mine", 0}, {"ada", "", 0}} {
		if n, err := p.office.Received(ctx, c.recipient, "m", c.id); n != c.want || err != nil {
			t.Errorf("%s of %s: %d, %v", c.id, c.recipient, n, err)
		}
	}
	if _, err := p.office.Post(ctx, mailroom.Letter{Recipient: "ada", Topic: "m", ID: own}); !errors.Is(err, mailroom.ErrID) {
		t.Errorf("an ID like the server's: %v", err)
	}
}

func TestBinaryPayloadComesBackWhole(t *testing.T) {
	p := newPost(t, nil, nil)
	p.publish("ada", "m", map[string]any{"a": []byte("one"), "b": []any{[]byte("two"), `"q"`}})
	s, got := p.connect(always)
	p.attach(s, nil)
	m := (<-got).Payload.(map[string]any)
	if string(m["a"].([]byte)) != "one" || string(m["b"].([]any)[0].([]byte)) != "two" || m["b"].([]any)[1] != `"q"` {
		t.Errorf("got %v", m)
	}
}

// A backlog that does not fit into the send buffer keeps to the client's pace.
func TestBacklogLargerThanTheSendBufferArrives(t *testing.T) {
	p := newPost(t, nil, &sio.Options{Engine: engine.Options{SendBuffer: 256 << 10}})
	const n = 400
	text := strings.Repeat("x", 10_000)
	for i := range n {
		p.publish("ada", "m", fmt.Sprint(i, text))
	}
	s, got := p.connect(always)
	a := p.attach(s, &mailroom.AttachOptions{ByEvent: true, New: true})
	if sent, err := a.Replay(t.Context()); sent != n || err != nil {
		t.Errorf("%d sent, %v", sent, err)
	}
	for i := range n {
		if v := (<-got).Payload; v != fmt.Sprint(i, text) {
			t.Fatalf("message %d is %.10v", i, v)
		}
	}
}

// Replays, publishers and attachments at the same time: a socket gets each
// message once per replay that covers it, in order.
func TestAttachingWhileOthersPublishLosesAndDoublesNothing(t *testing.T) {
	p := newPost(t, nil, nil)
	const publishers, each = 4, 300
	var wg sync.WaitGroup
	for k := range publishers {
		wg.Go(func() {
			for i := range each {
				p.publish("ada", "m", fmt.Sprint(k, "-", i))
			}
		})
	}
	var chans []chan parcel
	for i := range 4 {
		s, got := p.connect(never)
		o := mailroom.AttachOptions{ByEvent: true}
		if i == 3 {
			o = mailroom.AttachOptions{Window: 10_000}
		}
		p.attach(s, &o)
		chans = append(chans, got)
	}
	wg.Wait()
	var first []string
	for i, got := range chans {
		var ids []string
		for range publishers * each {
			ids = append(ids, (<-got).MessageID)
		}
		if first == nil {
			first = ids
		}
		if !slices.Equal(first, ids) {
			t.Errorf("socket %d saw another order", i)
		}
		if len(got) != 0 {
			t.Errorf("socket %d got more", i)
		}
	}
}

func TestRecoveryDoesNotSendMessagesAgain(t *testing.T) {
	p := newPost(t, nil, &sio.Options{Recovery: &sio.Recovery{}})
	s, got := p.connect(never)
	p.attach(s, &mailroom.AttachOptions{ByEvent: true})
	p.publish("ada", "m", 1)
	if v := (<-got).Payload; v != float64(1) { // with one argument: connect looks
		t.Errorf("got %v", v)
	}
}

func TestAttachmentsOfASocketAreBounded(t *testing.T) {
	p := newPost(t, &mailroom.Options{MaxAttachments: 2}, nil)
	s, _ := p.connect(never)
	sk := p.srv.Of("/").Socket(s.ID())
	a := p.attach(s, nil)
	p.attach(s, nil)
	if _, err := p.office.Attach(sk, "ada", "m", nil); !errors.Is(err, mailroom.ErrTooMany) {
		t.Errorf("got %v", err)
	}
	a.Detach()
	a.Detach()
	p.attach(s, nil)
	if _, err := p.office.Attach(sk, "ada", "connect", nil); !errors.Is(err, sio.ErrReserved) {
		t.Errorf("got %v", err)
	}
	sk.DisconnectConn()
	<-sk.Context().Done()
	if _, err := p.office.Attach(sk, "ada", "m", nil); !errors.Is(err, mailroom.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
