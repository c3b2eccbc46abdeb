//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// polls is the least that net/http needs to be taken for a server over HTTP
// long-polling: a channel per session between its POST and its GET.
type polls struct {
	mu       sync.RWMutex
	sessions map[string]chan string
	echoes   [most]string
}

func servePolling(addr string, payload int) error {
	p := &polls{sessions: map[string]chan string{}}
	for id := range p.echoes {
		p.echoes[id] = fmt.Sprintf(`43%d["%s"]`, id, strings.Repeat("x", payload))
	}
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	ready(l.Addr().String())
	return http.Serve(l, p)
}

func (p *polls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, sid, known := strings.Cut(r.URL.RawQuery, "&sid=")
	if !known {
		_, _ = io.WriteString(w, p.open())
		return
	}
	p.mu.RLock()
	out := p.sessions[sid]
	p.mu.RUnlock()
	switch {
	case out == nil:
		http.Error(w, "unknown session", http.StatusBadRequest)
	case r.Method == http.MethodGet:
		_, _ = io.WriteString(w, next(out, r))
	default:
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		for packet := range strings.SplitSeq(string(body), "\x1e") {
			if !p.answer(out, packet) {
				http.Error(w, "too much at once", http.StatusBadRequest)
				return
			}
		}
		_, _ = io.WriteString(w, "ok")
	}
}

func (p *polls) open() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	sid := strconv.Itoa(len(p.sessions))
	p.sessions[sid] = make(chan string, most)
	return `0{"sid":"` + sid + `","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
}

// answer reports false when the session has more answers waiting than it may.
func (p *polls) answer(out chan<- string, packet string) bool {
	text := `40{"sid":"rawrawrawrawrawrawra"}`
	if number, isEvent := strings.CutPrefix(packet, "42"); isEvent {
		number, _, _ = strings.Cut(number, "[")
		id, err := strconv.Atoi(number)
		if err != nil || id < 0 || id >= most {
			return false
		}
		text = p.echoes[id]
	}
	select {
	case out <- text:
		return true
	default:
		return false
	}
}

// next waits for a packet and takes those behind it.
func next(out <-chan string, r *http.Request) string {
	var text string
	select {
	case text = <-out:
	case <-r.Context().Done():
		return ""
	}
	for {
		select {
		case more := <-out:
			text += "\x1e" + more
		default:
			return text
		}
	}
}
