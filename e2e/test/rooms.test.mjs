// Rooms and broadcasts: who gets what, and who does not.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start } from "../lib/servers.mjs";
import { matrix } from "../lib/clients.mjs";
import { ask, next, quiet, record } from "../lib/wait.mjs";

let fixture, extra;
before(async () => {
  [fixture, extra] = await Promise.all([start("fixture"), start("extra")]);
});
after(() => Promise.all([fixture.stop(), extra.stop()]));

const bytes = Buffer.from([0, 1, 254, 255]);

matrix((kit) => {
  const three = (server, options) => Promise.all([1, 2, 3].map(() => kit.connect(server, options)));
  const listen = (sockets, name) => sockets.map((s) => record(s, name));

  test("a namespace broadcast reaches everyone, the sender too", async () => {
    const sockets = await three(fixture);
    const heard = listen(sockets, "broadcast");
    sockets[0].emit("broadcast", 1, "ü", { file: bytes });
    sockets[1].emit("broadcast", 2);
    await quiet(sockets[1], ...sockets);
    for (const h of heard) {
      assert.equal(h.length, 2);
      assert.deepEqual(h.find(([n]) => n === 1), [1, "ü", { file: bytes }]);
    }
  });

  test("socket.to(room) reaches the room without the sender", async () => {
    const [a, b, c] = await three(fixture);
    const heard = listen([a, b, c], "room");
    await ask(a, "join", "blue");
    await ask(b, "join", "blue", "green");
    a.emit("room", "blue", "hi", bytes);
    await quiet(a, b, c);
    assert.deepEqual(heard, [[], [["hi", bytes]], []]);
  });

  test("after leaving a room nothing of it arrives", async () => {
    const [a, b, c] = await three(fixture);
    const heard = listen([a, b, c], "msg");
    for (const s of [b, c]) await ask(s, "join", "r");
    await ask(c, "leave", "r");
    await ask(c, "leave", "never joined");
    a.emit("roomcast", "r", 7);
    await quiet(a, b, c);
    assert.deepEqual(heard, [[], [[7]], []]);
  });

  test("except leaves a room out", async () => {
    const [a, b, c] = await three(fixture);
    const heard = listen([a, b, c], "msg");
    for (const s of [a, b, c]) await ask(s, "join", "all");
    await ask(c, "join", "muted");
    a.emit("roomcastx", "all", "muted", "psst");
    await quiet(a, b, c);
    assert.deepEqual(heard, [[["psst"]], [["psst"]], []]);
  });

  test("a socket in two of the rooms gets a message once", async () => {
    const [a, b, c] = await three(extra);
    const heard = listen([a, b, c], "room");
    await ask(a, "join", "one");
    await ask(b, "join", "one", "two");
    a.emit("to-rooms", ["one", "two"], 1);
    await quiet(a, b, c);
    assert.deepEqual(heard, [[], [[1]], []]);
  });

  test("a socket's id is a room of its own", async () => {
    const [a, b, c] = await three(fixture);
    const heard = listen([a, b, c], "room");
    a.emit("room", b.id, "private");
    await quiet(a, b, c);
    assert.deepEqual(heard, [[], [["private"]], []]);
  });

  test("names of rooms may be any text, and the same name in another namespace is another room", async () => {
    const [a, b] = await three(fixture);
    const other = await kit.connect(fixture, { nsp: "/custom" });
    const heard = listen([b, other], "room");
    for (const room of ["", "комната 🚪", "__proto__", "a,b", "x".repeat(200)]) {
      await ask(b, "join", room);
      await ask(other, "join", room);
      a.emit("room", room, room);
      await quiet(a, b, other);
      assert.deepEqual(heard[0].pop(), [room]);
    }
    assert.deepEqual(heard, [[], []]);
  });

  test("socket.broadcast reaches everyone else", async () => {
    const [a, b, c] = await three(extra);
    const heard = listen([a, b, c], "others");
    a.emit("others", "hello", bytes);
    await quiet(a, b, c);
    assert.deepEqual(heard, [[], [["hello", bytes]], [["hello", bytes]]]);
  });

  test("a local broadcast reaches this server's sockets", async () => {
    const [a, b] = await three(extra);
    const heard = [next(a, "local"), next(b, "local")];
    a.emit("to-local", 1);
    assert.deepEqual(await Promise.all(heard), [[1], [1]]);
  });

  test("a volatile broadcast reaches connected sockets at most once", async () => {
    const [a, b, c] = await three(extra);
    const heard = listen([b, c], "room");
    await ask(b, "join", "v");
    for (let i = 0; i < 20; i++) a.emit("to-room-volatile", "v", i);
    await quiet(a, b, c);
    const got = heard[0].map(([i]) => i);
    assert.deepEqual(got, [...new Set(got)].sort((x, y) => x - y));
    assert.deepEqual(heard[1], []);
  });

  test("a broadcast gathers everyone's acknowledgements", async () => {
    const sockets = await three(extra);
    const [a] = sockets;
    for (const [i, s] of sockets.entries()) {
      s.on("asked", (q, ack) => ack({ i, q, bytes }));
      await ask(s, "join", "jury");
    }
    const { late, answers } = await ask(a, "gather", "jury", 5000, "guilty?");
    assert.equal(late, false);
    answers.sort((x, y) => x.i - y.i);
    assert.deepEqual(answers, [0, 1, 2].map((i) => ({ i, q: "guilty?", bytes })));
    const nobody = await ask(a, "gather", "empty room", 5000, "?");
    assert.deepEqual(nobody, { late: false, answers: [] });
  });

  test("a broadcast returns the answers it has when some are late", async () => {
    const [a, b, c] = await three(extra);
    for (const s of [a, b, c]) await ask(s, "join", "slow");
    for (const s of [a, b]) s.on("asked", (q, ack) => ack(q));
    const { late, answers } = await ask(a, "gather", "slow", 500, 1);
    assert.equal(late, true);
    assert.deepEqual(answers, [1, 1]);
    await quiet(c);
  });

  test("sockets can be listed, moved and put out by room", async () => {
    const [a, b, c] = await three(extra);
    for (const s of [b, c]) await ask(s, "join", "from");
    assert.deepEqual(await ask(a, "list", "from"), [b.id, c.id].sort());
    assert.deepEqual(await ask(a, "list", "nobody"), []);

    await ask(a, "move", "from", "to");
    assert.deepEqual(await ask(a, "list", "to"), [b.id, c.id].sort());
    await ask(a, "unmove", "from", "from");
    assert.deepEqual(await ask(a, "list", "from"), []);
    assert.deepEqual((await ask(b, "whoami")).rooms, [b.id, "to"].sort());

    const out = [next(b, "disconnect"), next(c, "disconnect")];
    a.emit("evict", "to", false);
    for (const [reason] of await Promise.all(out)) assert.equal(reason, "io server disconnect");
    assert.deepEqual(await ask(a, "list", "to"), []);
    await quiet(a);
  });

  test("a room is gone when its last socket disconnects", async () => {
    const [a, b] = await three(extra);
    await ask(b, "join", "last");
    await ask(a, "watch");
    const gone = next(a, "gone");
    b.disconnect();
    await gone;
    assert.deepEqual(await ask(a, "list", "last"), []);
  });
});
