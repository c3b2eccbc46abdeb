package adaptertest_test

import (
	"testing"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/adapter/adaptertest"
)

// A test of a package that implements [adapter.Adapter] calls Run.
func ExampleRun() {
	_ = func(t *testing.T) { // TestMine
		adaptertest.Run(t, adaptertest.Features{Bubble: true, RoomEvents: true}, func(t *testing.T, locals []adapter.Local) []adapter.Adapter {
			a, err := adapter.Memory()("/", locals[0])
			if err != nil {
				t.Fatal(err)
			}
			return []adapter.Adapter{a}
		})
	}
}
