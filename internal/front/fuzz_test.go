package front

import (
	"bufio"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// What parse takes, net/http takes too, and reads the same in it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n",
		"GET /a?b=%20 HTTP/1.1\r\nHost: [::1]:80\r\nupgrade: WEBSOCKET\r\nSec-WebSocket-Key:a \r\nA: 1\r\na:\t2\r\nPragma: no-cache\r\nConnection: Upgrade, close\r\n\r\n",
		"GET //a/../b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nX: y\rz\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n b\r\n\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		head := headOf([]byte(s))
		got, ok := parse(head)
		if !ok {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", head, err)
		}
		if want.ContentLength != 0 || want.TransferEncoding != nil || want.Trailer != nil {
			t.Fatalf("a body in %q", head)
		}
		for _, field := range []string{"Method", "RequestURI", "Proto", "ProtoMajor", "ProtoMinor", "Host", "Header", "URL", "Close"} {
			g, w := reflect.ValueOf(got).Elem().FieldByName(field).Interface(), reflect.ValueOf(want).Elem().FieldByName(field).Interface()
			if !reflect.DeepEqual(g, w) {
				t.Errorf("%s is %v, with net/http %v, in %q", field, g, w, head)
			}
		}
	})
}
