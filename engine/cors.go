package engine

import "net/http"

// AllowOrigin applies the rules for other origins to a request for something
// that is not Engine.IO but served beside it: it sets the response headers in
// h and reports whether the origin is allowed.
func (s *Server) AllowOrigin(h http.Header, r *http.Request) bool {
	return s.checkOrigin(h, r) == nil
}
