package ws

import (
	"reflect"
	"sync/atomic"
	"syscall"
)

// Fetch looks at what TryWrite will look at of connections, which changes
// nothing; see engine.Fetch.
func Fetch(conns []*Conn) {
	for _, c := range conns {
		c.state.Load()
	}
	for _, c := range conns {
		switch {
		case c.fd != nil:
			c.fd.Fetch()
		case c.below != nil:
			(*c.below).Load()
		}
	}
}

// below returns where raw points to what package net has of the descriptor,
// which begins with the lock that each use of it takes. If that is laid out
// otherwise some day there is nothing to find, or a number without a meaning:
// nobody looks at its value.
func below(raw syscall.RawConn) **atomic.Uint64 {
	v := reflect.ValueOf(raw)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct || v.Elem().NumField() == 0 {
		return nil
	}
	first := v.Elem().Field(0)
	if first.Kind() != reflect.Pointer || first.IsNil() || first.Type().Elem().Size() < 8 {
		return nil
	}
	return (**atomic.Uint64)(v.UnsafePointer())
}
