package load_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/roomwire/roomwire/bench/load"
)

func quick(url string) load.Config {
	return load.Config{URL: url, Clients: 8, Warmup: time.Millisecond, Duration: time.Minute, MaxOps: 200, Timeout: 20 * time.Second}
}

func TestEveryTransportCountsItsOperations(t *testing.T) {
	for _, portable := range []bool{false, true} {
		for _, transport := range []load.Transport{load.WebSocket, load.Polling, load.Upgrade} {
			for _, scenario := range []load.Scenario{load.Echo, load.Fanout, load.Connect} {
				t.Run(fmt.Sprint(scenario, " ", transport, " portable ", portable), func(t *testing.T) {
					c := quick(startFake(t, &fake{}))
					c.Transport, c.Scenario, c.Portable, c.Payload = transport, scenario, portable, 60
					if scenario == load.Echo {
						c.Outstanding = 3
					}
					c.PID = os.Getpid()
					res, err := load.Run(context.Background(), c)
					if err != nil {
						t.Fatal(err)
					}
					least := 200
					if scenario == load.Connect {
						least = 8
					}
					if res.Ops < least || res.Ops > least+8*8 || res.Latency.Count() != uint64(res.Ops) || res.Lost != 0 {
						t.Errorf("%d operations, %d latencies, %d lost", res.Ops, res.Latency.Count(), res.Lost)
					}
					if us, ok := res.CPUPerOp(); !ok || us <= 0 {
						t.Errorf("no CPU time")
					}
				})
			}
		}
	}
}

func TestPingNeedsNoHandlerAndLeavesNothingBehind(t *testing.T) {
	for _, open := range []bool{false, true} {
		for _, transport := range []load.Transport{load.WebSocket, load.Polling} {
			f := &fake{open: open}
			c := quick(startFake(t, f))
			c.Scenario, c.Transport, c.Outstanding = load.Ping, transport, 3
			res, err := load.Run(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			if res.Ops < 200 || res.Ops > 264 || res.Latency.Count() != uint64(res.Ops) {
				t.Errorf("%d operations, %d latencies", res.Ops, res.Latency.Count())
			}
			if left := f.left.Load(); open && left < 200 || !open && left != 0 {
				t.Errorf("open %v: %d namespaces left", open, left)
			}
		}
	}
	c := quick("ws://127.0.0.1:1")
	c.Scenario, c.Protocol = load.Ping, load.Centrifuge
	if _, err := load.Run(context.Background(), c); !errors.Is(err, load.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

func TestARefusedNamespaceIsLost(t *testing.T) {
	res, err := load.Run(context.Background(), quick(startFake(t, &fake{refuse: true})))
	if !errors.Is(err, load.ErrLost) || res.Lost == 0 {
		t.Errorf("%v, %+v", err, res)
	}
}

func TestACutConnectionEndsTheRun(t *testing.T) {
	for _, portable := range []bool{false, true} {
		c := quick(startFake(t, &fake{drop: true}))
		c.Portable = portable
		if _, err := load.Run(context.Background(), c); !errors.Is(err, load.ErrLost) {
			t.Errorf("portable %v: %v", portable, err)
		}
	}
}

func TestAConnectionCutWhileNothingIsToComeIsLost(t *testing.T) {
	for _, portable := range []bool{false, true} {
		c := quick(startFake(t, &fake{cut: 3}))
		c.Scenario, c.Portable = load.Idle, portable
		if res, err := load.Run(context.Background(), c); !errors.Is(err, load.ErrLost) || res.Lost != 1 {
			t.Errorf("portable %v: %+v, %v", portable, res, err)
		}
	}
}

// The last two of ten clients stop reading, the server disconnects one of them.
func TestPausedClientsAreNotWaitedForAndCountedWhenTheyAreCut(t *testing.T) {
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprint("portable ", portable), func(t *testing.T) {
			t.Parallel()
			c := quick(startFake(t, &fake{cut: 10, late: true}))
			c.Scenario, c.Paused, c.Inflight, c.Portable = load.Fanout, 2, 1, portable
			c.Warmup, c.WarmupOps, c.Duration, c.MinOps, c.MaxOps = 1, 1, 1, 40, 0
			res, err := load.Run(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			if res.Cut != 1 || res.Lost != 0 || res.Ops != 8*40 {
				t.Errorf("%d of 2 cut, %d lost, %d deliveries to 8", res.Cut, res.Lost, res.Ops)
			}
		})
	}
}

func TestNobodyListeningIsLost(t *testing.T) {
	if _, err := load.Run(context.Background(), quick("http://127.0.0.1:1")); !errors.Is(err, load.ErrLost) {
		t.Errorf("%v", err)
	}
}

func TestARunEndsWithItsTimeoutAndItsContext(t *testing.T) {
	c := quick(startFake(t, &fake{}))
	c.Events.Echo = "nobody answers this"
	c.Timeout = 50 * time.Millisecond
	if _, err := load.Run(context.Background(), c); !errors.Is(err, load.ErrTimeout) {
		t.Errorf("timeout: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Timeout = 0
	if _, err := load.Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("context: %v", err)
	}
}

// A server that accepts and then says nothing holds the TLS handshake; nobody
// waits for it to time out.
func TestARunDoesNotWaitForHandshakesThatGetNoAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		c := quick("https://" + l.Addr().String())
		c.Timeout = 50 * time.Millisecond
		_, err := load.Run(context.Background(), c)
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, load.ErrTimeout) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second): // the handshake's own limit is 20
		t.Error("the run waits for the handshakes")
		<-ended
	}
}

func TestConfigsOutOfBoundsAreRefused(t *testing.T) {
	for name, c := range map[string]load.Config{
		"no host":           {URL: "http:///x"},
		"scheme":            {URL: "ftp://x"},
		"clients":           {URL: "http://x", Clients: load.MaxClients + 1},
		"outstanding":       {URL: "http://x", Outstanding: -1},
		"payload":           {URL: "http://x", Payload: load.MaxPayload + 1},
		"duration":          {URL: "http://x", Duration: time.Hour},
		"transport":         {URL: "http://x", Transport: "pigeon"},
		"scenario":          {URL: "http://x", Scenario: "nap"},
		"rooms":             {URL: "http://x", Scenario: load.Rooms, Clients: 10, Rooms: 11},
		"rooms outstanding": {URL: "http://x", Scenario: load.Rooms, Clients: 10, Rooms: 10, Outstanding: 3},
		"centrifuge":        {URL: "http://x", Protocol: load.Centrifuge, Transport: load.Polling},
		"paused":            {URL: "http://x", Scenario: load.Fanout, Paused: load.MaxClients},
		"paused echo":       {URL: "http://x", Scenario: load.Echo, Paused: 1},
		"paused polling":    {URL: "http://x", Scenario: load.Fanout, Transport: load.Polling, Paused: 1},
		"centrifuge rooms":  {URL: "http://x", Protocol: load.Centrifuge, Scenario: load.Rooms},
	} {
		if _, err := load.Run(context.Background(), c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
