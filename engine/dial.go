package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"time"
)

// DialOptions configure [Dial]. The zero value of a field is its default.
type DialOptions struct {
	// HTTPClient makes every request, of WebSocket too, so that its
	// transport (proxy, TLS, dialler), jar and redirect policy count. A
	// redirect to another host is refused whatever its policy says, because
	// the credentials of the request would go there. Its Timeout serves as
	// the default of RequestTimeout only. nil: a client with a cookie jar of
	// its own, whose connections end with the ClientConn.
	HTTPClient *http.Client
	Header     http.Header // sent with every request: extraHeaders
	Query      url.Values  // added to the URL of every request: query

	// Polling and WebSocket are for the requests of one transport alone:
	// transportOptions.
	Polling, WebSocket TransportOptions

	// Transports are "polling" and "websocket", in the order in which they
	// are tried; nil: polling, then an upgrade to websocket.
	Transports []string
	// TryAllTransports goes on with the next transport when the first one
	// cannot connect: tryAllTransports.
	TryAllTransports bool
	// NoUpgrade stays on polling when the connection began there: upgrade: false.
	NoUpgrade bool
	// ForceBase64 asks for binary messages as base64 on both transports, for
	// the sake of a proxy that mangles them: forceBase64.
	ForceBase64 bool
	// Protocols are WebSocket subprotocols to offer: protocols.
	Protocols []string
	// Compression offers permessage-deflate: perMessageDeflate; nil: not offered.
	Compression *Compression

	// RequestTimeout bounds the handshake and each request that sends:
	// requestTimeout; default 20 s. A request that waits for messages is
	// bounded by the heartbeat.
	RequestTimeout time.Duration
	// UpgradeTimeout bounds an upgrade; default 10 s.
	UpgradeTimeout time.Duration
	// WriteTimeout is how long a write may be stuck before the connection is
	// closed, and how long Close waits for what is queued; default 10 s.
	WriteTimeout time.Duration
	// MaxPayload is the most bytes of a message, or of the response to one
	// polling request, that are taken from the server; default 16 MiB.
	MaxPayload int
	// SendBuffer is the number of bytes that may wait to be sent; default 4 MiB.
	SendBuffer int

	Hooks  DialHooks
	Logger *slog.Logger // default slog.Default
}

// TransportOptions are added to the requests of one transport. What they name
// takes the place of what [DialOptions] says under the same name.
type TransportOptions struct {
	Header http.Header // extraHeaders; "Host" sets the host of the request
	Query  url.Values  // query
}

// DialHooks are called as things happen, on the goroutine where they happen;
// nil ones are skipped. They must not block.
type DialHooks struct {
	Packet       func(c *ClientConn, out bool, typ byte, size int) // packet (in), packetCreate (out)
	Ping         func(c *ClientConn)                               // ping: the server's heartbeat came and was answered
	Drain        func(c *ClientConn)                               // drain: nothing waits to be sent any more
	Upgrade      func(c *ClientConn)                               // upgrade: the connection is on WebSocket now
	UpgradeError func(c *ClientConn, err error)                    // upgradeError: it stays on polling
}

// The defaults of [DialOptions], and bounds on what a handshake may say.
const (
	defaultRequestTimeout = 20 * time.Second
	defaultDialUpgrade    = 10 * time.Second
	defaultDialWrite      = 10 * time.Second
	defaultDialPayload    = 16 << 20
	defaultDialBuffer     = 4 << 20
)

// ErrMaxPayload is returned for a message that is larger than what the server
// said that it takes. Sending it would cost the connection.
var ErrMaxPayload = errors.New("engine: message exceeds the server's maxPayload")

