package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/roomwire/roomwire/bench/load"
	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
)

// A benchCmd measures a server.
type benchCmd struct {
	URL       string        `arg:"" help:"The server."`
	Scenario  []string      `arg:"" optional:"" enum:"connect,ping,echo,fanout" help:"What to measure: connect, ping, echo, fanout; connect and ping, which work with every server, unless said otherwise."`
	Clients   int           `short:"n" default:"100" help:"Clients at the same time."`
	Duration  time.Duration `short:"d" default:"5s" help:"How long to measure each; 10m at most."`
	Ops       int           `placeholder:"N" help:"Stop after so many operations."`
	Payload   int           `default:"64" placeholder:"BYTES" help:"Length of the string that echo and fanout send."`
	Pipeline  int           `default:"1" placeholder:"N" help:"Operations on their way at the same time, per client; of broadcasts, altogether."`
	Transport string        `enum:"websocket,polling,upgrade" default:"websocket" help:"${enum}; upgrade begins with polling, as browsers do."`
	Path      string        `placeholder:"PATH" help:"Where on the host Socket.IO is served: /socket.io/ unless said otherwise."`
	PID       int           `name:"pid" placeholder:"PID" help:"Process of the server on this machine: tells what CPU time and memory it needs."`
	JSON      bool          `name:"json" help:"Print one JSON object per scenario."`

	EchoEvent   string `default:"echo" placeholder:"EVENT" help:"Event that the server acknowledges, for echo (default: ${default})."`
	FanoutEvent string `default:"fanout" placeholder:"EVENT" help:"Event upon which the server broadcasts its argument to all clients, for fanout (default: ${default})."`
	Delivery    string `default:"msg" placeholder:"EVENT" help:"Event in which that broadcast comes (default: ${default})."`
}

// Help implements kong.HelpProvider.
func (c *benchCmd) Help() string {
	return `Scenarios:

  connect  clients connect: TCP, transport, namespace; they stay until the end
  ping     every client asks for a namespace that does not exist, and again when it is refused:
           a round trip through the server that needs no handler
  echo     every client emits --echo-event, and again when it is acknowledged
  fanout   one client emits --fanout-event, the server emits --delivery to all; each delivery counts

For example, the chat of roomwire dev:

  roomwire bench localhost:3000 fanout --fanout-event "chat message" --delivery "chat message"

The CPU time of the server per operation (--pid) is the figure that stays honest on a busy machine, where rates and latencies do not. Only measure servers that are yours.`
}

// silence is how long no operation may be answered before that is an error.
const silence = 5 * time.Second

// Run implements the command.
func (c *benchCmd) Run(e *env) error {
	u, err := c.target()
	if err != nil {
		return usageError{err}
	}
	if len(c.Scenario) == 0 {
		c.Scenario = []string{"connect", "ping"}
	}
	if c.Clients < 1 || c.Pipeline < 1 || c.Ops < 0 || c.Payload < 1 || c.Duration <= 0 {
		return usageError{errors.New("what is counted must be more than nothing")}
	}
	for i, name := range c.Scenario {
		res, err := c.measure(e, u, load.Scenario(name))
		if e.ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return c.explain(name, err)
		}
		if c.JSON {
			b, err := json.Marshal(res.Summary())
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(e.stdout, "%s\n", b); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(e.stdout)
		}
		c.print(e, res)
	}
	return nil
}

// target returns the URL as the load takes it.
func (c *benchCmd) target() (string, error) {
	raw := c.URL
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is no URL of a server", c.URL)
	}
	if p := strings.Trim(u.Path, "/"); p != "" && p != "socket.io" {
		return "", fmt.Errorf("the clients join the main namespace, not /%s; if that is where Socket.IO is served, use --path", p)
	}
	u.Path, u.RawQuery, u.Fragment = "", "", ""
	if c.Path != "" {
		u.Path = strings.ReplaceAll("/"+strings.Trim(c.Path, "/")+"/", "//", "/")
	}
	return u.String(), nil
}

