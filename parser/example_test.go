package parser_test

import (
	"fmt"

	"github.com/roomwire/roomwire/parser"
)

// A packet with a binary value is a text message and a binary one.
func ExampleCodec() {
	type upload struct {
		Name string `json:"name"`
		Data []byte `json:"data"`
	}

	// The sender.
	payload, err := parser.JSON.Marshal(nil, "upload", upload{"dot.gif", []byte("GIF89a")})
	if err != nil {
		panic(err)
	}
	packet := parser.Packet{Type: parser.Event, Namespace: "/files", ID: 1, Payload: payload}
	header := parser.JSON.AppendHeader(nil, &packet)
	fmt.Printf("%s\n%s\n", header, payload.Attachments[0])

	// The receiver.
	decoder := parser.JSON.NewDecoder(parser.Limits{MaxAttachments: 1})
	var received parser.Packet
	complete, err := decoder.Decode(&received, false, header)
	fmt.Println(complete, err)
	complete, err = decoder.Decode(&received, true, payload.Attachments[0])
	fmt.Println(complete, err)

	name, _ := parser.JSON.Event(received.Payload)
	var u upload
	err = parser.JSON.Unmarshal(received.Payload, 1, &u)
	fmt.Printf("%s in %s: %s, %s, %v\n", name, received.Namespace, u.Name, u.Data, err)
	// Output:
	// 51-/files,1["upload",{"name":"dot.gif","data":{"_placeholder":true,"num":0}}]
	// GIF89a
	// false <nil>
	// true <nil>
	// upload in /files: dot.gif, GIF89a, <nil>
}

// What a peer sent is refused before anything of it is kept.
func ExampleDecoder() {
	decoder := parser.JSON.NewDecoder(parser.Limits{})
	var p parser.Packet
	for _, message := range []string{`2["connect"]`, `511-["x"]`, `2[{"toString":"foo"}]`} {
		_, err := decoder.Decode(&p, false, []byte(message))
		fmt.Println(err)
	}
	// Output:
	// parser: reserved event name
	// parser: illegal attachments: more than 10
	// parser: invalid packet: an event has a name, a string or number
}
