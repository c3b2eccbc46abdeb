package probe

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/remote"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/parser"
)

// A prober finds out one thing after the other.
type prober struct {
	t      *remote.Target
	r      *Report
	origin string
}

// Run probes a server: its transports, and the namespaces. It fails when there
// is nothing at all that it could talk to.
func Run(ctx context.Context, t *remote.Target, namespaces []string, origin string) (*Report, error) {
	p := &prober{t: t, origin: origin, r: &Report{
		URL: t.URL(), EngineIO: map[string]bool{"3": false, "4": false}, CORS: CORS{Origin: origin},
		Upgrade: Upgrade{Offered: []string{}}, Namespaces: []Namespace{}, Advice: []Advice{},
	}}
	pollErr := p.polling(ctx)
	wsErr := p.webSocket(ctx)
	old := p.version(ctx, "3")
	if pollErr != nil && wsErr != nil && !old {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, unreachable(t, pollErr)
	}
	p.r.EngineIO["3"], p.r.EngineIO["4"] = old, pollErr == nil || wsErr == nil
	if pollErr == nil {
		p.upgrade(ctx)
	}
	p.cors(ctx)
	if p.r.EngineIO["4"] {
		for i, name := range namespaces {
			p.namespace(ctx, name, i == 0 && pollErr == nil)
		}
	}
	p.advise()
	return p.r, ctx.Err()
}

// unreachable explains why there is nothing to report, without the advice to
// probe the server.
func unreachable(t *remote.Target, err error) error {
	err = t.Unreachable(err)
	if trouble := (*remote.Trouble)(nil); errors.As(err, &trouble) {
		trouble.Next = slices.DeleteFunc(trouble.Next, func(next string) bool { return strings.HasPrefix(next, "roomwire probe") })
	}
	return err
}

// dial opens a connection and closes it after look.
func (p *prober) dial(ctx context.Context, o engine.DialOptions, look func(c *engine.ClientConn)) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, p.t.Timeout)
	defer cancel()
	began := time.Now()
	c, err := engine.Dial(ctx, p.t.URL(), func(*engine.ClientConn) engine.Session { return deaf{} }, &o)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if look != nil {
		look(c)
	}
	c.Close(nil)
	<-c.Done()
	return took, nil
}

// deaf is a session that does not listen.
type deaf struct{}

func (deaf) Message(bool, []byte) error { return nil }
func (deaf) Closed(error)               {}

func (p *prober) polling(ctx context.Context) error {
	if p.t.Transport == "websocket" {
		p.r.Polling.Error = "not tried"
		return errNotTried
	}
	o := p.t.Engine()
	o.Transports, o.NoUpgrade = []string{"polling"}, true
	o.HTTPClient = p.listen(func(resp *http.Response) { p.headers(resp) })
	took, err := p.dial(ctx, o, p.handshake)
	p.r.Polling = transport(took, err)
	return err
}

var errNotTried = errors.New("not tried")

func (p *prober) webSocket(ctx context.Context) error {
	if p.t.Transport == "polling" {
		p.r.WebSocket.Error = "not tried"
		return errNotTried
	}
	o := p.t.Engine()
	o.Transports, o.Compression = []string{"websocket"}, &engine.Compression{}
	o.HTTPClient = p.listen(func(resp *http.Response) {
		p.headers(resp)
		if strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
			p.r.Compression = true
		}
	})
	took, err := p.dial(ctx, o, p.handshake)
	p.r.WebSocket = transport(took, err)
	return err
}

func transport(took time.Duration, err error) Transport {
	if err != nil {
		return Transport{Error: brief(err)}
	}
	return Transport{OK: true, Took: Millis(took)}
}

// brief is an error without what the report says anyway.
func brief(err error) string {
	text := err.Error()
	var d *engine.DialError
	if errors.As(err, &d) {
		if _, rest, ok := strings.Cut(text, d.Host+": "); ok {
			text = rest
		}
	}
	return strings.TrimPrefix(strings.TrimPrefix(text, "engine: "), "client: ")
}

// handshake notes what the server said first.
func (p *prober) handshake(c *engine.ClientConn) {
	h := c.Handshake()
	p.r.Heartbeat = Heartbeat{Millis(h.PingInterval), Millis(h.PingTimeout)}
	p.r.MaxPayload = h.MaxPayload
	if len(h.Upgrades) > 0 {
		p.r.Upgrade.Offered = h.Upgrades
	}
}

// headers notes what the first response gives away.
func (p *prober) headers(resp *http.Response) {
	if p.r.Cookie == nil && resp.StatusCode < 300 {
		for _, c := range resp.Cookies() {
			p.r.Cookie = &Cookie{Name: c.Name, HTTPOnly: c.HttpOnly, Secure: c.Secure, SameSite: sameSite(c.SameSite)}
			break
		}
	}
	for _, name := range []string{"Server", "Via", "X-Powered-By"} {
		if v := resp.Header.Get(name); v != "" {
			if p.r.Headers == nil {
				p.r.Headers = map[string]string{}
			}
			p.r.Headers[name] = v
		}
	}
}

func sameSite(s http.SameSite) string {
	switch s {
	case http.SameSiteLaxMode:
		return "Lax"
	case http.SameSiteStrictMode:
		return "Strict"
	case http.SameSiteNoneMode:
		return "None"
	}
	return ""
}

// listen returns the client of the target, with an ear for the first response.
func (p *prober) listen(fn func(resp *http.Response)) *http.Client {
	hc := *p.t.HTTP
	var once sync.Once
	next := hc.Transport
	hc.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil {
			once.Do(func() { fn(resp) })
		}
		return resp, err
	})
	return &hc
}

