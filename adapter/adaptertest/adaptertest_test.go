package adaptertest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/adapter/adaptertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	for name, f := range map[string]adaptertest.Features{
		"bubble":    {Bubble: true, RoomEvents: true},
		"real time": {RoomEvents: true},
	} {
		t.Run(name, func(t *testing.T) {
			adaptertest.Run(t, f, func(t *testing.T, locals []adapter.Local) []adapter.Adapter {
				a, err := adapter.Memory()("/", locals[0])
				if err != nil {
					t.Fatal(err)
				}
				return []adapter.Adapter{a}
			})
		})
	}
}
