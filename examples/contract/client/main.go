// Client says something to the server of the contract and shows what was said.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/roomwire/roomwire/client"
	"github.com/roomwire/roomwire/event"
	"github.com/roomwire/roomwire/examples/contract/chat"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:3000", "the server")
	flag.Parse()
	if err := run(*url, strings.Join(flag.Args(), " ")); err != nil {
		log.Fatal(err)
	}
}

func run(url, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := client.New(url, nil)
	defer c.Close()
	s := c.Of("/")
	client.On(s, chat.Posted, func(_ context.Context, m chat.Message) error {
		fmt.Fprintf(os.Stdout, "%s: %s\n", m.From, m.Text)
		return nil
	})
	if err := s.Connect(ctx); err != nil {
		return err
	}
	m, err := chat.Say.Call(ctx, s, chat.Draft{Room: "lobby", Kind: chat.Text, Text: text})
	if said := (*event.Error)(nil); errors.As(err, &said) {
		return fmt.Errorf("the server says: %s", said.Message)
	}
	if err != nil {
		return err
	}
	fmt.Printf("posted number %d\n", m.ID)
	old, err := chat.History.Call(ctx, s, chat.Page{Room: "lobby"})
	for _, m := range old {
		fmt.Printf("%d. %s\n", m.ID, m.Text)
	}
	return err
}