type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// version reports whether the server opens a session of an old version, whose
// responses give the length of each packet first.
func (p *prober) version(ctx context.Context, v string) bool {
	body, _, err := p.get(ctx, v, "")
	return err == nil && oldOpen.Match(body)
}

var oldOpen = regexp.MustCompile(`^\d+:0\{`)

// get makes a handshake over polling by hand, closes the session, and returns
// the response.
func (p *prober) get(ctx context.Context, version, origin string) ([]byte, *http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, p.t.Timeout)
	defer cancel()
	q := maps.Clone(p.t.Query)
	if q == nil {
		q = url.Values{}
	}
	q.Set("EIO", version)
	q.Set("transport", "polling")
	do := func(method string, body io.Reader) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, method, p.t.URL()+"?"+q.Encode(), body)
		if err != nil {
			return nil, err
		}
		r.Header = p.t.Header.Clone()
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if body != nil {
			r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
		}
		return p.t.HTTP.Do(r)
	}
	resp, err := do(http.MethodGet, nil)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if sid := sidIn.FindSubmatch(body); err == nil && resp.StatusCode == http.StatusOK && sid != nil {
		q.Set("sid", string(sid[1]))
		bye := "1"
		if oldOpen.Match(body) {
			bye = "1:1"
		}
		if closed, err := do(http.MethodPost, strings.NewReader(bye)); err == nil {
			_ = closed.Body.Close()
		}
	}
	return body, resp, err
}

var sidIn = regexp.MustCompile(`"sid":"([\w-]+)"`)

func (p *prober) upgrade(ctx context.Context) {
	if !slices.Contains(p.r.Upgrade.Offered, "websocket") || p.t.Transport == "polling" {
		return
	}
	ended := make(chan error, 1)
	o := p.t.Engine()
	o.Transports = []string{"polling", "websocket"}
	o.Hooks.Upgrade = func(*engine.ClientConn) { ended <- nil }
	o.Hooks.UpgradeError = func(_ *engine.ClientConn, err error) { ended <- err }
	_, err := p.dial(ctx, o, func(c *engine.ClientConn) {
		began := time.Now()
		var err error
		select {
		case err = <-ended:
		case <-c.Done():
			err = errors.New("the connection was lost")
		case <-time.After(p.t.Timeout):
			err = errors.New("not done within " + p.t.Timeout.String())
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			p.r.Upgrade.Error = brief(err)
			return
		}
		p.r.Upgrade.OK, p.r.Upgrade.Took = true, Millis(time.Since(began))
	})
	if err != nil {
		p.r.Upgrade.Error = brief(err)
	}
}

// cors asks as a page of another origin would.
func (p *prober) cors(ctx context.Context) {
	c := &p.r.CORS
	if p.t.Transport != "websocket" {
		if _, resp, err := p.get(ctx, "4", p.origin); err == nil {
			c.AllowOrigin = resp.Header.Get("Access-Control-Allow-Origin")
			c.Credentials = resp.Header.Get("Access-Control-Allow-Credentials") == "true"
			c.Polling = resp.StatusCode == http.StatusOK && (c.AllowOrigin == "*" || c.AllowOrigin == p.origin)
		}
	}
	if p.r.WebSocket.OK {
		o := p.t.Engine()
		o.Transports, o.Header = []string{"websocket"}, o.Header.Clone()
		o.Header.Set("Origin", p.origin)
		_, err := p.dial(ctx, o, nil)
		c.WebSocket = err == nil
	}
}

// namespace tries to join a namespace. roundTrip does it over polling too,
// which fails where the requests of a session reach different servers.
func (p *prober) namespace(ctx context.Context, name string, overPolling bool) {
	n := Namespace{Name: name}
	o := p.t.Options()
	o.NoReconnection = true
	var mu sync.Mutex
	o.Hooks.Packet = func(out bool, k *parser.Packet) {
		var m struct {
			PID string `json:"pid"`
		}
		if !out && k.Type == parser.Connect && parser.JSON.UnmarshalValue(k.Payload, &m) == nil && m.PID != "" {
			mu.Lock()
			n.Recovery = true
			mu.Unlock()
		}
	}
	if p.r.WebSocket.OK {
		o.Engine.Transports = []string{"websocket"}
	}
	began := time.Now()
	c, err := p.t.Open(ctx, o, []string{name}, nil)
	took := time.Since(began)
	if err == nil {
		_ = c.Close()
		n.Joined, n.Took = true, Millis(took)
	}
	n.Error, n.Data = refusal(err)
	mu.Lock()
	p.r.Namespaces = append(p.r.Namespaces, n)
	mu.Unlock()
	if overPolling && p.r.WebSocket.OK {
		o := p.t.Options()
		o.NoReconnection, o.Engine.Transports, o.Engine.NoUpgrade = true, []string{"polling"}, true
		c, err := p.t.Open(ctx, o, []string{name}, nil)
		if err == nil {
			_ = c.Close()
		} else if !errors.As(err, new(*event.Error)) && n.Joined {
			p.r.Polling = Transport{Error: "opens, but then fails: " + first(err)}
		}
	}
}

// refusal takes apart why a namespace could not be joined.
func refusal(err error) (string, any) {
	var said *event.Error
	switch {
	case err == nil:
		return "", nil
	case errors.As(err, &said):
		return said.Message, said.Data
	case errors.Is(err, client.ErrDisconnected):
		return "the connection was lost", nil
	}
	if trouble := (*remote.Trouble)(nil); errors.As(err, &trouble) && errors.Is(err, context.DeadlineExceeded) {
		return "no answer", nil
	}
	return first(err), nil
}

func first(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func fmtMillis(d time.Duration) []byte {
	return strconv.AppendFloat(nil, float64(d.Microseconds())/1000, 'f', -1, 64)
}
