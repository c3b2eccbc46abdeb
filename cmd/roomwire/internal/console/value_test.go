package console_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/roomwire/roomwire/cmd/roomwire/internal/console"
)

func TestValuesKeepWhatTheSenderWrote(t *testing.T) {
	raw := `{"z":1.0,"a":12345678901234567890,"bin":{"_placeholder":true,"num":0},"list":[{"_placeholder":true,"num":1},"\u0041"]}`
	v := console.Value{Raw: json.RawMessage(raw), Decoded: map[string]any{
		"z": 1.0, "a": 12345678901234567890.0, "bin": []byte{0, 1, 255}, "list": []any{[]byte(nil), "A"},
	}}
	want := `{"z":1.0,"a":12345678901234567890,"bin":{"base64":"AAH/"},"list":[{"base64":""},"\u0041"]}`
	if got := string(v.AppendJSON(nil)); got != want {
		t.Errorf("JSON is\n%s, want\n%s", got, want)
	}
	if got, want := v.Text(console.Style{}), `<3 B 0001ff>`; !strings.Contains(got, want) {
		t.Errorf("text is %s, want %s in it", got, want)
	}
}

func TestNothingThatWasSentReachesTheTerminalAsAnEscape(t *testing.T) {
	hostile := "a\x1b[31m\u009b31m\u202eb\x00\U000e0001\n"
	raw, err := json.Marshal(map[string]any{hostile: hostile})
	if err != nil {
		t.Fatal(err)
	}
	// encoding/json escapes only some of it.
	v := console.Value{Raw: raw, Decoded: map[string]any{hostile: hostile}}
	for _, text := range []string{v.Text(console.Style{}), string(v.AppendJSON(nil)), console.Printable(hostile)} {
		if strings.ContainsAny(text, "\x1b\u009b\u202e\x00\n\U000e0001") {
			t.Errorf("%q goes to the terminal", text)
		}
	}
	var back map[string]string
	if err := json.Unmarshal(v.AppendJSON(nil), &back); err != nil || back[hostile] != hostile {
		t.Errorf("the JSON is %q, %v", back, err)
	}
}

func TestClipCutsColumnsAndKeepsColours(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"just right", 10, "just right"},
		{"one too many", 11, "one too ma…"},
		{"日本語テキスト", 9, "日本語テ…"},
		{"\x1b[31mred\x1b[0m text", 5, "\x1b[31mred\x1b[0m …\x1b[0m"},
		{"no limit", 0, "no limit"},
	} {
		if got := console.Clip(c.text, c.width); got != c.want {
			t.Errorf("%q cut to %d is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestDurationsAndSizesAreShort(t *testing.T) {
	for n, want := range map[int]string{0: "0 B", 999: "999 B", 1e6: "1 MB", 100_000_000: "100 MB", 1 << 20: "1 MiB", 1536: "1.5 KiB"} {
		if got := console.Bytes(n); got != want {
			t.Errorf("%d bytes are %s, want %s", n, got, want)
		}
	}
	for us, want := range map[int]string{
		0: "0µs", 999: "999µs", 1000: "1ms", 1236: "1.24ms", 310_000: "310ms", 999_499: "999ms", 999_600: "1s",
		2_046_000: "2.05s", 59_940_000: "59.9s", 90_000_000: "1m30s",
	} {
		if got := console.Took(time.Duration(us) * time.Microsecond); got != want {
			t.Errorf("%d µs are %s, want %s", us, got, want)
		}
	}
}
