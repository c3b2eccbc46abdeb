package queue

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// An Offset is the place of a record in a [Log]. Seq counts records from 1
// without holes. The epoch is another one whenever the log lost something that
// it had acknowledged, or was made anew: sequences of different epochs cannot
// be compared.
//
// The zero Offset is before everything, in whatever epoch.
type Offset struct {
	Epoch uint64
	Seq   uint64
}

// ErrOffset says that a text is not an offset.
var ErrOffset = errors.New("queue: malformed offset")

// String returns the text of o, "epoch.seq" in base 36, as ParseOffset takes it.
func (o Offset) String() string {
	var b [28]byte
	s := strconv.AppendUint(b[:0], o.Epoch, 36)
	s = append(s, '.')
	return string(strconv.AppendUint(s, o.Seq, 36))
}

// IsZero reports whether o is the zero Offset.
func (o Offset) IsZero() bool { return o == Offset{} }

// ParseOffset reads the text of an offset. Only what String returns is taken:
// no sign, no upper case, no leading zero. The error wraps [ErrOffset].
func ParseOffset(s string) (Offset, error) {
	e, q, ok := strings.Cut(s, ".")
	if !ok {
		return Offset{}, fmt.Errorf("%w: no dot", ErrOffset)
	}
	epoch, err := parseBase36(e)
	if err != nil {
		return Offset{}, err
	}
	seq, err := parseBase36(q)
	if err != nil {
		return Offset{}, err
	}
	return Offset{epoch, seq}, nil
}

func parseBase36(s string) (uint64, error) {
	if s == "" || len(s) > 13 {
		return 0, fmt.Errorf("%w: %d digits", ErrOffset, len(s))
	}
	if s[0] == '0' && len(s) > 1 {
		return 0, fmt.Errorf("%w: leading zero", ErrOffset)
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return 0, fmt.Errorf("%w: byte %#x", ErrOffset, c)
		}
	}
	n, err := strconv.ParseUint(s, 36, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: out of range", ErrOffset)
	}
	return n, nil
}

// A GapReason says why there is a gap.
type GapReason string

// The reasons of a [GapError].
const (
	GapTrimmed GapReason = "trimmed" // retention or a trim removed records after the offset
	GapEpoch   GapReason = "epoch"   // the offset is of another epoch
	GapBeyond  GapReason = "beyond"  // the offset lies after the end of the log
)

// A GapError answers a read that would have skipped something: what lies
// between After and the next record that is there cannot be told.
type GapError struct {
	Log    string
	Reason GapReason
	After  Offset // what was asked for
	First  Offset // of the records kept; with Seq of Last plus one when there is none
	Last   Offset
	Room   string // the room whose own retention removed records; else empty
}

// Error describes the gap.
func (e *GapError) Error() string {
	return fmt.Sprintf("queue: gap after %v in log %q: %s (it holds %v to %v)", e.After, e.Log, string(e.Reason), e.First, e.Last)
}
