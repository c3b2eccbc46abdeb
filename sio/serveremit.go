package sio

import (
	"context"
	"errors"
	"iter"

	"github.com/roomwire/roomwire/adapter"
	"github.com/roomwire/roomwire/parser"
)

// ServerEmit sends an event to this namespace on the other nodes of the
// cluster, not to clients: serverSideEmit. They handle it with
// [Namespace.HandleServer]. On a single node it does nothing.
func (n *Namespace) ServerEmit(ctx context.Context, name string, args ...any) error {
	for _, err := range n.serverEmit(ctx, name, -1, args) {
		if err != nil && !errors.Is(err, adapter.ErrAlone) {
			return err
		}
	}
	return nil
}

// ServerCall is ServerEmit with an answer from each other node:
// serverSideEmitWithAck. It ends with [ErrTimeout] when they do not all answer
// in time. On a single node there are none.
func (n *Namespace) ServerCall(ctx context.Context, name string, args ...any) iter.Seq2[Reply, error] {
	return func(yield func(Reply, error) bool) {
		for r, err := range n.serverEmit(ctx, name, n.nextAck(), args) {
			if errors.Is(err, adapter.ErrAlone) {
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (n *Namespace) serverEmit(ctx context.Context, name string, id int64, args []any) iter.Seq2[Reply, error] {
	return func(yield func(Reply, error) bool) {
		if reserved(name) {
			yield(Reply{}, ErrReserved)
			return
		}
		if n.parent {
			yield(Reply{}, ErrParent)
			return
		}
		codec := n.srv.opts.Codec
		payload, err := marshal(codec, nil, name, args)
		if err != nil {
			yield(Reply{}, err)
			return
		}
		p := parser.Packet{Type: parser.Event, Namespace: n.name, ID: id, Payload: payload}
		for r, err := range n.adapter.ServerEmit(ctx, &p) {
			if !yield(Reply{payload: r.Payload, codec: codec}, err) {
				return
			}
		}
	}
}

// Nodes returns the number of nodes that share the namespace, this one included.
func (n *Namespace) Nodes(ctx context.Context) (int, error) {
	if n.parent {
		return 0, ErrParent
	}
	return n.adapter.Nodes(ctx)
}
