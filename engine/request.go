package engine

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A query is what the requests of Engine.IO say in their URL.
type query struct{ protocol, transport, sid, b64 string }

// parseQuery takes the first value of each parameter and skips the others.
func parseQuery(raw string) (q query) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		if strings.Contains(name, "%") {
			if clean, err := url.QueryUnescape(name); err == nil {
				name = clean
			}
		}
		var field *string
		switch name {
		case "EIO":
			field = &q.protocol
		case "transport":
			field = &q.transport
		case "sid":
			field = &q.sid
		case "b64":
			field = &q.b64
		default:
			continue
		}
		if *field == "" {
			if clean, err := url.QueryUnescape(value); err == nil {
				value = clean
			}
			*field = value
		}
	}
	return q
}

// A refusal is how a request is turned down.
type refusal struct {
	ConnectionError
	status int
	shown  string // to the client; "": Message
}

var errDuplicateID = errors.New("engine: session ID is in use")

func refuse(status, code int, message string, context ...any) *refusal {
	f := &refusal{status: status, ConnectionError: ConnectionError{Code: code, Message: message}}
	f.Context = make(map[string]any, len(context)/2)
	for i := 0; i < len(context); i += 2 {
		f.Context[context[i].(string)] = context[i+1]
	}
	return f
}

func badRequest(status int, name string, context ...any) *refusal {
	return refuse(status, CodeBadRequest, "Bad request", append(context, "name", name)...)
}

// serve handles a request, within the middleware.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	q := parseQuery(r.URL.RawQuery)
	if len(r.TransferEncoding) > 0 && r.ProtoMajor == 1 {
		// The request may have had a Content-Length too, and whoever stands
		// between may have believed that one: RFC 9112 section 6.1.
		w.Header().Set("Connection", "close")
	}
	if r.Method == http.MethodOptions && s.o.CORS == nil {
		s.refuse(w, r, refuse(http.StatusBadRequest, CodeBadHandshakeMethod, "Bad handshake method", "method", r.Method))
		return
	}
	if f := s.checkOrigin(w.Header(), r); f != nil {
		s.refuse(w, r, f)
		return
	}
	if r.Method == http.MethodOptions {
		s.preflight(w, r)
		return
	}
	upgrade := isUpgrade(r)
	if f := s.checkTransport(q, upgrade); f != nil {
		s.refuse(w, r, f)
		return
	}
	if q.sid != "" {
		s.serveSession(w, r, q, upgrade)
		return
	}
	switch {
	case r.Method != http.MethodGet:
		s.refuse(w, r, refuse(http.StatusBadRequest, CodeBadHandshakeMethod, "Bad handshake method", "method", r.Method))
	case q.transport == "websocket" && !upgrade:
		s.refuse(w, r, badRequest(http.StatusBadRequest, "TRANSPORT_HANDSHAKE_ERROR"))
	case upgrade:
		s.openWebSocket(w, r, q)
	default:
		s.openPolling(w, r, q)
	}
}

func (s *Server) checkTransport(q query, upgrade bool) *refusal {
	switch {
	case q.transport == "polling" && s.polling:
		if upgrade {
			return badRequest(http.StatusBadRequest, "TRANSPORT_HANDSHAKE_ERROR")
		}
	case q.transport == "websocket" && s.websocket:
	case q.transport == "":
		return refuse(http.StatusBadRequest, CodeUnknownTransport, "Transport unknown")
	default:
		return refuse(http.StatusBadRequest, CodeUnknownTransport, "Transport unknown", "transport", q.transport)
	}
	return nil
}

// isUpgrade reports whether the client wants a WebSocket. An upgrade to
// anything else is not taken up.
func isUpgrade(r *http.Request) bool {
	for _, line := range r.Header["Upgrade"] {
		for element := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(element), "websocket") {
				return true
			}
		}
	}
	return false
}

