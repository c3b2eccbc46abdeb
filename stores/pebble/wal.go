package pebble

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/roomwire/roomwire/queue"
)

// The form of Pebble's log, as far as it takes to read on behind damage, which
// Pebble's own reader does not: blocks of 32 KiB, in them chunks with a
// header of checksum, length, kind, number of the log and, in the newest
// form, an offset. A record is one chunk, or a first, any and a last.
const (
	logBlock      = 32 << 10
	logHeader     = 11
	logSyncHeader = logHeader + 8
)

// readLog returns the records of a log that can be read, and the places in
// records before which something cannot: there it is torn or damaged.
func readLog(data []byte, number uint32) (records [][]byte, breaks []int) {
	var part []byte // of a record that began
	begun := false
	for start := 0; start < len(data); start += logBlock {
		block := data[start:min(start+logBlock, len(data))]
		for len(block) >= logHeader {
			body, place, size, ok := logChunk(block, number)
			if !ok {
				if isEnd(block, number) {
					break
				}
				if n := len(breaks); n == 0 || breaks[n-1] != len(records) {
					breaks = append(breaks, len(records))
				}
				begun = false
				block = block[1:] // the next chunk may be anywhere behind
				continue
			}
			block = block[size:]
			switch place {
			case chunkFull:
				records = append(records, body)
				begun = false
			case chunkFirst:
				part, begun = append([]byte(nil), body...), true
			default:
				if !begun {
					continue
				}
				part = append(part, body...)
				if place == chunkLast {
					records = append(records, part)
					part, begun = nil, false
				}
			}
		}
	}
	return records, breaks
}

const (
	chunkFull = iota
	chunkFirst
	chunkMiddle
	chunkLast
)

// logChunk reads the chunk at the beginning of b.
func logChunk(b []byte, number uint32) (body []byte, place, size int, ok bool) {
	header := logHeader
	switch kind := b[6]; {
	case kind >= 5 && kind <= 8:
		place = int(kind - 5)
	case kind >= 9 && kind <= 12:
		place, header = int(kind-9), logSyncHeader
	default:
		return nil, 0, 0, false
	}
	size = header + int(binary.LittleEndian.Uint16(b[4:]))
	if size > len(b) || binary.LittleEndian.Uint32(b[7:]) != number {
		return nil, 0, 0, false
	}
	sum := crc32.Checksum(b[6:size], castagnoli)
	if sum = (sum>>15 | sum<<17) + 0xa282ead8; sum != binary.LittleEndian.Uint32(b) {
		return nil, 0, 0, false
	}
	return b[header:size], place, size, true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// isEnd reports whether b holds no more chunks of this log: zeros, or the mark
// that Pebble leaves behind the last chunk, whose number is the next log's.
func isEnd(b []byte, number uint32) bool {
	if b[6] >= 5 && b[6] <= 12 && binary.LittleEndian.Uint32(b[7:]) == number+1 && binary.LittleEndian.Uint16(b[4:]) == 0 {
		return true
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// logs returns the paths of the logs in dir by their numbers.
func logs(dir string, fs vfs.FS) (map[uint64]string, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	numbers := make(map[uint64]string)
	for _, name := range names {
		if base, ok := strings.CutSuffix(name, ".log"); ok {
			if n, err := strconv.ParseUint(base, 10, 64); err == nil {
				numbers[n] = fs.PathJoin(dir, name)
			}
		}
	}
	return numbers, nil
}

// eachLog calls f for the content of every log in dir, oldest first.
func eachLog(dir string, fs vfs.FS, f func(path string, records [][]byte, breaks []int) error) error {
	paths, err := logs(dir, fs)
	if err != nil {
		return err
	}
	for _, n := range slices.Sorted(maps.Keys(paths)) {
		file, err := fs.Open(paths[n], vfs.SequentialReadsOption)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(file)
		file.Close()
		if err != nil {
			return err
		}
		records, breaks := readLog(data, uint32(n))
		if err := f(paths[n], records, breaks); err != nil {
			return err
		}
	}
	return nil
}

// checkLogs finds damage that Pebble would take for a torn end, together with
// everything behind it. What was never synced may well be missing after a
// crash; so every batch says which ones were synced before it was written.
func checkLogs(dir string, fs vfs.FS) error {
	return eachLog(dir, fs, func(path string, records [][]byte, breaks []int) error {
		for _, i := range breaks {
			before := uint64(0) // the last batch before the break
			if i > 0 {
				before, _ = readStamp(records[i-1])
			}
			for _, r := range records[i:] {
				n, synced := readStamp(r)
				if before == 0 {
					before = max(n, 2) - 2 // what stood before this one is missing
				}
				if synced > before {
					return fmt.Errorf("%w: log %s: batch %d cannot be read and was synced", queue.ErrDamaged, path, before+1)
				}
			}
		}
		return nil
	})
}

// A stamp stands in every batch, for the log alone: the number of the batch,
// counted from the start of the process, and of the last one that was known
// to be synced when it was written.
const stampMark = "roomwire\x00"

func stamp(n, synced uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint([]byte(stampMark), n), synced)
}

func readStamp(repr []byte) (n, synced uint64) {
	if len(repr) < batchrepr.HeaderLen {
		return 0, 0
	}
	for r := batchrepr.Read(repr); ; {
		kind, key, _, ok, err := r.Next()
		if err != nil || !ok {
			return 0, 0
		}
		if body, ok := bytes.CutPrefix(key, []byte(stampMark)); ok && kind == pebble.InternalKeyKindLogData {
			n, w := binary.Uvarint(body)
			if w > 0 {
				synced, _ = binary.Uvarint(body[w:])
			}
			return n, synced
		}
	}
}
