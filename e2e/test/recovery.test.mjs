// What happens after a connection was lost: coming back, recovery, retries, restarts.
import { test, before, after, afterEach } from "node:test";
import assert from "node:assert/strict";
import { start, target } from "../lib/servers.mjs";
import { matrix, open } from "../lib/clients.mjs";
import { Proxy } from "../lib/proxy.mjs";
import { ask, next, quiet, record, within } from "../lib/wait.mjs";

let server, plain, proxy;
before(async () => {
  [server, plain] = await Promise.all([
    start("extra", { recovery: true, "ping-interval": "500ms", "ping-timeout": "1500ms" }),
    start("fixture", { recovery: false }),
  ]);
  proxy = await Proxy.to(server);
});
after(async () => {
  await proxy.close();
  await Promise.all([server.stop(), plain.stop()]);
});

const numbers = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

matrix((kit) => {
  afterEach(() => proxy.open());

  // Cuts the connection and waits until both sides have noticed: a server that
  // is being polled may find out only by heartbeat.
  async function cut(socket, speaker) {
    await ask(speaker, "watch");
    const { id } = socket;
    const gone = within(`gone of ${id}`, (done) => speaker.on("gone", (who) => who === id && done()));
    const end = next(socket, "disconnect");
    proxy.cut();
    await Promise.all([gone, end]);
  }

  test("is the same socket after a cut, with what it missed, in order and once", async () => {
    const [speaker, socket] = [await kit.connect(server), await kit.connect(proxy.url)];
    const { id } = socket;
    const heard = record(socket, "room");
    await ask(socket, "join", "news");
    await ask(socket, "set", "kept");
    for (const i of numbers(0, 3)) speaker.emit("to-rooms", ["news"], i);
    await quiet(speaker, socket);

    await cut(socket, speaker);
    for (const i of numbers(3, 53)) speaker.emit("to-rooms", ["news"], i);
    speaker.emit("to-rooms", ["news"], { file: Buffer.from([1, 2, 3]) });
    speaker.emit("to-rooms", ["elsewhere"], "not for us");
    speaker.emit("to-room-volatile", "news", "volatile is not kept");
    await quiet(speaker);

    const back = next(socket, "connect");
    proxy.open();
    await back;
    assert.equal(socket.recovered, true);
    assert.equal(socket.id, id);
    for (const i of numbers(53, 56)) speaker.emit("to-rooms", ["news"], i);
    await quiet(speaker, socket);
    const args = heard.map(([v]) => v); // the offset is the last argument
    assert.deepEqual(args, [...numbers(0, 53), { file: Buffer.from([1, 2, 3]) }, ...numbers(53, 56)]);

    const me = await ask(socket, "whoami");
    assert.equal(me.recovered, true);
    assert.deepEqual(me.rooms, [id, "news"].sort());
    assert.equal(await ask(socket, "get"), "kept");
  });

  test("recovers several times", async () => {
    const [speaker, socket] = [await kit.connect(server), await kit.connect(proxy.url)];
    const { id } = socket;
    const heard = record(socket, "room");
    await ask(socket, "join", "again");
    let n = 0;
    for (let round = 0; round < 4; round++) {
      speaker.emit("to-rooms", ["again"], n++);
      await quiet(speaker, socket);
      await cut(socket, speaker);
      for (let i = 0; i < 5; i++) speaker.emit("to-rooms", ["again"], n++);
      await quiet(speaker);
      const back = next(socket, "connect");
      proxy.open();
      await back;
      assert.equal(socket.recovered, true, `round ${round}`);
      assert.equal(socket.id, id);
    }
    await quiet(speaker, socket);
    assert.deepEqual(heard.map(([v]) => v), numbers(0, n));
  });

  test("misses nothing while messages keep coming", async () => {
    const [speaker, socket] = [await kit.connect(server), await kit.connect(proxy.url)];
    const heard = record(socket, "room");
    await ask(socket, "join", "stream");
    let n = 0;
    const pace = setInterval(() => speaker.emit("to-rooms", ["stream"], n++), 1);
    try {
      for (let round = 0; round < 3; round++) {
        await within("some news", function poll(done) {
          heard.length > 10 * (round + 1) ? done() : setTimeout(poll, 5, done);
        });
        await cut(socket, speaker);
        const back = next(socket, "connect");
        proxy.open();
        await back;
        assert.equal(socket.recovered, true, `round ${round}`);
      }
    } finally {
      clearInterval(pace);
    }
    await quiet(speaker, socket);
    assert.deepEqual(heard.map(([v]) => v), numbers(0, n));
  });

  test("does not recover after leaving on purpose", async () => {
    const socket = await kit.connect(server);
    const { id } = socket;
    await ask(socket, "set", "left");
    socket.emit("burst", 1); // gives the client an offset
    await next(socket, "seq");
    socket.disconnect();
    await open(socket);
    assert.equal(socket.recovered, false);
    assert.notEqual(socket.id, id);
    assert.equal(await ask(socket, "get"), null);
  });

  test("a client of an unknown session starts anew", async () => {
    const socket = kit.socket(server);
    socket._pid = "unknown-to-the-server";
    socket._lastOffset = "zzzzzzz";
    await open(socket);
    assert.equal(socket.recovered, false);
    await quiet(socket);
  });

  const ours = { skip: target === "node" && "the official server needs a received event to recover" };

  test("recovers a client that has received nothing yet", ours, async () => {
    const [speaker, socket] = [await kit.connect(server), await kit.connect(proxy.url)];
    const { id } = socket;
    const heard = record(socket, "room");
    await ask(socket, "join", "first");
    await cut(socket, speaker);
    for (const i of numbers(0, 5)) speaker.emit("to-rooms", ["first"], i);
    await quiet(speaker);
    const back = next(socket, "connect");
    proxy.open();
    await back;
    await quiet(socket);
    assert.equal(socket.recovered, true);
    assert.equal(socket.id, id);
    assert.deepEqual(heard.map(([v]) => v), numbers(0, 5));
  });

  test("retries deliver over a cut, in order", async () => {
    const socket = await kit.connect(proxy.url, { retries: 50, ackTimeout: 300 });
    const answers = [];
    const all = within("all answers", (done) => {
      for (const i of numbers(0, 20)) {
        socket.emit("echo", i, (err, v) => {
          answers.push(err ?? v);
          if (answers.length === 20) done();
        });
      }
    });
    const end = next(socket, "disconnect");
    proxy.cut();
    await end;
    proxy.open();
    await all;
    assert.deepEqual(answers, numbers(0, 20));
  });
}, { newestOnly: true });

