package load_test

import (
	"context"
	"fmt"
	"time"

	"github.com/roomwire/roomwire/bench/load"
)

// A thousand clients echo for five seconds against a server on this machine.
func ExampleRun() {
	res, err := load.Run(context.Background(), load.Config{
		URL:      "http://127.0.0.1:3000",
		Scenario: load.Echo,
		Clients:  1000,
		Duration: 5 * time.Second,
		Progress: func(p load.Progress) { fmt.Printf("\r%s %3.0f %%", p.Phase, p.Fraction*100) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f acks per second, p99 %v\n", res.Rate(), res.Latency.Percentile(99))
	for _, bar := range res.Latency.Bars() {
		fmt.Println(bar.From, bar.Count)
	}
}
