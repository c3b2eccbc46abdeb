// Package remote holds what the commands that talk to a server have in common:
// their flags, how they connect, and what they say when that does not work.
package remote

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/engine"
)

// Flags are the flags of every command that connects.
type Flags struct {
	Auth      string        `group:"connection" placeholder:"JSON" env:"ROOMWIRE_AUTH" help:"Credentials sent when joining a namespace (auth of socket.io-client), as a JSON object or @FILE."`
	Bearer    string        `group:"connection" placeholder:"TOKEN" env:"ROOMWIRE_BEARER" help:"Send the header Authorization: Bearer TOKEN."`
	Header    []string      `group:"connection" short:"H" sep:"none" placeholder:"NAME:VALUE" help:"Send a header with every request; may be repeated."`
	Query     []string      `group:"connection" sep:"none" placeholder:"KEY=VALUE" help:"Add to the query of every request; may be repeated."`
	Path      string        `group:"connection" placeholder:"PATH" help:"Where on the host Socket.IO is served: /socket.io/ unless said otherwise."`
	Transport string        `group:"connection" enum:"auto,websocket,polling" default:"auto" help:"${enum}; auto begins with polling and upgrades, as browsers do."`
	CACert    string        `group:"connection" name:"cacert" type:"existingfile" placeholder:"FILE" help:"Trust the certificates of this PEM file, besides those of the system."`
	Insecure  bool          `group:"connection" help:"Do not check the certificate of the server."`
	Timeout   time.Duration `group:"connection" default:"10s" help:"How long to wait for a connection, or for an acknowledgement."`
	Debug     bool          `group:"connection" help:"Log what the client does, to standard error."`
}

// A Target is a server, and how to talk to it.
type Target struct {
	Base      *url.URL // scheme and host
	Path      string   // of Socket.IO, with slashes at both ends
	Namespace string   // that the URL names
	HTTP      *http.Client
	Header    http.Header
	Query     url.Values
	Transport string
	Auth      any // nil: none
	Timeout   time.Duration
	Logger    *slog.Logger
}

// Target checks the flags and says what they mean for a URL. As in
// socket.io-client, the path of the URL is a namespace; one that is that of
// Socket.IO itself is taken for what it is.
func (f *Flags) Target(rawURL string) (*Target, error) {
	base, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	t := &Target{Path: "/socket.io/", Namespace: base.Path, Transport: f.Transport, Timeout: f.Timeout}
	if i := strings.Index(base.Path+"/", "/socket.io/"); i >= 0 {
		t.Path, t.Namespace = base.Path[:i]+"/socket.io/", ""
	}
	if f.Path != "" {
		t.Path = "/" + strings.Trim(f.Path, "/") + "/"
	}
	t.Path = strings.ReplaceAll(t.Path, "//", "/")
	if t.Namespace = "/" + strings.Trim(t.Namespace, "/"); f.Timeout <= 0 {
		return nil, fmt.Errorf("--timeout must be longer than nothing")
	}
	t.Query = base.Query()
	t.Base = &url.URL{Scheme: base.Scheme, Host: base.Host, User: base.User}
	if err := f.auth(t); err != nil {
		return nil, err
	}
	if err := f.head(t); err != nil {
		return nil, err
	}
	level := slog.Level(100) // what goes wrong is said by the commands
	if f.Debug {
		level = slog.LevelDebug
	}
	t.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	t.HTTP, err = f.http()
	return t, err
}

// parseURL takes what people type: localhost:3000, :3000, ws://host.
func parseURL(raw string) (*url.URL, error) {
	text := raw
	if strings.HasPrefix(text, ":") {
		text = "localhost" + text
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a server; one looks like http://localhost:3000 or https://example.com", raw)
	}
	switch u.Scheme {
	case "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("%s: a URL begins with http://, https://, ws:// or wss://, not %s://", raw, u.Scheme)
	}
	return u, nil
}

func (f *Flags) auth(t *Target) error {
	if f.Auth == "" {
		return nil
	}
	text := []byte(f.Auth)
	if name, ok := strings.CutPrefix(f.Auth, "@"); ok {
		var err error
		if text, err = os.ReadFile(name); err != nil {
			return fmt.Errorf("--auth: %w", err)
		}
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return fmt.Errorf(`--auth takes a JSON object, such as '{"token":"secret"}'`)
	}
	t.Auth = json.RawMessage(text)
	return nil
}

func (f *Flags) head(t *Target) error {
	t.Header = http.Header{}
	if f.Bearer != "" {
		t.Header.Set("Authorization", "Bearer "+f.Bearer)
	}
	for _, h := range f.Header {
		name, value, ok := strings.Cut(h, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t") {
			return fmt.Errorf("--header takes NAME:VALUE, such as 'Cookie: session=1', not %q", h)
		}
		t.Header.Add(name, strings.TrimSpace(value))
	}
	if u := t.Base.User; u != nil && t.Header.Get("Authorization") == "" {
		password, _ := u.Password()
		r := http.Request{Header: t.Header}
		r.SetBasicAuth(u.Username(), password)
	}
	t.Base.User = nil
	for _, q := range f.Query {
		key, value, ok := strings.Cut(q, "=")
		if !ok || key == "" {
			return fmt.Errorf("--query takes KEY=VALUE, not %q", q)
		}
		t.Query.Add(key, value)
	}
	return nil
}

// http makes the client of all requests. Proxies are those of the environment.
func (f *Flags) http() (*http.Client, error) {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: f.Insecure} //nolint:gosec // it is what --insecure asks for
	if f.CACert != "" {
		pem, err := os.ReadFile(f.CACert)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--cacert: %s holds no certificate in PEM form", f.CACert)
		}
		tr.TLSClientConfig.RootCAs = pool
	}
	jar, err := cookiejar.New(nil)
	return &http.Client{Transport: tr, Jar: jar}, err
}

// URL returns where Socket.IO is served.
func (t *Target) URL() string { return t.Base.String() + t.Path }

// Transports are those of the flag, as an option of the client.
func (t *Target) Transports() []string {
	if t.Transport == "auto" {
		return nil
	}
	return []string{t.Transport}
}

// Engine returns the options of a connection.
func (t *Target) Engine() engine.DialOptions {
	return engine.DialOptions{
		HTTPClient: t.HTTP, Header: t.Header, Query: t.Query, Transports: t.Transports(),
		RequestTimeout: t.Timeout, UpgradeTimeout: t.Timeout, Logger: t.Logger,
	}
}

// Options returns the options of a client.
func (t *Target) Options() *client.Options {
	return &client.Options{
		Engine: t.Engine(), Auth: t.Auth, ConnectTimeout: t.Timeout, AckTimeout: t.Timeout, Logger: t.Logger,
	}
}

// Names returns the namespaces to join: those of a flag, or that of the URL.
func (t *Target) Names(flag []string) []string {
	if len(flag) == 0 {
		return []string{t.Namespace}
	}
	names := make([]string, len(flag))
	for i, n := range flag {
		names[i] = "/" + strings.TrimPrefix(n, "/")
	}
	return names
}

// Arg turns a word of the command line into an argument of an event: what it
// is as JSON, or else the word itself.
func Arg(word string) any {
	if json.Valid([]byte(word)) {
		return json.RawMessage(strings.TrimSpace(word))
	}
	return word
}

// Args is Arg for several words.
func Args(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = Arg(w)
	}
	return out
}
