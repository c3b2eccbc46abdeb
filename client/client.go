package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/internal/lane"
	"github.com/roomwire/roomwire/parser"
)

// A Client is one connection to a server, shared by a socket for each
// namespace and reopened when it is lost: Manager in Socket.IO. Its methods may
// be called by many goroutines at once.
//
// It connects with the first socket that does and disconnects with the last.
type Client struct {
	url    string
	bad    error // of the URL
	o      Options
	codec  parser.Codec
	own    *http.Transport // of the http.Client made here; nil: it is the user's
	ctx    context.Context // of handlers; done when the client is closed
	cancel context.CancelFunc

	// work opens the connection and joins namespaces, one thing at a time.
	work   lane.Lane[task]
	over   atomic.Bool   // closed, without the lock
	closed chan struct{} // closed when Close has done its work

	mu      sync.Mutex
	state   state
	link    *link              // while state is open
	live    map[*link]struct{} // all whose goroutines have not ended
	stop    context.CancelFunc // of the attempt that is going on
	sockets map[string]*Socket
	tries   int  // delays in a row without a connection that held
	wsGood  bool // WebSocket worked last time
}

// A state is that of the connection of a Client.
type state uint8

const (
	idle state = iota
	connecting
	open
	closed
)

// New returns a client for the server at rawURL, an http, https, ws or wss URL.
// The path of the URL is where the server listens, not a namespace: path; none
// means /socket.io/, and the slash at its end may be left out. Its query is
// sent with every request. A URL without a scheme is an https one, as in
// socket.io-client, but an http one for this machine (localhost, a loopback
// address, or a mere ":3000").
//
// Nothing happens before a socket connects; a URL that makes no sense is an
// error of that. A nil opts means the defaults.
func New(rawURL string, opts *Options) *Client {
	c := &Client{closed: make(chan struct{}), live: map[*link]struct{}{}, sockets: map[string]*Socket{}}
	if opts != nil {
		c.o = *opts
	}
	c.o.defaults()
	c.codec = c.o.Codec
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.work.Init(1, c.run, nil)
	c.url, c.bad = endpoint(rawURL, c.o.NoTrailingSlash)
	if c.o.Engine.HTTPClient == nil {
		c.ownHTTPClient()
	}
	// Events that waited for the connection may exceed what waits on it
	// later, so its own limit leaves room for them; emitting keeps to the
	// one of the options.
	c.o.Engine.SendBuffer += 16 << 20
	c.o.Engine.SendBuffer += 2 * c.o.SendBuffer
	return c
}

// endpoint completes the URL of a server.
func endpoint(rawURL string, noSlash bool) (string, error) {
	if rawURL == "" {
		return "", errors.New("client: the URL of the server is empty")
	}
	if !strings.Contains(rawURL, "://") {
		rawURL = schemeOf(rawURL) + rawURL
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("client: %w", err)
	}
	if strings.HasPrefix(u.Host, ":") {
		u.Host = "localhost" + u.Host
	}
	switch {
	case u.Path == "" || u.Path == "/":
		u.Path = "/socket.io/"
	case !noSlash && !strings.HasSuffix(u.Path, "/"):
		u = u.JoinPath("/")
	}
	return u.String(), nil
}

// schemeOf returns what a URL without a scheme is to begin with.
func schemeOf(rawURL string) string {
	u, err := url.Parse("http://" + rawURL)
	if err != nil {
		return "http://" // the error will be found again
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); host == "" || host == "localhost" || err == nil && ip.IsLoopback() {
		return "http://"
	}
	return "https://"
}

// ownHTTPClient makes an http.Client whose connections end with this client,
// and whose cookies stay for the next connection.
func (c *Client) ownHTTPClient() {
	hc := &http.Client{}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		c.own = t.Clone()
		c.own.MaxResponseHeaderBytes = 64 << 10 // that of net/http is 10 MB
		hc.Transport = c.own
	}
	hc.Jar, _ = cookiejar.New(nil) // fails for a bad list of suffixes only
	c.o.Engine.HTTPClient = hc
}

// Of returns the socket of a namespace, the same one each time: io and
// manager.socket. The leading slash may be left out, and "" is the main namespace.
func (c *Client) Of(namespace string) *Socket {
	if !strings.HasPrefix(namespace, "/") {
		namespace = "/" + namespace
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sockets[namespace]
	if s == nil {
		s = newSocket(c, namespace)
		s.shutDown = c.state == closed
		c.sockets[namespace] = s
	}
	return s
}

// Engine returns the connection as it is now, or nil: manager.engine.
func (c *Client) Engine() *engine.ClientConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		return nil
	}
	return c.link.conn
}

// Close disconnects every socket, closes the connection after what is queued on
// it, and waits for all goroutines of the client to end, those of handlers too:
// the context of a handler is done then, and events that wait for a handler are
// dropped. Events that wait for a connection are lost. A handler must not call
// it, for it would wait for itself; [Socket.Disconnect] is for that.
//
// A server in Node.js drops an event that it reads together with the end of the
// connection. An acknowledgement is proof that it was handled; where none is
// wanted, call Flush of [Client.Engine] first.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.state == closed {
		c.mu.Unlock()
		<-c.closed
		return nil
	}
	c.state, c.link = closed, nil
	c.over.Store(true)
	sockets := make([]*Socket, 0, len(c.sockets))
	for _, s := range c.sockets {
		sockets = append(sockets, s)
		s.shut()
	}
	live := make([]*link, 0, len(c.live))
	for l := range c.live {
		live = append(live, l)
		l.conn.Close(nil)
	}
	c.mu.Unlock()

	c.cancel()
	_ = c.work.Close(context.Background())
	for _, l := range live {
		<-l.conn.Done()
	}
	for _, s := range sockets {
		_ = s.lane.Close(context.Background())
	}
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	close(c.closed)
	return nil
}

// socket finds the socket of a namespace.
func (c *Client) socket(namespace string) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sockets[namespace]
}

// anyActiveLocked reports whether some socket wants the connection.
func (c *Client) anyActiveLocked() bool {
	for _, s := range c.sockets {
		if s.Active() {
			return true
		}
	}
	return false
}

// releaseLocked gives the connection up when no socket wants it any more.
func (c *Client) releaseLocked() {
	if c.anyActiveLocked() {
		return
	}
	switch c.state {
	case open:
		c.link.conn.Close(nil)
		c.link, c.state = nil, idle
	case connecting:
		if c.stop != nil {
			c.stop()
		}
	}
}
