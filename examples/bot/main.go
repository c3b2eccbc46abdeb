// Bot joins a chat such as examples/chat and answers what begins with "!".
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/roomwire/roomwire/client"
)

// A message is what examples/chat sends.
type message struct{ From, Text string }

func main() {
	url := flag.String("url", "http://127.0.0.1:3000", "the chat")
	nick := flag.String("nick", "bot", "name of the bot")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, *url, *nick); err != nil {
		log.Fatal(err)
	}
}

// run works until ctx is done.
func run(ctx context.Context, url, nick string) error {
	// The credentials are those of every attempt, so the bot has its name
	// and its room again when it had to reconnect.
	c := client.New(url, &client.Options{Auth: map[string]string{"nick": nick, "room": "lobby"}})
	defer c.Close()
	s := c.Of("/")
	client.On(s, "chat message", func(ctx context.Context, m message) error {
		command, ok := strings.CutPrefix(m.Text, "!")
		if !ok || m.From == nick {
			return nil
		}
		return s.Emit(ctx, "chat message", answer(m.From, command))
	})
	s.OnConnect(func(context.Context) { log.Print("connected") })
	s.OnDisconnect(func(_ context.Context, why client.Reason) { log.Print("disconnected: ", why) })
	if err := s.Connect(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// answer is all that the bot knows.
func answer(who, command string) string {
	switch name, rest, _ := strings.Cut(command, " "); name {
	case "time":
		return time.Now().Format("It is 15:04.")
	case "echo":
		return rest
	default:
		return fmt.Sprintf("%s: I know !time and !echo", who)
	}
}
