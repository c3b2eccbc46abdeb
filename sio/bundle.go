package sio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"embed"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/roomwire/roomwire/internal/negotiate"
)

// The browser bundles of the npm package socket.io. They are fetched at build
// time, with a Brotli form of each, and are not part of the source; without
// them the directory holds only a README.
//
//go:embed client-dist
var clientDist embed.FS

// bundles are the only file names that are served, as in Node.js.
var bundles = map[string]bool{
	"socket.io.js": true, "socket.io.js.map": true,
	"socket.io.min.js": true, "socket.io.min.js.map": true,
	"socket.io.esm.min.js": true, "socket.io.esm.min.js.map": true,
	"socket.io.msgpack.min.js": true, "socket.io.msgpack.min.js.map": true,
}

// ClientVersion returns the version of the browser bundles that the server
// was built with, or "" when it was built without.
func ClientVersion() string {
	b, err := fs.ReadFile(clientDist, "client-dist/version")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// serveBundle answers a request for a browser bundle. It reports false when
// the request is not for one.
func (s *Server) serveBundle(w http.ResponseWriter, r *http.Request) bool {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if !bundles[name] || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return false
	}
	if s.opts.Engine.CORS != nil {
		s.eng.AllowOrigin(w.Header(), r) // a script may be loaded by anyone; the headers let it be read
	}
	serveFile(w, r, name)
	return true
}

func serveFile(w http.ResponseWriter, r *http.Request, name string) {
	data, err := fs.ReadFile(clientDist, "client-dist/"+name)
	version := ClientVersion()
	if err != nil || version == "" {
		http.Error(w, "This server was built without the Socket.IO browser client. "+
			"Run `make client-dist` and build it again.", http.StatusNotFound)
		return
	}
	etag := `"` + version + `"`
	h := w.Header()
	if match := r.Header.Get("If-None-Match"); match == etag || match == "W/"+etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	kind := "application/json; charset=utf-8"
	if !strings.HasSuffix(name, ".map") {
		kind = "application/javascript; charset=utf-8"
	}
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("Content-Type", kind)
	h.Set("ETag", etag)
	h.Add("Vary", "Accept-Encoding")
	offered := []string{"gzip", "deflate"}
	brotli, err := fs.ReadFile(clientDist, "client-dist/"+name+".br")
	if err == nil {
		offered = []string{"br", "gzip", "deflate"}
	}
	switch encoding := negotiate.Encoding(r.Header["Accept-Encoding"], offered...); encoding {
	case "":
	case "br":
		h.Set("Content-Encoding", encoding)
		data = brotli
	default:
		h.Set("Content-Encoding", encoding)
		data = squeezed(name, encoding, data)
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

var squeezes sync.Map // of the bundles by name and encoding, made when first asked for

// squeezed returns data compressed as "gzip" or "deflate".
func squeezed(name, encoding string, data []byte) []byte {
	key := name + " " + encoding
	if z, ok := squeezes.Load(key); ok {
		return z.([]byte)
	}
	var buf bytes.Buffer
	var zw io.WriteCloser = gzip.NewWriter(&buf)
	if encoding == "deflate" {
		zw = zlib.NewWriter(&buf)
	}
	_, _ = zw.Write(data) // to memory
	_ = zw.Close()
	squeezes.Store(key, buf.Bytes())
	return buf.Bytes()
}
