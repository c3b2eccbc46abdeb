//go:build !linux || android

package uring

// A Ring is never made here. Android ends a process that asks for one.
type Ring struct{}

// New returns [ErrUnsupported].
func New(int) (*Ring, error) { return nil, ErrUnsupported }

// Close is never called.
func (*Ring) Close() {}

// Send is never called.
func (*Ring) Send(int32, []byte) {}

// Submit is never called.
func (*Ring) Submit() error { return ErrUnsupported }

// Result is never called.
func (*Ring) Result(int) (int, error) { return 0, ErrUnsupported }

// Reset is never called.
func (*Ring) Reset() {}
