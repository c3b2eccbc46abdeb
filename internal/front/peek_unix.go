//go:build unix

package front

import (
	"bytes"
	"io"
	"net"
	"sync"
	"syscall"
)

const canPeek = true

var heads = sync.Pool{New: func() any { return new([maxHead]byte) }}

// peek waits for the first bytes of a connection and, if they are the head of
// a request, returns it; it has read nothing. While it waits it holds no buffer.
func peek(nc net.Conn) (head string, err error) {
	raw, err := rawConn(nc)
	if raw == nil || err != nil {
		return "", err
	}
	waitErr := raw.Read(func(fd uintptr) (done bool) {
		buf := heads.Get().(*[maxHead]byte)
		defer heads.Put(buf)
		var n int
		for {
			if n, _, err = syscall.Recvfrom(int(fd), buf[:], syscall.MSG_PEEK); err != syscall.EINTR {
				break
			}
		}
		switch {
		case err == syscall.EAGAIN:
			return false
		case err == nil && n == 0:
			err = io.EOF
		case err == nil:
			head = headOf(buf[:n])
		}
		return true
	})
	if waitErr != nil {
		return "", waitErr
	}
	return head, err
}

// rawConn returns the descriptor of a connection, nil if it has TLS or is of an
// unknown kind.
func rawConn(nc net.Conn) (syscall.RawConn, error) {
	switch nc := nc.(type) {
	case *net.TCPConn:
		return nc.SyscallConn()
	case *net.UnixConn:
		return nc.SyscallConn()
	}
	return nil, nil
}

// headOf returns what b begins with, up to the first empty line, or "".
func headOf(b []byte) string {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return ""
	}
	return string(b[:end+len("\r\n\r\n")])
}

// skip reads n bytes that peek has seen.
func skip(nc net.Conn, n int) error {
	buf := heads.Get().(*[maxHead]byte)
	defer heads.Put(buf)
	_, err := io.ReadFull(nc, buf[:n])
	return err
}
