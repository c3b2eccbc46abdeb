package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
	"github.com/roomwire/roomwire/event"
)

// A Trouble is an error that helps: what was tried, what the server said and
// what to try next.
type Trouble struct {
	What, Tried, Answer string
	Next                []string
	Err                 error
}

// Error lays the trouble out on several lines, the first of which says it all.
func (t *Trouble) Error() string {
	var b strings.Builder
	b.WriteString(t.What)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n  %-9s %s", name, text)
		}
	}
	line("tried", t.Tried)
	line("answer", t.Answer)
	for i, next := range t.Next {
		if i == 0 {
			line("try", next)
		} else {
			line("", next)
		}
	}
	return b.String()
}

// Unwrap returns Err.
func (t *Trouble) Unwrap() error { return t.Err }

// Refused explains why a namespace could not be joined.
func (t *Target) Refused(namespace string, err error) error {
	var said *event.Error
	if !errors.As(err, &said) {
		return t.Unreachable(err)
	}
	p := &Trouble{
		What:   fmt.Sprintf("the server refused namespace %s: %s", namespace, clean(said.Message)),
		Tried:  fmt.Sprintf("joining %s at %s, %s", namespace, t.URL(), t.credentials()),
		Answer: "CONNECT_ERROR " + clean(said.Message) + asJSON(said.Data),
		Err:    err,
	}
	switch {
	case said.Message == "Invalid namespace":
		p.Next = []string{"another namespace: -n /NAME; the server knows none called " + namespace}
	case t.Auth == nil && t.Header.Get("Authorization") == "":
		p.Next = []string{`credentials: --auth '{"token":"…"}', --bearer TOKEN or -H 'Cookie: …'`}
	default:
		p.Next = []string{"other credentials, or the log of the server: what it accepts is up to its own code"}
	}
	return p
}

func (t *Target) credentials() string {
	var with []string
	if t.Auth != nil {
		with = append(with, "auth")
	}
	if t.Header.Get("Authorization") != "" {
		with = append(with, "an Authorization header")
	}
	if t.Header.Get("Cookie") != "" {
		with = append(with, "cookies")
	}
	if len(with) == 0 {
		return "without credentials"
	}
	return "with " + strings.Join(with, " and ")
}

func asJSON(data any) string {
	if data == nil {
		return ""
	}
	b, err := json.Marshal(data)
	if err != nil {
		return ""
	}
	return " " + string(b)
}

// Unreachable explains why there is no connection.
func (t *Target) Unreachable(err error) error {
	if t := (*Trouble)(nil); errors.As(err, &t) {
		return err
	}
	p := &Trouble{What: "cannot connect to " + t.URL(), Err: err, Tried: t.tried()}
	var d *engine.DialError
	switch {
	case errors.As(err, &d) && d.Status != 0:
		t.answered(p, d)
	case errors.Is(err, client.ErrClosed), errors.Is(err, context.Canceled):
		return err
	default:
		t.silent(p, err)
	}
	return p
}

func (t *Target) tried() string {
	q := "?EIO=4&transport="
	switch t.Transport {
	case "websocket":
		return "WebSocket " + t.Path + q + "websocket"
	default:
		return "GET " + t.Path + q + "polling"
	}
}

// answered is for a server that is there and does not want to.
func (t *Target) answered(p *Trouble, d *engine.DialError) {
	p.Answer = fmt.Sprintf("%d %s", d.Status, http.StatusText(d.Status))
	if d.Message != "" {
		p.Answer += ": " + clean(d.Message)
	}
	switch {
	case d.Code == engine.CodeUnsupportedProtocol:
		p.Next = []string{"roomwire probe: the server speaks another version of the protocol than 4"}
	case d.Code == engine.CodeUnknownTransport:
		other := "websocket"
		if d.Transport == other {
			other = "polling"
		}
		p.Next = []string{fmt.Sprintf("--transport %s: the server does not offer %s", other, d.Transport)}
	case d.Code == engine.CodeForbidden, d.Status == http.StatusForbidden, d.Status == http.StatusUnauthorized:
		p.Next = []string{"credentials: --bearer TOKEN, -H 'Cookie: …' or --query token=…", "-H 'Origin: https://…' with an origin that the server allows"}
	case d.Status == http.StatusNotFound:
		p.Next = []string{"--path: something is served there, but no Socket.IO at " + t.Path}
		if t.Namespace != "/" {
			p.Next = append(p.Next, fmt.Sprintf("--path %s, if that is where it is served: here the path of a URL is a namespace", t.Namespace))
		}
	case d.Status == http.StatusBadRequest && d.Transport == "websocket", d.Status == http.StatusUpgradeRequired:
		p.Next = []string{"--transport polling: a proxy may not let WebSocket through"}
	case d.Status >= 500:
		p.Next = []string{"again in a moment: a proxy answers, or the server is unwell"}
	case d.Status >= 300 && d.Status < 400:
		p.Next = []string{"the URL that it redirects to: " + clean(fmt.Sprint(d.Err))}
	case d.Status == http.StatusOK:
		if d.Err != nil && d.Message == "" {
			said := strings.TrimPrefix(d.Err.Error(), "engine: ")
			if d.Transport == "websocket" {
				said = "no WebSocket"
			}
			p.Answer += ", but " + clean(said)
		}
		p.Next = []string{"--path: this looks like a web site, not like Socket.IO", "roomwire probe: the server may speak an old version of the protocol"}
	default:
		p.Next = []string{"roomwire probe " + t.Base.String()}
	}
}

