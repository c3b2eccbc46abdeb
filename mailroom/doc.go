// Package mailroom joins queues to sockets: durable rooms, whose events a client
// gets even when the server was killed meanwhile, and mailboxes that hold what
// a recipient has not yet taken care of.
//
// It works with the clients that people have; nothing is added to the protocol.
//
// # Durable rooms
//
// [Log] keeps the events of some rooms, and the sessions of a namespace, in a
// queue store. A client that comes back is recovered and gets what it missed.
//
//	srv := sio.NewServer(&sio.Options{Recovery: &sio.Recovery{
//		Log:     mailroom.Log(store, nil),
//		Durable: func(room string) bool { return strings.HasPrefix(room, "chat:") },
//	}})
//
// # Mailboxes
//
// An [Office] stores each message in the mailbox of its recipient and then
// hands it to the sockets that are attached to that mailbox. It stays there
// until one of them acknowledges it.
//
//	office := mailroom.New(boxes, nil)
//	_, err := office.Publish(ctx, "ada", "order", order)      // from anywhere
//	_, err = office.Attach(socket, "ada", "order", nil)       // in OnConnect
//
// The client acknowledges with the callback of the event, when it has done what
// the message asks for:
//
//	socket.on("order", ({ messageID, payload }, done) => { …; done(); });
//
// # The queue protocol
//
// [Serve] lets clients do the same with plain events. Each takes one object and
// is acknowledged when the client asks for it. clientId names the recipient,
// event the topic, which is also the event that messages come as, with one
// argument, {messageID, payload}.
//
//	publish     {clientId, event, payload, messageID?}  stores, then sends; {messageID}
//	subscribe   {clientId, event}                       sends what is published from now on; {waiting}
//	getAll      {clientId, event}                       sends again all that waits, in order; {count}
//	received    {clientId, event, messageID}            removes a message; {removed}
//	unsubscribe {clientId, event}                       ends subscribe
//
// waiting, count and removed are numbers: of the messages in the mailbox, of
// those sent before the answer, and of those that were there. A messageID that
// the publisher brings makes publishing it again harmless, for as long as
// queue.MailboxOptions.IDs says; it is the ID everywhere. An error is answered
// as {"error": {"message"}}.
//
// With {ack: true}, subscribe sends what waits already too, a window at a time,
// and sends again what is not acknowledged in time; the client acknowledges
// with the callback of the event in place of received.
package mailroom
