// Durable rooms: who comes back after kill -9 is recovered and has missed nothing.
import { test, before, after, beforeEach } from "node:test";
import assert from "node:assert/strict";
import { Durable } from "../lib/durable.mjs";
import { matrix } from "../lib/clients.mjs";
import { Proxy } from "../lib/proxy.mjs";
import { ask, next, record } from "../lib/wait.mjs";

let server, proxy;
before(async () => {
  server = await Durable.start("E2E_DURABLE");
  proxy = await Proxy.to({ port: new URL(server.url).port });
});
after(async () => {
  await proxy.close();
  await server.stop();
});

const numbers = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
const values = (got) => got.map(([v]) => v);
let count = 0;

// Older clients do not ask for recovery.
matrix((kit) => {
  let control, room;
  beforeEach(async () => {
    room = `d:${++count}`;
    control = await kit.connect(server, { nsp: "/control" });
  });

  // A client that comes back when it is told to.
  const member = async (...rooms) => {
    const s = await kit.connect(server, { reconnection: false });
    for (const r of rooms) assert.equal(await ask(s, "join", r), true);
    return s;
  };
  const emit = async (to, from, until) => {
    for (const n of numbers(from, until)) assert.equal(await ask(control, "emit", to, n), true);
  };
  const crash = async (...sockets) => {
    const lost = Promise.all(sockets.map((s) => next(s, "disconnect")));
    await server.kill();
    await lost;
    await server.restart();
    if (!control.connected) await next(control, "connect");
  };
  const back = async (s) => {
    const hello = next(s, "hello");
    s.connect();
    const [recovered] = await hello;
    assert.equal(s.recovered, recovered);
    return recovered;
  };
  // What was sent to it before this has arrived.
  const settled = (s) => ask(s, "state");

  test("gets exactly what it missed, with its ID, rooms and value", async () => {
    const s = await member(room, "plain");
    const { id } = s;
    await ask(s, "set", "kept");
    const got = record(s, "e");
    await emit(room, 0, 10);
    await settled(s);
    await crash(s);
    await emit(room, 10, 30);
    await emit(`${room}-other`, 0, 5);
    assert.equal(await back(s), true);
    assert.equal(s.id, id);
    await emit(room, 30, 35);
    assert.deepEqual(await settled(s), { rooms: [room, "plain"], value: "kept" });
    assert.deepEqual(values(got), numbers(0, 35));
  });

  test("also with no event received yet", async () => {
    const s = await member(room);
    const got = record(s, "e");
    await crash(s);
    await emit(room, 0, 5);
    assert.equal(await back(s), true);
    await settled(s);
    assert.deepEqual(values(got), numbers(0, 5));
  });

  test("also a quiet one, repeatedly, while others are busy", async () => {
    const s = await member(room);
    const got = record(s, "e");
    for (let round = 0; round < 5; round++) {
      await emit(`${room}-busy`, 0, 3);
      await crash(s);
      await emit(`${room}-busy`, 0, 3);
      assert.equal(await back(s), true, `round ${round}`);
    }
    await crash(s);
    await emit(room, 0, 2);
    assert.equal(await back(s), true);
    await settled(s);
    assert.deepEqual(values(got), [0, 1]);
  });

  test("does not get what was for a room before it joined, nor after it left", async () => {
    const s = await member(`${room}-left`);
    await emit(room, 0, 5);
    await ask(s, "join", room);
    await ask(s, "leave", `${room}-left`);
    const got = record(s, "e");
    await crash(s);
    await emit(room, 5, 8);
    await emit(`${room}-left`, 100, 103);
    assert.equal(await back(s), true);
    assert.deepEqual((await settled(s)).rooms, [room]);
    assert.deepEqual(values(got), numbers(5, 8));
  });

  test("gets plain events since the start that it missed, in the order in which they were sent", async () => {
    const s = await member(room, "plain");
    const got = record(s, "e");
    await emit(room, 0, 1);
    await settled(s);
    await crash(s);
    assert.equal(await back(s), true);
    const end = next(s, "disconnect");
    s.io.engine.close();
    await end;
    await emit("plain", 1, 2);
    await emit(room, 2, 4);
    await emit("plain", 4, 5);
    assert.equal(await back(s), true);
    await settled(s);
    assert.deepEqual(values(got), numbers(0, 5));
  });

  test("gets everything once when it is cut in the middle of what it missed, again and again", async () => {
    const s = await kit.connect(proxy.url, { reconnection: false });
    await ask(s, "join", room);
    const got = record(s, "e");
    const text = "x".repeat(4000);
    let lost = next(s, "disconnect");
    proxy.cut();
    await lost;
    for (const n of numbers(0, 60)) assert.equal(await ask(control, "emit", room, [n, text]), true);
    for (const bytes of [2_000, 20_000, 60_000, 20_000]) {
      proxy.open();
      proxy.cutAfter(bytes);
      lost = Promise.race([next(s, "disconnect"), next(s, "connect_error"), next(s.io, "close")]);
      s.connect();
      await lost;
      s.disconnect().io.engine?.close();
    }
    proxy.open();
    assert.equal(await back(s), true);
    await settled(s);
    assert.deepEqual(got.map(([[n]]) => n), numbers(0, 60));
  });

  test("also of binary events, in two namespaces, one of them dynamic, on one connection", async () => {
    const s = await member(room);
    const other = s.io.socket("/tenant-7");
    const welcome = next(other, "hello");
    other.connect();
    await welcome;
    await ask(other, "join", room);
    const [got, their] = [record(s, "e"), record(other, "e")];
    await crash(s);
    for (const n of numbers(0, 4)) {
      assert.equal(await ask(control, "emit", room, { n, file: Buffer.from([n, 255]) }), true);
      assert.equal(await ask(control, "emit-to", "/tenant-7", room, -n), true);
    }
    const again = next(other, "hello");
    assert.equal(await back(s), true);
    if (!other.active) other.connect();
    assert.deepEqual(await again, [true]);
    await Promise.all([settled(s), settled(other)]);
    assert.deepEqual(got.map(([v]) => [v.n, ...v.file]), numbers(0, 4).map((n) => [n, n, 255]));
    assert.deepEqual(values(their).map((n) => 0 - n), numbers(0, 4));
  });

  test("is not recovered when something it missed is gone", async () => {
    const s = await member(room);
    const { id } = s;
    await ask(s, "set", "old");
    const got = record(s, "e");
    await emit(room, 0, 3);
    await settled(s);
    await crash(s);
    await emit(room, 3, 6);
    assert.equal(await ask(control, "trim"), true);
    await emit(room, 6, 9);
    assert.equal(await back(s), false);
    assert.notEqual(s.id, id);
    assert.deepEqual(await settled(s), { rooms: [], value: null });
    assert.deepEqual(values(got), numbers(0, 3));
  });

  test("is not recovered after it left for good", async () => {
    const s = await member(room);
    await settled(s);
    s.disconnect();
    await ask(control, "emit", room, 1);
    await crash();
    assert.equal(await back(s), false);
  });
}, { newestOnly: true });
