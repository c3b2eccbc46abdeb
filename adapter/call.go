package adapter

import (
	"context"
	"iter"
	"sync"

	"github.com/roomwire/roomwire/parser"
)

func (m *memory) BroadcastCall(ctx context.Context, p *parser.Packet, to Selector, f Flags) iter.Seq2[Reply, error] {
	return func(yield func(Reply, error) bool) {
		ctx, cancel := withTimeout(ctx, f)
		defer cancel()
		if ctx.Err() != nil {
			yield(Reply{}, ErrTimeout)
			return
		}
		in := &inbox{ready: make(chan struct{}, 1)}
		defer in.close()
		n := m.call(ctx, p, to, f, in.put)
		for n > 0 {
			last := false
			select {
			case <-in.ready:
			case <-ctx.Done():
				last = true // what has come in still counts
			}
			for _, r := range in.take() {
				if n--; !yield(r, nil) {
					return
				}
				if n == 0 {
					return
				}
			}
			if last {
				yield(Reply{}, ErrTimeout)
				return
			}
		}
	}
}

func withTimeout(ctx context.Context, f Flags) (context.Context, context.CancelFunc) {
	if f.Timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, f.Timeout)
}

// call sends p to the sockets chosen and returns how many those are.
func (m *memory) call(ctx context.Context, p *parser.Packet, to Selector, f Flags, reply func(Reply)) int {
	b := m.choose(to)
	defer b.release()
	if len(b.targets) == 0 {
		return 0
	}
	return m.local.Call(ctx, b.groups, p, f, reply)
}

// An inbox takes replies from any goroutine, without ever blocking it.
type inbox struct {
	ready chan struct{} // holds a token when there is something to take

	mu      sync.Mutex
	closed  bool
	replies []Reply
	spare   []Reply
}

func (in *inbox) put(r Reply) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	in.replies = append(in.replies, r)
	if len(in.replies) == 1 {
		select {
		case in.ready <- struct{}{}:
		default:
		}
	}
}

// take returns what has come in since. It is good until the next call.
func (in *inbox) take() []Reply {
	in.mu.Lock()
	defer in.mu.Unlock()
	out := in.replies
	clear(in.spare)
	in.replies, in.spare = in.spare[:0], out
	return out
}

// close drops what is there and what will come.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed, in.replies, in.spare = true, nil, nil
}
