package engine

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An originPattern is an allowed origin: scheme, host and port, in lower case
// and without the port that the scheme implies.
type originPattern struct {
	scheme, host, port string
	subdomains         bool // host is what they end with, the dot included
}

func parseOriginPattern(pattern string) (originPattern, error) {
	bad := func() (originPattern, error) {
		return originPattern{}, errors.New("engine: CORS origin " + strconv.Quote(pattern) +
			` is none: write "*", "https://example.com" or "https://*.example.com"`)
	}
	if pattern == "null" {
		return originPattern{scheme: "null"}, nil
	}
	scheme, rest, ok := strings.Cut(pattern, "://")
	if !ok {
		return bad()
	}
	subdomains := strings.HasPrefix(rest, "*.")
	if subdomains {
		rest = "x" + rest[1:]
	}
	o, ok := parseOrigin(scheme + "://" + rest)
	if !ok || strings.Contains(o.host, "*") {
		return bad()
	}
	if subdomains {
		o.host, o.subdomains = o.host[1:], true
	}
	return o, nil
}

// parseOrigin takes an Origin header apart.
func parseOrigin(origin string) (originPattern, bool) {
	if origin == "null" {
		return originPattern{scheme: "null"}, true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return originPattern{}, false
	}
	o := originPattern{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Hostname()), port: u.Port()}
	if o.port == impliedPort(o.scheme) {
		o.port = ""
	}
	return o, true
}

func impliedPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}

func (p originPattern) matches(o originPattern) bool {
	if p.scheme != o.scheme || p.port != o.port {
		return false
	}
	if p.subdomains {
		return len(o.host) > len(p.host) && strings.HasSuffix(o.host, p.host)
	}
	return p.host == o.host
}

// sameHost reports whether o is the host that the request was sent to. The
// scheme is not compared: behind a proxy the server does not know its own.
func (o originPattern) sameHost(requested string) bool {
	host, port, err := net.SplitHostPort(requested)
	if err != nil {
		host, port = strings.Trim(requested, "[]"), ""
	}
	if port == impliedPort(o.scheme) {
		port = ""
	}
	return o.host != "" && strings.EqualFold(o.host, host) && o.port == port
}

// checkOrigin refuses a request of a foreign origin, whatever the transport,
// and says in the headers that another one is welcome.
func (s *Server) checkOrigin(h http.Header, r *http.Request) *refusal {
	if s.o.CORS != nil && !s.anyOrigin {
		h.Add("Vary", "Origin")
	}
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		s.welcome(h, s.fixedOrigin)
		return nil
	}
	origin := origins[0]
	if len(origins) > 1 || !cleanHeader(origin) {
		return badRequest(http.StatusBadRequest, "INVALID_ORIGIN", "origin", origin)
	}
	o, ok := parseOrigin(origin)
	same := ok && o.sameHost(r.Host)
	if !same && !s.allowed(o, ok, origin, r) {
		s.warnOrigin(origin, r.Host)
		return refuse(http.StatusForbidden, CodeForbidden, "Forbidden", "origin", origin)
	}
	s.welcome(h, origin)
	return nil
}

// welcome sets the headers for an origin that is allowed; "" names none.
func (s *Server) welcome(h http.Header, origin string) {
	cors := s.o.CORS
	if cors == nil {
		return
	}
	if s.anyOrigin {
		origin = "*"
	}
	if origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
	}
	if cors.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(cors.ExposedHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(cors.ExposedHeaders, ","))
	}
}

func (s *Server) allowed(o originPattern, ok bool, origin string, r *http.Request) bool {
	if s.o.CORS == nil {
		return false
	}
	if s.anyOrigin || ok && slices.ContainsFunc(s.origins, func(p originPattern) bool { return p.matches(o) }) {
		return true
	}
	return s.o.CORS.AllowOrigin != nil && s.o.CORS.AllowOrigin(r, origin)
}

// warnOrigin tells the developer which option is missing, at most once a
// second, so that nobody can fill the log.
func (s *Server) warnOrigin(origin, host string) {
	now, last := time.Now().UnixNano(), s.warned.Load()
	if now-last < int64(time.Second) || !s.warned.CompareAndSwap(last, now) {
		return
	}
	s.o.Logger.Warn("engine: refused a foreign origin; to let it in, list it in Options.CORS.Origins",
		"origin", strconv.Quote(origin), "host", strconv.Quote(host))
}

// cleanHeader reports whether v has only bytes that a header value may have.
func cleanHeader(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// preflight answers the question whether a cross-origin request may be made.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) {
	cors, h := s.o.CORS, w.Header()
	h.Set("Access-Control-Allow-Methods", strings.Join(cors.Methods, ","))
	allowed := strings.Join(cors.AllowedHeaders, ",")
	if len(cors.AllowedHeaders) == 0 {
		allowed = strings.Join(r.Header["Access-Control-Request-Headers"], ",")
		vary := "Access-Control-Request-Headers"
		if before := h.Get("Vary"); before != "" {
			vary = before + ", " + vary
		}
		h.Set("Vary", vary)
	}
	if allowed != "" {
		h.Set("Access-Control-Allow-Headers", allowed)
	}
	if cors.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.FormatInt(int64(cors.MaxAge.Seconds()), 10))
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusNoContent)
}
