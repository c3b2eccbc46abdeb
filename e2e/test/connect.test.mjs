// Connecting: handshakes, guards, namespaces.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start, target } from "../lib/servers.mjs";
import { matrix, open } from "../lib/clients.mjs";
import { Late, ask, next, quiet, record } from "../lib/wait.mjs";

let fixture, extra;
before(async () => {
  [fixture, extra] = await Promise.all([start("fixture"), start("extra")]);
});
after(() => Promise.all([fixture.stop(), extra.stop()]));

matrix((kit) => {
  test("connects over the transport asked for", async () => {
    const socket = await kit.connect(extra);
    const want = kit.transport.name === "polling" ? "polling" : "websocket";
    assert.equal(socket.io.engine.transport.name, want);
    const me = await ask(socket, "whoami");
    assert.equal(me.transport, want);
    assert.equal(me.protocol, 4);
    assert.equal(me.id, socket.id);
    assert.match(socket.id, /^[\w-]{20}$/);
    assert.notEqual(socket.id, socket.io.engine.id, "the socket's id must not give away the connection's");
    assert.deepEqual(me.rooms, [socket.id]);
    assert.equal(me.recovered, false);
  });

  test("hands auth, query and headers of the handshake to the server", async () => {
    const auth = { token: "ünïcode ☃", n: 1, deep: { list: [1, null, "x"] } };
    const socket = await kit.connect(extra, {
      auth,
      query: { room: "blue & green", x: "1" },
      extraHeaders: { "x-test": "from the client" },
    });
    const me = await ask(socket, "whoami");
    assert.deepEqual(me.auth, auth);
    assert.equal(me.query.room, "blue & green");
    assert.equal(me.query.EIO, "4");
    assert.equal(me.header, "from the client");
    assert.match(me.address, /^(127\.0\.0\.1|::1)$/);
    assert.equal(me.secure, false);
    assert.equal(me.crossDomain, false);
    assert.ok(Math.abs(Date.now() - me.issued) < 60_000, `issued ${me.issued} is in ms`);
  });

  test("takes auth from a function, called for each attempt", async () => {
    let calls = 0;
    const socket = await kit.connect(extra, { auth: (done) => done({ call: ++calls }) });
    assert.deepEqual((await ask(socket, "whoami")).auth, { call: 1 });
    socket.disconnect();
    await open(socket);
    assert.deepEqual((await ask(socket, "whoami")).auth, { call: 2 });
  });

  test("a socket without auth has an empty one", async () => {
    const socket = await kit.connect(extra);
    assert.deepEqual((await ask(socket, "whoami")).auth, {});
  });

  test("a guard refuses with a message and data, and lets in on the next try", async () => {
    const socket = kit.socket(extra, { nsp: "/guarded", auth: { token: "wrong" } });
    await assert.rejects(open(socket), (err) => {
      assert.equal(err.message, "not authorized");
      assert.deepEqual(err.data, { code: 401, need: "token" });
      return true;
    });
    assert.equal(socket.connected, false);
    socket.auth = { token: "secret" };
    await open(socket);
    assert.ok((await ask(socket, "whoami")).rooms.includes("guests"));
  });

  test("a guard's unforeseen error does not let in", async () => {
    const socket = kit.socket(extra, { nsp: "/guarded", auth: { token: "boom" } });
    // The official server sends the text of any error to the client; ours keeps
    // what was not meant for the client to itself.
    const want = target === "node" ? "the database is down" : "internal error";
    await assert.rejects(open(socket), { message: want });
  });

  test("what a guard emits reaches the client, and what it sets stays", async () => {
    const socket = kit.socket(extra, { nsp: "/guarded", auth: { token: "secret" } });
    const early = record(socket, "early");
    await open(socket);
    await quiet(socket);
    assert.deepEqual(early, [["before connect"]]);
  });

  test("refusing one namespace leaves the others of the connection alone", async () => {
    const manager = kit.manager(extra);
    const main = manager.socket("/");
    await open(main);
    const engine = main.io.engine.id;
    await assert.rejects(open(manager.socket("/guarded")), { message: "not authorized" });
    await quiet(main);
    assert.equal(main.io.engine.id, engine);
  });

  test("an unknown namespace is refused and the connection stays", async () => {
    const manager = kit.manager(fixture);
    const main = manager.socket("/");
    await open(main);
    await assert.rejects(open(manager.socket("/nowhere")), { message: "Invalid namespace" });
    await assert.rejects(open(manager.socket("/dynamic-x")), { message: "Invalid namespace" });
    await quiet(main);
  });

  test("several namespaces share one connection and do not hear each other", async () => {
    const manager = kit.manager(fixture);
    const sockets = ["/", "/custom", "/dynamic-7"].map((nsp) => manager.socket(nsp));
    await Promise.all(sockets.map(open));
    const [main, custom, dynamic] = sockets;
    assert.equal(main.io.engine.id, custom.io.engine.id);
    assert.equal(new Set(sockets.map((s) => s.id)).size, 3, "each namespace gives an id of its own");
    const heard = sockets.map((s) => record(s, "broadcast"));
    sockets.forEach((s) => s.emit("broadcast", s.nsp));
    await quiet(...sockets);
    assert.deepEqual(heard, [[["/"]], [["/custom"]], [["/dynamic-7"]]]);

    if (!kit.keepsOtherNamespaces) return;
    custom.disconnect();
    await quiet(main, dynamic);
    await open(custom);
    await quiet(custom, main);
    assert.equal(main.io.engine.id, custom.io.engine.id);
  });

  test("dynamic namespaces are separate, and come back after they were empty", async () => {
    const one = await kit.connect(fixture, { nsp: "/dynamic-1" });
    const two = await kit.connect(fixture, { nsp: "/dynamic-2" });
    const heard = record(two, "msg");
    one.emit("fanout", "only for one");
    assert.deepEqual(await next(one, "msg"), ["only for one"]);
    await quiet(one, two);
    assert.deepEqual(heard, []);
    one.disconnect();
    await quiet(two);
    await quiet(await kit.connect(fixture, { nsp: "/dynamic-1" }));
  });

  test("a dynamic namespace may depend on name and auth", async () => {
    const socket = await kit.connect(extra, { nsp: "/tenant-acme", auth: { key: "acme" } });
    assert.equal((await ask(socket, "whoami")).nsp, "/tenant-acme");
    const stranger = kit.socket(extra, { nsp: "/tenant-acme2", auth: { key: "acme" } });
    await assert.rejects(open(stranger), { message: "Invalid namespace" });
  });

  test("a request refused by the hook ends in connect_error", async () => {
    const socket = kit.socket(extra, { query: { refuse: "1" }, reconnection: false });
    await assert.rejects(open(socket), (err) => !(err instanceof Late));
    assert.equal(socket.connected, false);
  });

  test("connects again after disconnect with a new id", async () => {
    const socket = await kit.connect(fixture);
    const { id } = socket;
    socket.disconnect();
    await open(socket);
    assert.notEqual(socket.id, id);
    await quiet(socket);
  });
});
