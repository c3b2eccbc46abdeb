package ws

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxRefusal is how much of the body of a refusal Dial keeps, in bytes.
const maxRefusal = 4 << 10

const maxRedirects = 10

// Dial connects to url, ws or wss. client makes the handshake request (its
// transport, proxy, TLS, jar and timeout count); nil: http.DefaultClient. The
// response is returned with the error when the server answered; its body needs
// no closing and holds up to 4 KiB.
//
// ctx and the timeout of client bound the handshake, not the connection.
// Redirects are followed, as far as client wants them, on the same host only.
// o.Header is added to the request, but for what belongs to the handshake.
func Dial(ctx context.Context, url string, client *http.Client, o *Options) (*Conn, *http.Response, error) {
	if o == nil {
		o = &Options{}
	}
	if client == nil {
		client = http.DefaultClient
	}
	if client.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, client.Timeout)
		defer cancel()
	}
	key := newKey()
	// The connection that carries the response in the end is the last one got.
	var nc net.Conn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { nc = info.Conn },
	})
	req, err := newRequest(ctx, url, key, o)
	if err != nil {
		return nil, nil, err
	}
	resp, err := upgrading(client).Do(req)
	if err != nil {
		return nil, resp, fmt.Errorf("ws: dial: %w", err)
	}
	compress, err := checkResponse(resp, key, o)
	if err != nil {
		keepRefusal(resp)
		return nil, resp, err
	}
	c, err := dialled(resp, nc, o, compress)
	if err != nil {
		_ = resp.Body.Close()
	}
	resp.Body = http.NoBody
	return c, resp, err
}

// upgrading returns a copy of client that fits an upgrade.
func upgrading(client *http.Client) *http.Client {
	own := *client
	own.Timeout = 0 // it would hide the body which is the connection; ctx has it
	check := client.CheckRedirect
	own.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if from := via[len(via)-1].URL; req.URL.Host != from.Host || from.Scheme == "https" && req.URL.Scheme != "https" {
			return http.ErrUseLastResponse
		}
		if check != nil {
			return check(req, via)
		}
		if len(via) >= maxRedirects {
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
	return &own
}

func newKey() string {
	var b [keySize]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

func newRequest(ctx context.Context, address, key string, o *Options) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("ws: dial: %w", err)
	}
	switch strings.ToLower(u.Scheme) {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("ws: dial: scheme %q is neither ws nor wss", u.Scheme)
	}
	u.Fragment, u.RawFragment = "", ""
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ws: dial: %w", err)
	}
	for name, values := range o.Header {
		switch name = http.CanonicalHeaderKey(name); {
		case name == "Host":
			req.Host = values[0]
		case !handshakeHeaders[name]:
			req.Header[name] = slices.Clone(values)
		}
	}
	req.Header["Connection"] = []string{"Upgrade"}
	req.Header["Upgrade"] = []string{"websocket"}
	// Some servers compare the names of headers as RFC 6455 spells them.
	req.Header["Sec-WebSocket-Version"] = []string{version}
	req.Header["Sec-WebSocket-Key"] = []string{key}
	if len(o.Protocols) > 0 {
		req.Header["Sec-WebSocket-Protocol"] = []string{strings.Join(o.Protocols, ", ")}
	}
	if o.Deflate != nil {
		req.Header["Sec-WebSocket-Extensions"] = []string{deflateOffer}
	}
	return req, nil
}

// checkResponse checks the server's opening handshake, RFC 6455 section 4.1.
func checkResponse(resp *http.Response, key string, o *Options) (compress bool, err error) {
	h := resp.Header
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return false, fmt.Errorf("ws: dial: server answered %d", resp.StatusCode)
	}
	if !hasToken(h, "Connection", "upgrade") || !hasToken(h, "Upgrade", "websocket") {
		return false, errors.New("ws: dial: server switched to another protocol")
	}
	if len(h[headerAccept]) != 1 || trim(h.Get(headerAccept)) != acceptKey(key) {
		return false, errors.New("ws: dial: server answered with a wrong key")
	}
	if p, ok := h[headerProtocol]; ok && (len(p) != 1 || !slices.Contains(o.Protocols, p[0])) {
		return false, errors.New("ws: dial: server chose a subprotocol that was not offered")
	}
	compress, ok := agreedDeflate(h, o.Deflate != nil)
	if !ok {
		return false, errors.New("ws: dial: server chose an extension that was not offered")
	}
	return compress, nil
}

// keepRefusal puts the start of the body in place of the body.
func keepRefusal(resp *http.Response) {
	var b []byte
	if resp.StatusCode != http.StatusSwitchingProtocols {
		b, _ = io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(b))
}

// dialled makes a Conn of the connection behind a response. nc is that
// connection, or nil if the client did not tell.
func dialled(resp *http.Response, nc net.Conn, o *Options, compress bool) (*Conn, error) {
	body, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		return nil, errors.New("ws: dial: the client's transport cannot upgrade")
	}
	if nc == nil {
		return newConn(&bodyConn{ReadWriteCloser: body}, o, true, compress, nil), nil
	}
	early, err := buffered(body, nc)
	if err != nil {
		return nil, err
	}
	return newConn(nc, o, true, compress, early), nil
}

// buffered takes what net/http has read behind the response. With a deadline
// that has passed nothing but that can be read.
func buffered(body io.Reader, nc net.Conn) (early []byte, err error) {
	if err := nc.SetDeadline(aged); err != nil {
		return nil, err
	}
	var b [512]byte
	for {
		n, err := body.Read(b[:])
		early = append(early, b[:n]...)
		var ne net.Error
		switch {
		case err == nil:
		case errors.As(err, &ne) && ne.Timeout():
			return early, nc.SetDeadline(time.Time{})
		default:
			return nil, err
		}
	}
}
