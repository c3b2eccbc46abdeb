package queueapi

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/roomwire/roomwire/queue"
)

// Path is where a Server is mounted; the name of the operation follows.
const Path = "/api/queue/"

// maxRequest bounds the body of a request.
const maxRequest = 4 << 20

// A Server offers the operations over HTTP to programs on the same machine
// that know its token: POST Path+operation, with JSON. It is not for pages: it
// refuses every request that a browser says comes from one.
type Server struct {
	ops   *Ops
	token string
}

// NewServer returns a server with a token of its own.
func NewServer(ops *Ops) *Server { return &Server{ops: ops, token: rand.Text()} }

// Token returns what requests must bring, as a bearer token.
func (s *Server) Token() string { return s.token }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if status, text := s.refuse(r); status != 0 {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		answer(w, status, failure{text})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		status := http.StatusBadRequest
		if errors.As(err, new(*http.MaxBytesError)) {
			status = http.StatusRequestEntityTooLarge
		}
		answer(w, status, failure{"queue: " + err.Error()})
		return
	}
	v, err := s.ops.Run(r.Context(), strings.TrimPrefix(r.URL.Path, Path), body)
	if err != nil {
		answer(w, statusOf(err), failure{err.Error()})
		return
	}
	answer(w, http.StatusOK, v)
}

// refuse says what is wrong with a request, before its body is looked at.
func (s *Server) refuse(r *http.Request) (status int, why string) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return http.StatusForbidden, "queue: only for programs on this machine"
	}
	// A page of a name that was made to point here still says that name.
	if !loopbackHost(r.Host) {
		return http.StatusForbidden, "queue: unknown host"
	}
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return http.StatusForbidden, "queue: not for pages"
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
		return http.StatusUnauthorized, "queue: wrong or no token"
	}
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, "queue: use POST"
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return http.StatusUnsupportedMediaType, "queue: send application/json"
	}
	return 0, ""
}

// loopbackHost reports whether a Host header names this machine only.
func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrRequest), errors.Is(err, queue.ErrOffset):
		return http.StatusBadRequest
	case errors.Is(err, queue.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, queue.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, queue.ErrLeaseLost), errors.Is(err, queue.ErrMailboxFull), errors.Is(err, queue.ErrWorkFull):
		return http.StatusConflict
	case errors.Is(err, queue.ErrRefused), errors.Is(err, queue.ErrFailed), errors.Is(err, queue.ErrClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// A failure is the answer to a request that went wrong.
type failure struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"queue: answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