matrix((kit) => {
  test("what is emitted while away is sent on return", async () => {
    const socket = await kit.connect(plain);
    const heard = record(socket, "message-back");
    const end = next(socket, "disconnect");
    socket.io.engine.close();
    await end;
    for (const i of numbers(0, 5)) socket.emit("message", i);
    await next(socket, "connect");
    await quiet(socket);
    assert.deepEqual(heard.map(([v]) => v), numbers(0, 5));
  });

  test("comes back after the server was restarted, with all its namespaces", async () => {
    let mine = await start("fixture");
    const addr = `127.0.0.1:${mine.port}`;
    try {
      const manager = kit.manager(mine);
      const sockets = ["/", "/custom"].map((nsp) => manager.socket(nsp));
      await Promise.all(sockets.map(open));
      for (const signal of ["SIGTERM", "SIGKILL"]) {
        const ends = sockets.map((s) => next(s, "disconnect"));
        const back = sockets.map((s) => within(`reconnection after ${signal}`, (done) => s.once("connect", done), 20_000));
        await mine.stop(signal);
        for (const [reason] of await Promise.all(ends)) assert.match(reason, /^transport (close|error)$/, signal);
        mine = await start("fixture", { addr });
        await Promise.all(back);
        await quiet(...sockets);
      }
    } finally {
      kit.close();
      await mine.stop();
    }
  });

  test("keeps trying while there is no server, then connects", async () => {
    const gone = await start("fixture");
    const addr = `127.0.0.1:${gone.port}`;
    await gone.stop();
    const socket = kit.socket(gone);
    const attempts = within("a second attempt", (done) => {
      socket.io.on("reconnect_attempt", (n) => n >= 2 && done());
    });
    const connected = within("connect", (done) => socket.once("connect", done), 20_000);
    socket.connect();
    await attempts;
    const again = await start("fixture", { addr });
    try {
      await connected;
      await quiet(socket);
    } finally {
      kit.close();
      await again.stop();
    }
  });
});
