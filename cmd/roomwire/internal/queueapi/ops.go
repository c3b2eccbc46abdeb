// Package queueapi is what an operator may do with the queues of a store, in
// this process or in a running server: a set of named operations, each with
// one JSON object as its request and one as its answer.
package queueapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/roomwire/roomwire/queue"
)

// Ops are the operations on one store.
type Ops struct {
	Store *queue.Store
	Disk  func() int64 // bytes of the files; nil: not on disk
}

// ErrRequest says that a request makes no sense.
var ErrRequest = errors.New("queue: bad request")

// An operation is one of Ops.
type operation struct {
	writes bool
	call   func(o *Ops, ctx context.Context, request []byte) (any, error)
}

var operations = map[string]operation{
	"ls":      op(false, (*Ops).list),
	"stats":   op(false, (*Ops).stats),
	"pending": op(false, (*Ops).pending),
	"peek":    op(false, (*Ops).peek),
	"publish": op(true, (*Ops).publish),
	"take":    op(true, (*Ops).take),
	"done":    op(true, (*Ops).done),
	"dead":    op(false, (*Ops).dead),
	"replay":  op(true, (*Ops).replay),
	"purge":   op(true, (*Ops).purge),
	"fsck":    op(false, (*Ops).check),
}

// op makes an operation of a method.
func op[In, Out any](writes bool, fn func(o *Ops, ctx context.Context, in In) (Out, error)) operation {
	return operation{writes, func(o *Ops, ctx context.Context, request []byte) (any, error) {
		var in In
		d := json.NewDecoder(bytes.NewReader(request))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRequest, err)
		}
		return fn(o, ctx, in)
	}}
}

// Writes reports whether an operation needs a store that can be written to.
func Writes(name string) bool { return operations[name].writes }

// Run runs an operation with the JSON of its request.
func (o *Ops) Run(ctx context.Context, name string, request []byte) (any, error) {
	op, ok := operations[name]
	if !ok {
		return nil, fmt.Errorf("%w: operation %q", queue.ErrNotFound, name)
	}
	return op.call(o, ctx, request)
}

// None is the request of an operation that needs to know nothing.
type None struct{}

// A CheckReport is the answer of fsck.
type CheckReport struct {
	Keys     int64    `json:"keys"`
	Records  int64    `json:"records"`
	Messages int64    `json:"messages"`
	Jobs     int64    `json:"jobs"`
	Sessions int64    `json:"sessions"`
	Lost     bool     `json:"lost"` // something that had been acknowledged
	Problems []string `json:"problems"`
	More     int      `json:"more,omitempty"` // problems beyond those listed
	Repaired int      `json:"repaired,omitempty"`
}

// ReportOf returns the answer for a report.
func ReportOf(r *queue.Report) CheckReport {
	c := CheckReport{
		Keys: r.Keys, Records: r.Records, Messages: r.Messages, Jobs: r.Jobs, Sessions: r.Sessions,
		Lost: r.Lost, More: r.More, Repaired: r.Repaired, Problems: []string{},
	}
	for _, p := range r.Problems {
		c.Problems = append(c.Problems, p.String())
	}
	return c
}

func (o *Ops) check(ctx context.Context, _ None) (CheckReport, error) {
	r, err := o.Store.Check(ctx, queue.CheckOptions{})
	if err != nil {
		return CheckReport{}, err
	}
	return ReportOf(r), nil
}
