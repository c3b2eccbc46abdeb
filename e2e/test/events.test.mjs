// Events and acknowledgements, both ways, with everything they may carry.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start } from "../lib/servers.mjs";
import { matrix } from "../lib/clients.mjs";
import { ask, askAll, next, quiet, record, take, within } from "../lib/wait.mjs";

let fixture, extra;
before(async () => {
  [fixture, extra] = await Promise.all([start("fixture"), start("extra")]);
});
after(() => Promise.all([fixture.stop(), extra.stop()]));

const json = [
  [],
  [1],
  [0, -1, 1.5, 1e21, Number.MAX_SAFE_INTEGER],
  ["", "text", "a\u0000b\n\t\"\\/", "\u2028\u2029"],
  [null, true, false],
  [{}, [], [[]], { a: { b: [{ c: null }] } }],
  ["日本語", "🎉👩‍👩‍👧", "שלום", "𝕏", "e\u0301"],
  [{ "ключ 🔑": "värde", "": "empty key" }],
  [{ _placeholder: false, num: 0 }, "looks like binary, is not"],
];

const bytes = Buffer.from([...Array(256).keys()]);

matrix((kit) => {
  test("any JSON comes back as it was, as event and as acknowledgement", async () => {
    const socket = await kit.connect(fixture);
    for (const args of json) {
      const back = next(socket, "message-back");
      socket.emit("message", ...args);
      assert.deepEqual(await back, args);
      assert.deepEqual(await askAll(socket, "message-with-ack", ...args), args);
    }
  });

  test("names of events may be any text", async () => {
    const socket = await kit.connect(fixture);
    for (const name of ["no one listens", "", "événement ☂", "0", "42", "constructor", "__proto__"]) socket.emit(name, 1);
    await quiet(socket);
  });

  test("binary comes back byte for byte, at any depth and in any order", async () => {
    const socket = await kit.connect(fixture);
    const shapes = [
      [bytes],
      ["before", bytes, "after", Buffer.alloc(0)],
      [{ file: bytes, meta: { name: "ü.bin", parts: [Buffer.from("a"), { deep: [Buffer.from("b")] }] } }],
      [[[Buffer.from("x")], Buffer.from("y")], Buffer.from("z")],
      Array.from({ length: 10 }, (_, i) => Buffer.from([i])),
    ];
    for (const args of shapes) {
      const back = next(socket, "message-back");
      socket.emit("message", ...args);
      assert.deepEqual(await back, args);
      assert.deepEqual(await askAll(socket, "message-with-ack", ...args), args);
    }
  });

  test("ArrayBuffer and typed arrays arrive as their bytes", async () => {
    const socket = await kit.connect(fixture);
    const array = Uint8Array.from(bytes);
    assert.deepEqual(await ask(socket, "echo", array.buffer), bytes);
    assert.deepEqual(await ask(socket, "echo", array), bytes);
    const middle = new Uint8Array(array.buffer, 16, 4);
    assert.deepEqual(await ask(socket, "echo", middle), Buffer.from([16, 17, 18, 19]));
  });

  test("text and binary of one socket keep their order", async () => {
    const socket = await kit.connect(fixture, { settle: false });
    const want = Array.from({ length: 60 }, (_, i) => (i % 3 ? [i, "text"] : [i, Buffer.alloc(i * 10, i)]));
    const back = take(socket, "message-back", want.length);
    for (const args of want) socket.emit("message", ...args);
    assert.deepEqual(await back, want);
  });

  test("acknowledgements find their callers, whatever the order", async () => {
    const socket = await kit.connect(fixture);
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(socket, "echo", i)));
    assert.deepEqual(all, [...Array(100).keys()]);
  });

  test("an acknowledgement may carry several arguments or none", async () => {
    const socket = await kit.connect(fixture);
    assert.deepEqual(await askAll(socket, "echo"), []);
    assert.deepEqual(await askAll(socket, "echo", 1, "two", [3]), [1, "two", [3]]);
  });

  test("the server asks, the client answers, in JSON and in binary", async () => {
    const socket = await kit.connect(fixture);
    for (const answer of ["yes", { n: 1 }, bytes, { in: [bytes] }]) {
      socket.once("asked", (q, ack) => {
        assert.equal(q, "sure?");
        ack(answer);
      });
      const answered = next(socket, "answered");
      socket.emit("ask", "sure?");
      assert.deepEqual(await answered, [answer]);
    }
  });

  test("a handler of the client may ask the server before it answers", async () => {
    const socket = await kit.connect(fixture);
    socket.once("asked", async (q, ack) => ack(await ask(socket, "echo", q)));
    const answered = next(socket, "answered");
    socket.emit("ask", "nested");
    assert.deepEqual(await answered, ["nested"]);
  });

  test("the server's question times out when the client is silent", async () => {
    const socket = await kit.connect(extra);
    assert.deepEqual(await ask(socket, "ask-within", 60, "anyone?"), { error: "timeout" });
    let late;
    socket.once("asked", (_, ack) => (late = ack));
    assert.deepEqual(await ask(socket, "ask-within", 60, "anyone?"), { error: "timeout" });
    late("too late, and ignored");
    socket.once("asked", (q, ack) => ack(q));
    assert.deepEqual(await ask(socket, "ask-within", 5000, "now"), { answer: "now" });
  });

  test("send arrives as message", async () => {
    const socket = await kit.connect(extra);
    const heard = next(socket, "message");
    socket.emit("say", "hello", bytes);
    assert.deepEqual(await heard, ["hello", bytes]);
    const back = next(await kit.connect(fixture).then((s) => s.send("by send")), "message-back");
    assert.deepEqual(await back, ["by send"]);
  });

  test("compressed or not, the content is the same", async () => {
    const socket = await kit.connect(extra);
    for (const flag of [true, false]) {
      const blob = next(socket, "blob");
      socket.compress(flag).emit("compressed", flag, 20_000);
      assert.deepEqual(await blob, ["z".repeat(20_000)]);
    }
  });

  test("volatile events may be lost, never doubled or out of order", async () => {
    const socket = await kit.connect(extra);
    const ticks = record(socket, "tick");
    await ask(socket, "volatile", 200);
    await quiet(socket);
    const got = ticks.map(([i]) => i);
    assert.deepEqual(got, [...new Set(got)].sort((a, b) => a - b));
    assert.ok(got.every((i) => i >= 0 && i < 200));
  });

  test("a volatile event of the client arrives when it is connected and is dropped when it is not", async () => {
    const socket = await kit.connect(fixture);
    const heard = record(socket, "message-back");
    await writable(socket);
    socket.volatile.emit("message", "connected");
    await within("message-back", function poll(done) {
      heard.length ? done() : setTimeout(poll, 5, done);
    });
    socket.disconnect();
    socket.volatile.emit("message", "disconnected");
    socket.connect();
    await next(socket, "connect");
    await quiet(socket);
    assert.deepEqual(heard, [["connected"]]);
  });

  test("the server's catch-all listeners see events in and out", async () => {
    const socket = await kit.connect(extra);
    socket.emit("nobody handles this", 1);
    socket.emit("burst", 2);
    assert.deepEqual(await ask(socket, "seen"), ["nobody handles this", "burst", "seen"]);
    assert.deepEqual(await ask(socket, "sent"), ["seq", "seq"]);
  });

  test("the client's catch-all sees every event once", async () => {
    const socket = await kit.connect(fixture);
    const all = [];
    socket.onAny((...args) => all.push(args));
    socket.emit("message", 1, "a");
    socket.emit("broadcast", bytes);
    await quiet(socket);
    assert.deepEqual(all, [["message-back", 1, "a"], ["broadcast", bytes]]);
  });

  test("event middleware stops an event and the socket goes on", async () => {
    const socket = await kit.connect(extra);
    const reached = record(socket, "reached");
    const blocked = next(socket, "blocked");
    socket.emit("forbidden", 1);
    assert.deepEqual(await blocked, ["forbidden"]);
    await quiet(socket);
    assert.deepEqual(reached, []);
  });

  test("a once-handler answers once", async () => {
    const socket = await kit.connect(extra);
    assert.equal(await ask(socket, "once-only"), "first");
    let answers = 0;
    socket.emit("once-only", () => answers++);
    await quiet(socket);
    assert.equal(answers, 0);
  });

  test("the server keeps values per socket", async () => {
    const [a, b] = [await kit.connect(extra), await kit.connect(extra)];
    await ask(a, "set", { name: "ada" });
    assert.deepEqual(await ask(a, "get"), { name: "ada" });
    assert.equal(await ask(b, "get"), null);
  });
});

