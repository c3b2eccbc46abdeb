package sio

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// The browser bundles of the npm package socket.io. They are fetched at build
// time and are not part of the source; without them the directory holds only a
// README.
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
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		data = zipped(name, data)
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

var zips sync.Map // of the bundles by name, made when first asked for

func zipped(name string, data []byte) []byte {
	if z, ok := zips.Load(name); ok {
		return z.([]byte)
	}
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	_, _ = zw.Write(data) // to memory
	_ = zw.Close()
	zips.Store(name, buf.Bytes())
	return buf.Bytes()
}
