package session

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWordsKeepJSONTogether(t *testing.T) {
	for line, want := range map[string]string{
		`chat hello`:                        `["chat","hello"]`,
		`  chat   {"a": [1, 2]}  7 `:        `["chat",{"a":[1,2]},7]`,
		`"chat message" "two words" 'a "b'`: `["chat message","two words","a \"b"]`,
		`x '7' true null -1 1e3 héé`:        `["x","7",true,null,-1,1e3,"héé"]`,
		`x {"a":1}{"b":2}`:                  `["x",{"a":1},{"b":2}]`,
		``:                                  `[]`,
	} {
		ws, err := words(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		got, err := json.Marshal(args(ws))
		if err != nil || string(got) != want {
			t.Errorf("%s is %s, %v; want %s", line, got, err, want)
		}
	}
	for line, want := range map[string]string{`x {"a":`: "no JSON", `x 'a`: "not closed", `"x`: "no JSON", `x [1,}`: "no JSON"} {
		if ws, err := words(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %v, %v; want an error with %q", line, ws, err, want)
		}
	}
}

func TestNamesAreSpelledSuchThatTheyCanBeRead(t *testing.T) {
	for _, name := range []string{"plain", "chat message", "/slash", "?ask", `"quoted"`, "{", "'", "a\tb", "ünï", ""} {
		ws, err := words(spell(name))
		if err != nil || len(ws) != 1 || ws[0].text != name {
			t.Errorf("%q is spelled %s, which is read as %v, %v", name, spell(name), ws, err)
		}
	}
}