// silent is for a server that did not answer.
func (t *Target) silent(p *Trouble, err error) {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	text := err.Error()
	switch {
	case errors.As(err, &dns):
		p.Answer = "none: there is no host called " + dns.Name
		p.Next = []string{"the name of the host again, letter by letter"}
	case errors.Is(err, syscall.ECONNREFUSED):
		p.Answer = "none: connection refused"
		p.Next = []string{"starting the server, or another port: nothing listens at " + t.Base.Host}
	case errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &cert):
		p.Answer = "a certificate that is not trusted: " + clean(innermost(err).Error())
		p.Next = []string{"--cacert FILE with the certificate authority of the server", "--insecure, on a machine of your own"}
	case errors.As(err, &record), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		p.Answer = "no TLS"
		p.Next = []string{"http:// in place of https://"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		p.Answer = "none within " + t.Timeout.String()
		p.Next = []string{"a longer --timeout", "another address: a firewall may swallow what goes to this one"}
		if t.Path != "/socket.io/" {
			p.Next = append([]string{"without --path: Node.js may leave requests to other paths than its own unanswered"}, p.Next...)
		}
	case strings.Contains(text, "refused a redirect"):
		_, where, _ := strings.Cut(text, " to ")
		if _, last, ok := strings.Cut(where, " to "); ok {
			where = last
		}
		p.Answer = "a redirect to " + clean(where) + ", which is not followed: credentials would go there"
		p.Next = []string{"that URL itself, if you trust it"}
	case strings.Contains(text, "malformed HTTP response"):
		p.Answer = "not HTTP"
		p.Next = []string{"https:// in place of http://, or another port"}
	case t.Base.Scheme == "http" && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		p.Answer = "none: the server dropped the connection"
		p.Next = []string{"https:// in place of http://: it may want TLS", "another port"}
	default:
		p.Answer = "none: " + clean(innermost(err).Error())
		p.Next = []string{"roomwire probe " + t.Base.String()}
	}
}

// innermost follows an error to where it began.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// Unanswered explains why an event was not acknowledged.
func (t *Target) Unanswered(name, namespace string, err error) error {
	p := &Trouble{Err: err, Tried: fmt.Sprintf("%q to namespace %s, asking for an acknowledgement", name, namespace)}
	var said *event.Error
	switch {
	case errors.As(err, &said):
		p.What = fmt.Sprintf("the server answered %q with an error: %s", name, clean(said.Message))
		p.Answer = "error " + clean(said.Message) + asJSON(said.Data)
	case errors.Is(err, context.DeadlineExceeded):
		p.What = fmt.Sprintf("no acknowledgement of %q within %s", name, t.Timeout)
		p.Answer = "none, though the connection stands"
		p.Next = []string{
			"the name again: a server may ignore events that it has no handler for",
			"without --ack: the handler may never call its callback",
			"a longer --timeout",
		}
	case errors.Is(err, client.ErrDisconnected), errors.Is(err, client.ErrNotConnected):
		p.What = fmt.Sprintf("the connection was lost before %q was acknowledged", name)
		p.Next = []string{"the log of the server: it may have thrown, or may disconnect clients that send this"}
	case errors.Is(err, engine.ErrMaxPayload):
		p.What = fmt.Sprintf("%q is larger than what the server takes", name)
		p.Next = []string{"roomwire probe " + t.Base.String() + ", which shows the limit (maxHttpBufferSize)"}
	default:
		return err
	}
	return p
}

// Unread explains that a server has not read what was sent.
func (t *Target) Unread(transport string, err error) error {
	tried := "POST "
	if transport == "websocket" {
		tried = "a ping of WebSocket to "
	}
	return &Trouble{
		What: fmt.Sprintf("the server has not read what was sent within %s", t.Timeout), Err: err,
		Tried: tried + t.URL(), Answer: "none, though the connection stands",
		Next: []string{"a longer --timeout: the server may be busy", "--ack, which asks the handler of the event"},
	}
}

// clean makes text of a server safe and short enough for a line.
func clean(s string) string {
	rs := slices.Collect(func(yield func(rune) bool) {
		for _, r := range s {
			if !unicode.IsPrint(r) {
				r = ' '
			}
			if !yield(r) {
				return
			}
		}
	})
	if len(rs) > 300 {
		rs = append(rs[:300], '…')
	}
	return strings.TrimSpace(string(rs))
}
