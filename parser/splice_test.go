package parser_test

import (
	"testing"

	"github.com/roomwire/roomwire/parser"
)

func TestRestAndSpliceAreInverse(t *testing.T) {
	for _, c := range []struct{ event, args, spliced string }{
		{`["a"]`, `[]`, `["b"]`},
		{`["a",1]`, `[1]`, `["b",1]`},
		{` [ "a" , 1 , [2] ] `, `[ 1 , [2] ] `, `["b",1 , [2] ] `},
		{`["a\"",{"x":","}]`, `[{"x":","}]`, `["b",{"x":","}]`},
		{`[ "" ]`, `[]`, `["b"]`},
		{`[7,8]`, `[8]`, `["b",8]`},
	} {
		rest := parser.JSON.Rest(parser.Payload{Data: []byte(c.event)})
		if got := string(rest.Data); got != c.args {
			t.Errorf("Rest(%s) = %s, want %s", c.event, got, c.args)
		}
		if got := string(parser.JSON.Splice(nil, "b", rest).Data); got != c.spliced {
			t.Errorf("Splice of %s = %s, want %s", c.args, got, c.spliced)
		}
	}
	number := parser.Payload{Data: []byte(`[7]`)}
	name, _ := parser.JSON.Event(number)
	if got := parser.JSON.Rest(number); string(got.Data) != `[]` || string(name) != "7" {
		t.Errorf("Rest of an event named by a number = %s, and its name became %s", got.Data, name)
	}
	if got := parser.JSON.Splice([]byte("head"), "b", number); string(got.Data) != `["b",7]` {
		t.Errorf("Splice behind other text = %s", got.Data)
	}
	args := parser.Payload{Data: []byte(`[1,2]`)}
	if got := string(parser.JSON.Splice(nil, "", args).Data); got != `[1,2]` {
		t.Errorf("Splice without a name = %s", got)
	}
}
