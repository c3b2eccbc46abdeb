// Package queue keeps messages for those who are away: durable logs, mailboxes
// and work queues, and the sessions of connections, over one small storage.
//
//   - A [Log] is an append-only sequence of records for rooms, read from an
//     [Offset]: what everybody in a room missed.
//   - A [Mailbox] holds the messages of one recipient until each was
//     acknowledged: what one person, device or shop missed.
//   - A [Work] is a queue of jobs that competing consumers lease: what somebody
//     has to do, once.
//   - [Sessions] hold what a server has to know to take a connection up again.
//
// They live in a [Store], which is opened on a [Storage]: [Memory] here, or a
// database on disk in stores/pebble. The storage is no more than an ordered
// map with atomic batches; everything that has a meaning is written once,
// here, above it. So all storages behave alike, and one that passes
// queuetest.Run is right. It costs little: what a write needs beyond the
// storage's own work is an encoding and a share of a sync (BenchmarkAppend in
// stores/pebble compares both).
//
// # Durability and order
//
// A call that stores something returns when it is durable, as far as the
// storage goes; where that is not so, the method says it. Calls made at the
// same time share a sync. They are put into one order first, and results are
// told in that order: the callbacks of [Log.AppendBatch] and
// [Mailbox.Publish] run one at a time in the order of the sequence, so that
// what is sent on live has the order of what is stored. Nothing can be read
// before it is durable: no reader sees a record that a crash takes back.
//
// # Damage
//
// Every value carries a checksum over itself and its key. A value that does
// not match is never returned; reads report [ErrDamaged] in its place and go
// on with its neighbours. [Check] looks at everything and repairs.
package queue
