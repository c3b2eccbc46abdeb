package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
)

// walk calls visit for every key that can be read, in order, and tells of the
// stretches that cannot. The key that visit gets may be kept until it returns.
func walk(ctx context.Context, st Storage, visit func(key, value []byte) error, unreadable func(key, from []byte, err error)) error {
	pos, end := []byte{0}, []byte{0xff}
	cur := st.Cursor(pos, end)
	defer func() { cur.Close() }()
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if cur.Next() {
			pos = append(pos[:0], cur.Key()...)
			if err := visit(pos, cur.Value()); err != nil {
				return err
			}
			continue
		}
		err := cur.Err()
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrDamaged) {
			return err
		}
		from := jump(st, pos, end)
		unreadable(pos, from, err)
		cur.Close()
		cur = st.Cursor(from, end)
	}
}

// jump finds a key behind pos from which reading goes on, as near as it can
// tell without knowing the keys between.
func jump(st Storage, pos, end []byte) []byte {
	good := func(from []byte) bool {
		cur := st.Cursor(from, end)
		defer cur.Close()
		return cur.Next() || cur.Err() == nil
	}
	if len(pos) >= 13 {
		// Most keys end in a number that grows by one.
		at := lastNumber(pos)
		numbered := func(n uint64) []byte {
			return binary.BigEndian.AppendUint64(bytes.Clone(pos[:len(pos)-8]), n)
		}
		const far = 1 << 24
		if n := stepOver(at, at+far, func(n uint64) bool { return good(numbered(n)) }); n <= at+far {
			return numbered(n)
		}
	}
	for n := len(pos); n > 0; n-- {
		if from := after(pos[:n]); from != nil && bytes.Compare(from, end) < 0 && good(from) {
			return from
		}
	}
	return end
}

// Salvage copies everything that can be read from one storage to another that
// is empty, and reports whether something could not.
func Salvage(ctx context.Context, from, to Storage) (keys int64, lost bool, err error) {
	b := to.NewBatch()
	size := 0
	err = walk(ctx, from, func(key, value []byte) error {
		keys++
		b.Set(key, value)
		if size += len(key) + len(value); size < 1<<20 {
			return nil
		}
		full := b
		b, size = to.NewBatch(), 0
		_, err := to.Apply(full, false)
		return err
	}, func([]byte, []byte, error) { lost = true })
	if err != nil {
		return keys, lost, err
	}
	if b.Len() == 0 {
		b.Delete([]byte{0})
	}
	return keys, lost, applyAndWait(to, b)
}
