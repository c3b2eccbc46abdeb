package engine

import (
	"context"
	"crypto/tls"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// An opening is the request that opened a connection, in one piece: as an
// http.Request it would be the largest part of what an idle connection costs,
// and few ask for it.
type opening struct {
	text string // fields, each followed by a zero byte, which none of them can hold
	tls  *tls.ConnectionState
	ctx  context.Context // nil: without values of the application
}

// The fields of an opening before its header.
const (
	openMethod = iota
	openProto
	openHost
	openRemote
	openRequestURI
	openURL
	openPattern
	openFields
)

var wildcard = regexp.MustCompile(`\{(\w+)(\.\.\.)?\}`)

// newOpening copies what is needed of r.
func newOpening(r *http.Request) opening {
	fields := [openFields]string{
		openMethod: r.Method, openProto: r.Proto, openHost: r.Host, openRemote: r.RemoteAddr,
		openRequestURI: r.RequestURI, openURL: r.URL.String(), openPattern: r.Pattern,
	}
	b := make([]byte, 0, 1<<10)
	add := func(s string) { b = append(append(b, strings.ReplaceAll(s, "\x00", "")...), 0) }
	for _, f := range fields {
		add(f)
	}
	if strings.ContainsRune(r.Pattern, '{') {
		for _, m := range wildcard.FindAllStringSubmatch(r.Pattern, -1) {
			add(m[1])
			add(r.PathValue(m[1]))
		}
	}
	add("") // the end of the path values
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			add(name)
			add(value)
		}
	}
	return opening{text: string(b), tls: r.TLS, ctx: valuesOf(r)}
}

// cancelCtx is the type of the contexts that net/http itself makes.
var cancelCtx = func() reflect.Type {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return reflect.TypeOf(ctx)
}()

// valuesOf returns the context of r if it may hold values of the application,
// and nil if it is net/http's own.
func valuesOf(r *http.Request) context.Context {
	ctx := r.Context()
	srv, _ := ctx.Value(http.ServerContextKey).(*http.Server)
	if srv != nil && srv.BaseContext == nil && srv.ConnContext == nil && reflect.TypeOf(ctx) == cancelCtx {
		return nil
	}
	return context.WithoutCancel(ctx)
}

// context returns a context with the values of the request's.
func (o *opening) context() context.Context {
	if o.ctx == nil {
		return context.Background()
	}
	return o.ctx
}

// field returns one of the fixed fields.
func (o *opening) field(i int) string {
	rest := o.text
	for range i {
		_, rest, _ = strings.Cut(rest, "\x00")
	}
	f, _, _ := strings.Cut(rest, "\x00")
	return f
}

// request makes the request again.
func (o *opening) request() *http.Request {
	rest := o.text
	next := func() (s string) {
		s, rest, _ = strings.Cut(rest, "\x00")
		return s
	}
	var fields [openFields]string
	for i := range fields {
		fields[i] = next()
	}
	u, err := url.Parse(fields[openURL])
	if err != nil {
		u = &url.URL{}
	}
	r := &http.Request{
		Method: fields[openMethod], Proto: fields[openProto], Host: fields[openHost], RemoteAddr: fields[openRemote],
		RequestURI: fields[openRequestURI], Pattern: fields[openPattern], URL: u,
		Header: http.Header{}, Body: http.NoBody, TLS: o.tls,
	}
	r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(r.Proto)
	for name := next(); name != ""; name = next() {
		r.SetPathValue(name, next())
	}
	for rest != "" {
		name := next()
		r.Header[name] = append(r.Header[name], next())
	}
	return r.WithContext(o.context())
}