matrix((kit) => {
  test("emitWithAck resolves, and rejects on timeout", async () => {
    const socket = await kit.connect(fixture);
    assert.deepEqual(await socket.emitWithAck("echo", { a: bytes }), { a: bytes });
    assert.equal(await socket.timeout(5000).emitWithAck("echo", "in time"), "in time");
    await assert.rejects(socket.timeout(40).emitWithAck("nobody answers"), { message: "operation has timed out" });
    await quiet(socket);
  });

  test("an emit with a timeout gets its answer or an error, once", async () => {
    const socket = await kit.connect(fixture);
    const calls = [];
    socket.timeout(40).emit("nobody answers", (err) => calls.push(err?.message));
    const answer = await within("acknowledgement", (done) => socket.timeout(5000).emit("echo", 1, (...a) => done(a)));
    assert.deepEqual(answer, [null, 1]);
    await assert.rejects(socket.timeout(80).emitWithAck("nobody answers"));
    assert.deepEqual(calls, ["operation has timed out"]);
  });

  test("outgoing catch-all of the client sees what it emits", async () => {
    const socket = await kit.connect(fixture);
    const out = [];
    socket.onAnyOutgoing((...args) => out.push(args));
    socket.emit("message", 1);
    assert.deepEqual(out, [["message", 1]]);
    await quiet(socket);
  });
}, { newestOnly: true });

// Waits until the client could write at once, which is what volatile asks for.
function writable(socket) {
  return within("writable transport", function poll(done) {
    socket.io.engine.transport.writable ? done() : setTimeout(poll, 1, done);
  });
}