// serveSession handles a request that belongs to a session.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, q query, upgrade bool) {
	c := s.get(q.sid)
	if c != nil && !c.bound(r) {
		c = nil
	}
	if c != nil && r.Method == http.MethodGet {
		c.overdue()
	}
	if c == nil || c.is(stateClosed) {
		s.refuse(w, r, refuse(http.StatusBadRequest, CodeUnknownSession, "Session ID unknown", "sid", q.sid))
		return
	}
	if q.protocol != "4" {
		s.refuse(w, r, badRequest(http.StatusBadRequest, "PROTOCOL_MISMATCH", "protocol", 3, "previousProtocol", 4))
		return
	}
	transport := c.Transport()
	mismatch := func() {
		s.refuse(w, r, badRequest(http.StatusBadRequest, "TRANSPORT_MISMATCH", "transport", q.transport, "previousTransport", transport))
	}
	switch {
	case upgrade && s.o.NoUpgrades && transport == "polling":
		mismatch()
	case upgrade:
		s.upgrade(w, r, c)
	case q.transport != transport || transport == "websocket":
		mismatch()
	case r.Method == http.MethodGet:
		c.poll(w, r)
	case r.Method == http.MethodPost:
		c.post(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// handshake makes the connection that r asks for, if it may have one.
func (s *Server) handshake(r *http.Request, q query) (*Conn, *refusal) {
	if size := openingSize(r); size > s.o.HandshakeBytes {
		return nil, badRequest(http.StatusRequestHeaderFieldsTooLarge, "HANDSHAKE_TOO_LARGE", "bytes", size)
	}
	from, f := s.enter(r)
	if f != nil {
		return nil, f
	}
	c, f := s.allow(r, q)
	if f != nil {
		s.addresses.leave(from)
		return nil, f
	}
	c.from = from
	return c, nil
}

// allow asks AllowRequest and makes a connection.
func (s *Server) allow(r *http.Request, q query) (*Conn, *refusal) {
	if allow := s.o.AllowRequest; allow != nil {
		if err := allow(r); err != nil {
			status := http.StatusForbidden
			if isUpgrade(r) {
				status = http.StatusBadRequest // as Node.js does
			}
			f := refuse(status, CodeForbidden, "Forbidden", "message", err.Error())
			var shown *Refusal
			if errors.As(err, &shown) {
				f.shown = shown.Message
			}
			return nil, f
		}
	}
	if q.protocol != "4" {
		return nil, refuse(http.StatusBadRequest, CodeUnsupportedProtocol, "Unsupported protocol version", "protocol", 3)
	}
	id, err := s.newID(r)
	if err != nil {
		return nil, badRequest(http.StatusBadRequest, "ID_GENERATION_ERROR", "error", err)
	}
	return s.newConn(r, id), nil
}

// newID returns 120 random bits, which 20 characters hold without a rest.
func (s *Server) newID(r *http.Request) (string, error) {
	if s.o.NewID == nil {
		var b [15]byte
		_, _ = rand.Read(b[:]) // never fails
		return base64.RawURLEncoding.EncodeToString(b[:]), nil
	}
	id, err := s.o.NewID(r)
	if err != nil {
		return "", err
	}
	for i := range len(id) {
		if c := id[i]; c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "", errors.New("engine: session ID has a character that is not allowed")
		}
	}
	if id == "" {
		return "", errors.New("engine: session ID is empty")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.conns[id] != nil {
		return "", errDuplicateID
	}
	return id, nil
}

// openPacket returns the data of the open packet.
func (s *Server) openPacket(id string, polling bool) []byte {
	b := make([]byte, 0, 160)
	b = append(b, `{"sid":"`...)
	b = append(b, id...)
	b = append(b, `","upgrades":[`...)
	if polling && s.websocket && !s.o.NoUpgrades {
		b = append(b, `"websocket"`...)
	}
	b = append(b, ']')
	return append(b, s.params...)
}

// firstHeaders adds what the first response of a session has.
func (s *Server) firstHeaders(h http.Header, r *http.Request, id string) {
	if s.o.Cookie != nil {
		cookie := *s.o.Cookie
		cookie.Value = id
		h.Add("Set-Cookie", cookie.String())
	}
	if f := s.o.Hooks.InitialHeaders; f != nil {
		f(h, r)
	}
}

func (s *Server) headers(h http.Header, r *http.Request) {
	if f := s.o.Hooks.Headers; f != nil {
		f(h, r)
	}
}

// notAdded refuses a handshake that came while the server closes, or whose
// session ID was given to another one meanwhile.
func (s *Server) notAdded(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errDuplicateID) {
		s.refuse(w, r, badRequest(http.StatusBadRequest, "ID_GENERATION_ERROR", "error", err))
		return
	}
	w.Header().Set("Connection", "close")
	w.WriteHeader(http.StatusServiceUnavailable)
}

// refuse answers, counts and reports a refusal.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, f *refusal) {
	f.Request = r
	s.count.refused[f.Code].Add(1)
	if s.o.Logger.Enabled(r.Context(), slog.LevelDebug) {
		s.o.Logger.Debug("engine: refused a request", "code", f.Code, "message", f.Message, "remote", r.RemoteAddr)
	}
	if h := s.o.Hooks.ConnectionError; h != nil {
		h(&f.ConnectionError)
	}
	shown := f.shown
	if shown == "" {
		shown = f.Message
	}
	h := w.Header()
	var body []byte
	if isUpgrade(r) {
		h.Set("Connection", "close")
		h.Set("Content-Type", "text/html")
		body = []byte(html.EscapeString(shown))
	} else {
		h.Set("Content-Type", "application/json")
		body = append(strconv.AppendInt([]byte(`{"code":`), int64(f.Code), 10), `,"message":`...)
		body = append(append(body, plainJSON(shown)...), '}')
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.status)
	_, _ = w.Write(body)
}

// plainJSON encodes a string as JavaScript does.
func plainJSON(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always can be
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	text = bytes.ReplaceAll(text, []byte(`\u2028`), []byte("\u2028"))
	return bytes.ReplaceAll(text, []byte(`\u2029`), []byte("\u2029"))
}
