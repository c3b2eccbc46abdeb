package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/probe"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/remote"
)

// A probeCmd reports what a server speaks.
type probeCmd struct {
	URL       string   `arg:"" help:"The server; a path after the host is a namespace, as in socket.io-client."`
	Namespace []string `short:"n" sep:"none" placeholder:"/NAME" help:"Namespace to try; may be repeated."`
	Origin    string   `default:"https://elsewhere.example" placeholder:"URL" help:"Origin of the page that CORS is tried with."`
	JSON      bool     `name:"json" help:"Print the report as JSON."`
	remote.Flags
}

// Help implements kong.HelpProvider.
func (c *probeCmd) Help() string {
	return `It opens up to eight sessions, one after the other, and sends no event. The exit status is 1 when the server cannot be talked to at all.`
}

// Run implements the command.
func (c *probeCmd) Run(e *env) error {
	t, err := c.Target(c.URL)
	if err != nil {
		return usageError{err}
	}
	r, err := probe.Run(e.ctx, t, t.Names(c.Namespace), c.Origin)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	_, err = fmt.Fprint(e.stdout, page(e.out, r))
	return err
}

// A pager lays a report out in lines.
type pager struct {
	b    strings.Builder
	s    console.Style
	last string
}

// line adds a line; its name shows only when it is a new one.
func (p *pager) line(name string, ok bool, text string) {
	sign, color := "✓", console.Green
	if !ok {
		sign, color = "✗", console.Red
	}
	p.row(name, p.s.Paint(color, sign), text)
}

// fact adds a line that is neither good nor bad.
func (p *pager) fact(name, text string) { p.row(name, " ", text) }

func (p *pager) row(name, sign, text string) {
	shown := name
	if name == p.last {
		shown = ""
	}
	p.last = name
	fmt.Fprintf(&p.b, "  %s %s %s\n", p.s.Column(console.Dim, shown, 12), sign, console.Printable(text))
}

// page lays a report out for people.
func page(s console.Style, r *probe.Report) string {
	p := &pager{s: s}
	fmt.Fprintf(&p.b, "%s\n\n", s.Paint(console.Bold, r.URL))
	p.line("protocol", r.EngineIO["4"], "Engine.IO 4, of Socket.IO 3 and 4")
	if r.EngineIO["3"] {
		p.line("protocol", true, "Engine.IO 3, of Socket.IO 2")
	}
	if r.EngineIO["4"] {
		p.speaks(r)
	}
	for _, name := range []string{"Server", "Via", "X-Powered-By"} {
		if v := r.Headers[name]; v != "" {
			p.fact(strings.ToLower(name), v)
		}
	}
	if len(r.Advice) == 0 {
		return p.b.String()
	}
	p.b.WriteString("\n")
	for _, a := range r.Advice {
		sign := s.Paint(console.Dim, "·")
		if a.Warning {
			sign = s.Paint(console.Yellow, "!")
		}
		fmt.Fprintf(&p.b, "  %s %s\n", sign, wrap(console.Printable(a.Text), 4, 96))
	}
	return p.b.String()
}

// speaks lays out what only a server of the present version has.
func (p *pager) speaks(r *probe.Report) {
	transport := func(name string, t probe.Transport) {
		if t.OK {
			p.line(name, true, "opens in "+took(t.Took))
		} else {
			p.line(name, false, t.Error)
		}
	}
	transport("polling", r.Polling)
	transport("websocket", r.WebSocket)
	switch u := r.Upgrade; {
	case u.OK:
		p.line("upgrade", true, "polling → websocket in "+took(u.Took))
	case u.Error != "":
		p.line("upgrade", false, u.Error)
	case len(u.Offered) == 0:
		p.fact("upgrade", "not offered")
	default:
		p.fact("upgrade", "offered: "+strings.Join(u.Offered, ", "))
	}
	p.fact("heartbeat", fmt.Sprintf("every %s, to be answered within %s", time.Duration(r.Heartbeat.Interval), time.Duration(r.Heartbeat.Timeout)))
	size := "not said"
	if r.MaxPayload > 0 {
		size = console.Bytes(r.MaxPayload)
	}
	p.fact("max payload", size)
	p.fact("compression", yes(r.Compression, "permessage-deflate on WebSocket", "none on WebSocket"))
	cookie := "none"
	if c := r.Cookie; c != nil {
		cookie = c.Name + yes(c.HTTPOnly, ", HttpOnly", "") + yes(c.Secure, ", Secure", "")
		if c.SameSite != "" {
			cookie += ", SameSite=" + c.SameSite
		}
	}
	p.fact("cookie", cookie)
	p.fact("CORS", "polling: "+yes(r.CORS.Polling, "other origins may", "other origins may not")+yes(r.CORS.Polling && r.CORS.Credentials, ", with cookies", ""))
	if r.WebSocket.OK {
		p.fact("CORS", "websocket: "+yes(r.CORS.WebSocket, "other origins may", "other origins may not"))
	}
	for _, n := range r.Namespaces {
		if n.Joined {
			p.line("namespace", true, n.Name+"  joined in "+took(n.Took)+yes(n.Recovery, ", with recovery", ""))
		} else {
			p.line("namespace", false, n.Name+"  "+n.Error)
		}
	}
}

func took(m probe.Millis) string { return console.Took(time.Duration(m)) }

func yes(b bool, then, otherwise string) string {
	if b {
		return then
	}
	return otherwise
}

// wrap breaks text into lines of so many columns, indenting all but the first.
func wrap(text string, indent, width int) string {
	var b strings.Builder
	n := indent
	for i, word := range strings.Fields(text) {
		if w := console.Columns(word); i > 0 && n+1+w > width {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			n = indent + w
		} else {
			if i > 0 {
				b.WriteByte(' ')
				n++
			}
			n += w
		}
		b.WriteString(word)
	}
	return b.String()
}
