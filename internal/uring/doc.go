// Package uring sends to many sockets with one system call, where the kernel
// has io_uring(7) and allows its use. It knows nothing but sends that do not
// wait: whoever asks for one has its result when the call returns.
package uring

import "errors"

// ErrUnsupported is what New returns where there is no such thing: on another
// system, before Linux 5.19, or where it is forbidden, as in many containers.
var ErrUnsupported = errors.New("uring: not supported here")