func (c *benchCmd) measure(e *env, url string, scenario load.Scenario) (*load.Result, error) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	defer cancel(nil)
	bar := &benchBar{env: e, name: string(scenario)}
	defer bar.clear()
	answered := time.Now()
	res, err := load.Run(ctx, load.Config{
		URL: url, Scenario: scenario, Transport: load.Transport(c.Transport),
		Events:  load.Events{Echo: c.EchoEvent, Fanout: c.FanoutEvent, Delivery: c.Delivery},
		Clients: c.Clients, Outstanding: c.Pipeline, Payload: c.Payload,
		Duration: c.Duration, MaxOps: c.Ops, Timeout: c.Duration + time.Minute, PID: c.PID,
		Progress: func(p load.Progress) {
			bar.draw(p)
			if p.Phase != "warm-up" || p.Ops > 0 {
				answered = time.Now()
			} else if time.Since(answered) > silence {
				cancel(errSilence)
			}
		},
	})
	if errors.Is(context.Cause(ctx), errSilence) {
		err = errSilence
	}
	return res, err
}

var errSilence = errors.New("nothing came back")

// explain says what may be wrong.
func (c *benchCmd) explain(scenario string, err error) error {
	switch {
	case errors.Is(err, errSilence) && scenario == "echo":
		return fmt.Errorf("nothing acknowledged %q in %v\n  --echo-event EVENT names one that this server acknowledges\n  ping measures a round trip that needs none", c.EchoEvent, silence)
	case errors.Is(err, errSilence) && scenario == "fanout":
		return fmt.Errorf("no %q came for %q in %v\n  --fanout-event and --delivery name the events of this server", c.Delivery, c.FanoutEvent, silence)
	case errors.Is(err, errSilence):
		return fmt.Errorf("the server did not answer in %v", silence)
	}
	return fmt.Errorf("%s\n  roomwire probe %s says what the server speaks", strings.TrimPrefix(err.Error(), "load: "), c.URL)
}

// print writes a result for people.
func (c *benchCmd) print(e *env, r *load.Result) {
	s := e.out
	fmt.Fprintf(e.stdout, "%s  %s\n", s.Paint(console.Bold, string(r.Config.Scenario)),
		s.Paint(console.Dim, fmt.Sprintf("%d clients over %s, %s", r.Config.Clients, r.Config.Transport, console.Took(r.Elapsed))))
	row := func(what, value, note string) {
		fmt.Fprintf(e.stdout, "  %s  %s  %s\n", s.Column(console.Dim, what, 8), s.Paint(console.Bold, value), note)
	}
	row("rate", thousands(r.Rate())+"/s", s.Paint(console.Dim, fmt.Sprintf("%d %s", r.Ops, operationsOf(r.Config.Scenario))))
	h := &r.Latency
	row("latency", console.Took(h.Percentile(50)), fmt.Sprintf("p90 %s  p99 %s  p99.9 %s  max %s",
		console.Took(h.Percentile(90)), console.Took(h.Percentile(99)), console.Took(h.Percentile(99.9)), console.Took(h.Max())))
	if r.Last.Count() > 0 {
		row("to all", console.Took(r.Last.Percentile(50)), fmt.Sprintf("p99 %s", console.Took(r.Last.Percentile(99))))
	}
	if us, ok := r.CPUPerOp(); ok {
		row("CPU", thousands(us)+" µs", fmt.Sprintf("of the server each, %.0f %% of a core", 100*r.CPU.Seconds()/r.Elapsed.Seconds()))
	}
	if b, ok := r.MemoryPerConn(); ok {
		row("memory", console.Bytes(int(r.RSSAfter)), fmt.Sprintf("of the server, %+.1f KiB for each client", b/1024))
	}
	fmt.Fprintln(e.stdout)
	histogram(e, h)
}

func operationsOf(s load.Scenario) string {
	switch s {
	case load.Connect:
		return "connections"
	case load.Fanout:
		return "deliveries"
	case load.Echo:
		return "acknowledgements"
	}
	return "round trips"
}
