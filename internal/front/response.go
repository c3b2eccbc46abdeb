package front

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"
)

// A response is what the handler of a handshake gets: it takes the connection,
// or writes an answer, whose end is that of the connection.
type response struct {
	f      *front
	nc     net.Conn
	header http.Header
	status int // 0: nothing was written
	taken  bool
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case w.taken:
		w.f.logf("http: response.WriteHeader on hijacked connection")
		return
	case w.status != 0:
		w.f.logf("http: superfluous response.WriteHeader call")
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		return // of no use before an answer that is ready
	}
	w.status = status
	if w.f.hs.WriteTimeout > 0 {
		_ = w.nc.SetWriteDeadline(time.Now().Add(w.f.hs.WriteTimeout))
	}
	w.header.Del("Transfer-Encoding")
	if status >= 200 {
		w.header.Set("Connection", "close")
	}
	if _, set := w.header["Date"]; !set { // nil leaves it out
		w.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	b := bufio.NewWriter(w.nc)
	fmt.Fprintf(b, "HTTP/1.1 %03d %s\r\n", status, http.StatusText(status))
	_ = w.header.Write(b)
	_, _ = b.WriteString("\r\n")
	_ = b.Flush() // if that fails, so will Write
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if w.taken {
		return 0, http.ErrHijacked
	}
	if w.status == 0 {
		if _, set := w.header["Content-Type"]; !set {
			w.header.Set("Content-Type", http.DetectContentType(b))
		}
		w.WriteHeader(http.StatusOK)
	}
	if w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	return w.nc.Write(b)
}

// Flush implements http.Flusher. Nothing is held back.
func (w *response) Flush() {
	if w.status == 0 && !w.taken {
		w.WriteHeader(http.StatusOK)
	}
}

// SetReadDeadline lets http.ResponseController set it.
func (w *response) SetReadDeadline(t time.Time) error { return w.nc.SetReadDeadline(t) }

// SetWriteDeadline lets http.ResponseController set it.
func (w *response) SetWriteDeadline(t time.Time) error { return w.nc.SetWriteDeadline(t) }

// Hijack implements http.Hijacker.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, err := w.Take()
	if err != nil {
		return nil, nil, err
	}
	return nc, bufio.NewReadWriter(bufio.NewReader(nc), bufio.NewWriter(nc)), nil
}

// Take is Hijack without the buffers: nothing has been read that is not part
// of the request.
func (w *response) Take() (net.Conn, error) {
	if w.taken {
		return nil, http.ErrHijacked
	}
	if err := w.nc.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	w.taken = true
	w.f.state(w.nc, http.StateHijacked)
	return w.nc, nil
}

// finish ends the connection, unless the handler took it. returned tells that
// the handler did not panic.
func (w *response) finish(returned bool) {
	if w.taken {
		return
	}
	if w.status == 0 && returned {
		w.header.Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
	}
	_ = w.nc.Close()
	w.f.state(w.nc, http.StateClosed)
}

func (f *front) logf(format string, args ...any) {
	if f.hs.ErrorLog != nil {
		f.hs.ErrorLog.Printf(format, args...)
	} else {
		log.Printf(format, args...)
	}
}
