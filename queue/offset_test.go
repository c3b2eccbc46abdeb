package queue_test

import (
	"errors"
	"testing"

	"github.com/roomwire/roomwire/queue"
)

func TestOffsetTextIsStrict(t *testing.T) {
	for _, s := range []string{"", ".", "1", "1.", ".1", "1.2.3", "01.1", "1.00", "A.1", "+1.1", "-1.1", " 1.1", "1_0.1", "zzzzzzzzzzzzz.1", "11111111111111.1", "1.1\n"} {
		if o, err := queue.ParseOffset(s); !errors.Is(err, queue.ErrOffset) {
			t.Errorf("%q: %v, %v", s, o, err)
		}
	}
	max := queue.Offset{Epoch: 1<<64 - 1, Seq: 1<<64 - 1}
	if o, err := queue.ParseOffset(max.String()); o != max || err != nil {
		t.Errorf("%v: %v, %v", max, o, err)
	}
}

func FuzzParseOffset(f *testing.F) {
	f.Add("0.0")
	f.Add("zik0zj.1z")
	f.Add("3w5e11264sgsf.3w5e11264sgsf")
	f.Fuzz(func(t *testing.T, s string) {
		if o, err := queue.ParseOffset(s); err == nil && o.String() != s {
			t.Errorf("%q is taken for %v", s, o)
		}
	})
}
