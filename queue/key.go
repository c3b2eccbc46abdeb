package queue

import "encoding/binary"

// Every key begins with a byte that says what it is, and then, but for the
// few of the store itself, the number of the object that it belongs to.
const (
	keyStore     = 'a' // "schema", "next", "starts"
	keyName      = 'n' // kind, name → number of the object
	keyState     = 'm' // object → its state
	keyRecord    = 'l' // log, seq → record
	keyRoom      = 'r' // log, room, seq → a row of the index of rooms: see index.go
	keyRoomState = 'q' // log, room → count, bytes, trimmed to; with a retention of its own only
	keyID        = 'd' // object, generation, seq → IDs: see ids.go
	keyMessage   = 'x' // mailboxes, box, seq → message
	keyBox       = 'b' // mailboxes, box → its state
	keyExpiry    = 'e' // mailboxes, time, box, seq → nothing
	keyJob       = 'j' // work, seq → job
	keyGroup     = 'w' // work, group, …: see work_key.go
	keyHolders   = 'h' // work, seq → groups that still hold the job
	keySession   = 's' // sessions, pid → session
	keySessionAt = 't' // sessions, time, pid → nothing
)

// keysOfObjects lists the first bytes of the keys that belong to an object
// and go with it.
const keysOfObjects = "mlrqdxbejwhst"

func objectKey(kind byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(make([]byte, 0, 48), kind), id)
}

// appendText appends s with its length, so that no key of one text is the
// beginning of a key of another.
func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cutText takes a text that appendText appended from the front of b.
func cutText(b []byte) (s string, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return "", nil, false
	}
	return string(b[w : w+int(n)]), b[w+int(n):], true
}

func appendNumber(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

// lastNumber returns the number at the end of a key.
func lastNumber(key []byte) uint64 {
	if len(key) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key[len(key)-8:])
}

// after returns the first key behind all that begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil // not reached: no prefix is all 0xff
}

func recordKey(id uint32, seq uint64) []byte {
	return appendNumber(objectKey(keyRecord, id), seq)
}

func roomPrefix(id uint32, room string) []byte {
	return appendText(objectKey(keyRoom, id), room)
}

// everybodyPrefix is the prefix of the index of records for everybody. No room
// has it: a text never has so great a length.
func everybodyPrefix(id uint32) []byte {
	return append(objectKey(keyRoom, id), 0xff, 0xff)
}