// Dial opens an Engine.IO connection to a server. rawURL is an http, https, ws
// or wss URL; an empty path means /engine.io/. ctx bounds the opening alone.
//
// open is called once, when the handshake is done, before the first message
// and before Dial returns; it makes the session that receives what happens, on
// goroutines which the connection owns. A failed opening is a *[DialError] of
// each transport that was tried, joined.
func Dial(ctx context.Context, rawURL string, open func(c *ClientConn) Session, opts *DialOptions) (*ClientConn, error) {
	d, err := newDialer(rawURL, opts)
	if err != nil {
		return nil, err
	}
	names := d.o.Transports
	if !d.o.TryAllTransports {
		names = names[:1]
	}
	var errs []error
	for _, name := range names {
		c := newClientConn(d, open)
		if name == "websocket" {
			err = c.dialWebSocket(ctx)
		} else {
			err = c.dialPolling(ctx)
		}
		if err == nil {
			return c, nil
		}
		c.abandon()
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	d.closeIdle()
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}

// A dialer is what the requests of one connection have in common.
type dialer struct {
	o    DialOptions
	base url.URL // scheme http or https, query without our own parameters
	http *http.Client
	ours *http.Transport // to be closed at the end; nil: it is the user's
}

func newDialer(rawURL string, opts *DialOptions) (*dialer, error) {
	d := &dialer{}
	if opts != nil {
		d.o = *opts
	}
	if err := d.defaults(); err != nil {
		return nil, err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("engine: dial: %w", err)
	}
	switch u.Scheme {
	case "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("engine: dial: the scheme of %q is none of http, https, ws, wss", u.Redacted())
	}
	if u.Host == "" {
		return nil, fmt.Errorf("engine: dial: %q has no host", rawURL)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/engine.io/"
	}
	u.Fragment = ""
	d.base = *u
	d.client()
	return d, nil
}

func (d *dialer) defaults() error {
	o := &d.o
	if len(o.Transports) == 0 {
		o.Transports = []string{"polling", "websocket"}
	}
	for _, name := range o.Transports {
		if name != "polling" && name != "websocket" {
			return fmt.Errorf("engine: dial: unknown transport %q", name)
		}
	}
	if o.RequestTimeout <= 0 && o.HTTPClient != nil {
		o.RequestTimeout = o.HTTPClient.Timeout
	}
	orDefault(&o.RequestTimeout, defaultRequestTimeout)
	orDefault(&o.UpgradeTimeout, defaultDialUpgrade)
	orDefault(&o.WriteTimeout, defaultDialWrite)
	orDefault(&o.MaxPayload, defaultDialPayload)
	orDefault(&o.SendBuffer, defaultDialBuffer)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

func orDefault[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// client makes the http.Client of the connection. A Timeout would end requests
// that are meant to wait, and hide the connection below an upgraded response.
func (d *dialer) client() {
	hc := &http.Client{}
	if d.o.HTTPClient != nil {
		*hc = *d.o.HTTPClient
		hc.Timeout = 0
	} else {
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			d.ours = t.Clone()
			d.ours.MaxResponseHeaderBytes = 64 << 10 // that of net/http is 10 MB
			hc.Transport = d.ours
		}
		hc.Jar, _ = cookiejar.New(nil) // fails for a bad list of suffixes only
	}
	user := hc.CheckRedirect
	hc.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if err := sameServer(via[0].URL, req.URL); err != nil {
			return err
		}
		if user != nil {
			return user(req, via)
		}
		if len(via) >= 10 {
			return errors.New("engine: stopped after 10 redirects")
		}
		return nil
	}
	d.http = hc
}

// sameServer refuses a redirect that would show the headers and the session ID
// to somebody else, or to the whole network.
func sameServer(from, to *url.URL) error {
	if from.Scheme == to.Scheme && from.Host == to.Host {
		return nil
	}
	if from.Scheme == "http" && to.Scheme == "https" && from.Hostname() == to.Hostname() {
		return nil
	}
	return fmt.Errorf("engine: refused a redirect from %s to %s://%s", from.Host, to.Scheme, to.Host)
}

func (d *dialer) closeIdle() {
	if d.ours != nil {
		d.ours.CloseIdleConnections()
	}
}

// url returns the address of one request.
func (d *dialer) url(transport, sid, stamp string) *url.URL {
	u := d.base
	q := u.Query()
	for _, query := range []url.Values{d.o.Query, d.own(transport).Query} {
		for k, v := range query {
			q[k] = slices.Clone(v)
		}
	}
	q.Set("EIO", "4")
	q.Set("transport", transport)
	if sid != "" {
		q.Set("sid", sid)
	}
	if stamp != "" {
		q.Set("t", stamp)
	}
	if d.o.ForceBase64 {
		q.Set("b64", "1")
	}
	u.RawQuery = q.Encode()
	if transport == "websocket" {
		u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	}
	return &u
}

// own returns what is for one transport alone.
func (d *dialer) own(transport string) *TransportOptions {
	if transport == "websocket" {
		return &d.o.WebSocket
	}
	return &d.o.Polling
}

// header returns the headers of the requests of a transport.
func (d *dialer) header(transport string) http.Header {
	h := http.Header{}
	for _, from := range []http.Header{d.o.Header, d.own(transport).Header} {
		for k, v := range from {
			h[http.CanonicalHeaderKey(k)] = slices.Clone(v)
		}
	}
	return h
}

// wants reports whether a transport may be used.
func (d *dialer) wants(transport string) bool {
	return slices.Contains(d.o.Transports, transport)
}
