package pebble_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// aloneVariable says that this process runs one test that leaves goroutines
// of Pebble behind.
const aloneVariable = "ROOMWIRE_TEST_ALONE"

func TestMain(m *testing.M) {
	if os.Getenv(aloneVariable) != "" {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}
