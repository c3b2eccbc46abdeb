//go:build !linux

package poller

import "net"

// A Poller adopts nothing on this platform.
type Poller struct{}

// Adopt returns nil.
func (p *Poller) Adopt(net.Conn) *Conn { return nil }

// Wait returns at once.
func (p *Poller) Wait() {}

// A Conn does not exist on this platform.
type Conn struct{ net.Conn }

// Start is never called.
func (c *Conn) Start(Handler, []byte) {}

// Block is never called.
func (c *Conn) Block() {}

// Fetch is never called.
func (c *Conn) Fetch() {}

// TryWrite is never called.
func (c *Conn) TryWrite([]byte) (int, error) { return 0, net.ErrClosed }

// A Batch does not exist on this platform.
type Batch struct{}

// Batch returns nil.
func (p *Poller) Batch() *Batch { return nil }

// Write is never called.
func (b *Batch) Write() error { return nil }

// Result is never called.
func (b *Batch) Result(int) (int, error) { return 0, net.ErrClosed }

// Plan is never called.
func (b *Batch) Plan(*Conn, []byte) bool { return false }

// Release is never called.
func (b *Batch) Release() {}
