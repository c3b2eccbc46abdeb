package queue

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The keys of a group are those of the places where a job can be, each
// followed by what orders it there. Only the dead and the leases hold more
// than numbers.
const (
	subReady   = 'r' // 255-priority, seq → attempts
	subDelayed = 'd' // time, seq → priority, attempts
	subLeased  = 'l' // seq → expiry, priority, attempts
	subExpiry  = 'e' // time, seq → nothing
	subDead    = 'x' // seq → time, priority, attempts, reason
)

// turnOf says where a job stands in a group.
type turnOf struct {
	seq      uint64
	priority int
	attempts uint64
}

func (w *Work) jobKey(seq uint64) []byte {
	return appendNumber(objectKey(keyJob, w.st.id), seq)
}

func (w *Work) groupKey(group string, sub string) []byte {
	return append(appendText(objectKey(keyGroup, w.st.id), group), sub...)
}

func (w *Work) readyKey(group string, t turnOf) []byte {
	k := append(w.groupKey(group, ""), subReady, byte(255-t.priority))
	return appendNumber(k, t.seq)
}

func (w *Work) timeKey(group string, sub byte, ms int64, seq uint64) []byte {
	return appendNumber(appendNumber(append(w.groupKey(group, ""), sub), uint64(ms)), seq)
}

func (w *Work) seqKey(group string, sub byte, seq uint64) []byte {
	return appendNumber(append(w.groupKey(group, ""), sub), seq)
}

func encodeJob(key []byte, j *Job, ms int64) []byte {
	b := newSeal(len(j.Key) + len(j.Header) + len(j.Data) + 24)
	b = putNumber(b, uint64(ms))
	b = putNumber(b, uint64(j.Priority))
	b = putText(b, j.Key)
	b = putBytes(b, j.Header)
	return seal(key, putBytes(b, j.Data))
}

func decodeJob(key, b []byte) (j Job, err error) {
	d, err := unseal(key, b)
	if err != nil {
		return j, err
	}
	j.Seq = lastNumber(key)
	j.Time = fromMillis(int64(d.number()))
	j.Priority = int(d.number())
	j.Key = d.text()
	j.Header = d.bytes()
	j.Data = d.bytes()
	return j, d.end(key)
}

// enqueue makes a job ready or delayed.
func (w *Work) enqueue(tx *tx, g *groupState, t turnOf, due int64) {
	if due > tx.now {
		key := w.timeKey(g.name, subDelayed, due, t.seq)
		tx.put(key, encodeNumbers(key, uint64(t.priority), t.attempts))
		g.delayed++
		return
	}
	key := w.readyKey(g.name, t)
	tx.put(key, encodeNumbers(key, t.attempts))
	g.ready++
}

// bury makes a job dead.
func (w *Work) bury(tx *tx, g *groupState, t turnOf, reason string) {
	key := w.seqKey(g.name, subDead, t.seq)
	b := newSeal(len(reason) + 24)
	b = putNumber(b, uint64(tx.now))
	b = putNumber(b, uint64(t.priority))
	b = putNumber(b, t.attempts)
	tx.put(key, seal(key, putText(b, reason)))
	g.dead++
}

func decodeDead(key, b []byte) (t turnOf, ms int64, reason string, err error) {
	d, err := unseal(key, b)
	if err != nil {
		return t, 0, "", err
	}
	ms = int64(d.number())
	t = turnOf{lastNumber(key), int(d.number()), d.number()}
	reason = d.text()
	return t, ms, reason, d.end(key)
}

// release lets one group's hold on a job go; the last one takes the job along.
func (w *Work) release(tx *tx, v *workState, seq uint64) error {
	key := appendNumber(objectKey(keyHolders, w.st.id), seq)
	b, ok, err := tx.get(key)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	if ok {
		var n uint64
		if decodeNumbers(key, b, &n) == nil && n > 1 {
			tx.put(key, encodeNumbers(key, n-1))
			return nil
		}
		tx.remove(key)
	}
	tx.remove(w.jobKey(seq))
	v.jobs -= min(1, v.jobs)
	return nil
}

// A lease token is epoch.seq.attempt in base 36.
func leaseToken(epoch, seq, attempts uint64) string {
	return Offset{epoch, seq}.String() + "." + strconv.FormatUint(attempts, 36)
}

func parseLease(s string) (at Offset, attempts uint64, err error) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return at, 0, fmt.Errorf("%w: malformed token", ErrLeaseLost)
	}
	if at, err = ParseOffset(s[:i]); err == nil {
		attempts, err = parseBase36(s[i+1:])
	}
	if err != nil {
		return at, 0, fmt.Errorf("%w: malformed token", ErrLeaseLost)
	}
	return at, attempts, nil
}
