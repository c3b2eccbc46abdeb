// Disconnects: which reason each side gives, and what rooms the socket still had.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start } from "../lib/servers.mjs";
import { matrix, open } from "../lib/clients.mjs";
import { Proxy } from "../lib/proxy.mjs";
import { ask, next, quiet, record, within } from "../lib/wait.mjs";

let extra;
before(async () => {
  extra = await start("extra", { "ping-interval": "500ms", "ping-timeout": "1500ms" });
});
after(() => extra.stop());

matrix((kit) => {
  const polling = kit.transport.name === "polling";

  // Another client that hears from the server why sockets leave.
  async function witness() {
    const w = await kit.connect(extra);
    await ask(w, "watch");
    return {
      socket: w,
      of: (id) =>
        within(`gone of ${id}`, (done) => {
          let rooms;
          w.on("leaving", (who, nsp, reason, r) => who === id && (rooms = r));
          w.on("gone", (who, nsp, reason) => who === id && done({ nsp, reason, rooms }));
        }),
    };
  }

  test("the client leaves", async () => {
    const [w, socket] = [await witness(), await kit.connect(extra)];
    await ask(socket, "join", "b", "a");
    const [gone, reason] = [w.of(socket.id), next(socket, "disconnect")];
    socket.disconnect();
    assert.equal((await reason)[0], "io client disconnect");
    assert.deepEqual(await gone, { nsp: "/", reason: "client namespace disconnect", rooms: ["a", "b"] });
  });

  test("the server puts the socket out of its namespace", async () => {
    const w = await witness();
    const manager = kit.manager(extra);
    const [main, tenant] = [manager.socket("/"), manager.socket("/tenant-x", { auth: { key: "x" } })];
    await Promise.all([open(main), open(tenant)]);
    const [gone, reason] = [w.of(tenant.id), next(tenant, "disconnect")];
    tenant.emit("kick", false);
    assert.equal((await reason)[0], "io server disconnect");
    assert.deepEqual(await gone, { nsp: "/tenant-x", reason: "server namespace disconnect", rooms: [] });
    assert.equal(tenant.active ?? false, false, "the client must not come back by itself");
    if (kit.keepsOtherNamespaces) await quiet(main);
  });

  test("the server closes the whole connection", async () => {
    const w = await witness();
    const manager = kit.manager(extra);
    const [main, tenant] = [manager.socket("/"), manager.socket("/tenant-y", { auth: { key: "y" } })];
    await Promise.all([open(main), open(tenant)]);
    await kit.settled(main);
    const gone = [w.of(main.id), w.of(tenant.id)];
    const reasons = [next(main, "disconnect"), next(tenant, "disconnect")];
    main.emit("kick", true);
    const why = (await Promise.all(reasons)).map(([reason]) => reason);
    if (kit.keepsOtherNamespaces) assert.deepEqual(why, Array(2).fill("io server disconnect"));
    for (const { reason } of await Promise.all(gone)) assert.equal(reason, "server namespace disconnect");
    await quiet(w.socket);
  });

  test("the server drops the connection below the socket, and the client comes back", async () => {
    const [w, socket] = [await witness(), await kit.connect(extra)];
    const { id } = socket;
    const [gone, reason] = [w.of(id), next(socket, "disconnect")];
    socket.emit("cut");
    assert.equal((await reason)[0], "transport close");
    assert.equal((await gone).reason, "forced close");
    await next(socket, "connect");
    assert.notEqual(socket.id, id);
    await quiet(socket);
  });

  test("the client closes the connection below the socket", async () => {
    const [w, socket] = [await witness(), await kit.connect(extra)];
    const [gone, reason] = [w.of(socket.id), next(socket, "disconnect")];
    socket.io.engine.close();
    assert.equal((await reason)[0], "forced close");
    assert.equal((await gone).reason, "transport close");
  });

  test("the network breaks", async () => {
    const [w, proxy] = [await witness(), await Proxy.to(extra)];
    try {
      const socket = await kit.connect(proxy.url);
      const { id } = socket;
      const [gone, reason] = [w.of(id), next(socket, "disconnect")];
      proxy.cut();
      const [why] = await reason;
      assert.ok(["transport close", "transport error"].includes(why), why);
      const { reason: seen } = await gone;
      assert.ok(["transport close", "transport error", "ping timeout"].includes(seen), seen);
      const back = next(socket, "connect");
      proxy.open();
      await back;
      assert.notEqual(socket.id, id);
      await quiet(socket);
    } finally {
      await proxy.close();
    }
  });

  test("the network goes silent: both sides find out by heartbeat", async () => {
    const [w, proxy] = [await witness(), await Proxy.to(extra)];
    try {
      const socket = await kit.connect(proxy.url, { reconnection: false });
      const [gone, reason] = [w.of(socket.id), next(socket, "disconnect")];
      proxy.freeze();
      assert.equal((await reason)[0], "ping timeout");
      assert.equal((await gone).reason, "ping timeout");
    } finally {
      await proxy.close();
    }
  });

  test("heartbeats keep a quiet connection", async () => {
    const socket = await kit.connect(extra);
    const ends = record(socket, "disconnect");
    let pings = 0;
    await within("3 pings", (done) => {
      socket.io.engine.on("packet", ({ type }) => type === "ping" && ++pings === 3 && done());
    });
    await quiet(socket);
    assert.deepEqual(ends, []);
  });

  test("a packet that cannot be parsed ends the connection", async () => {
    const [w, socket] = [await witness(), await kit.connect(extra, { reconnection: false })];
    const [gone, reason] = [w.of(socket.id), next(socket, "disconnect")];
    socket.io.engine.write('2["no end');
    assert.equal((await reason)[0], "transport close");
    assert.equal((await gone).reason, "forced close");
    await quiet(w.socket);
  });

  test("binary that nothing announced ends the connection", async () => {
    const [w, socket] = [await witness(), await kit.connect(extra, { reconnection: false })];
    const [gone, reason] = [w.of(socket.id), next(socket, "disconnect")];
    socket.io.engine.write(Buffer.from([1, 2, 3]));
    assert.equal((await reason)[0], "transport close");
    assert.equal((await gone).reason, "forced close");
  });

  test("acknowledgements open at a disconnect are not called later", async () => {
    const socket = await kit.connect(extra);
    const calls = [];
    socket.emit("nobody answers", () => calls.push("late"));
    socket.emit("cut");
    await next(socket, "disconnect");
    await next(socket, "connect");
    await quiet(socket);
    assert.deepEqual(calls, []);
  });

  if (!polling) {
    test("a WebSocket that just ends is a transport close", async () => {
      const [w, socket] = [await witness(), await kit.connect(extra, { reconnection: false })];
      const [gone, reason] = [w.of(socket.id), next(socket, "disconnect")];
      socket.io.engine.transport.ws._socket.end();
      assert.equal((await reason)[0], "transport close");
      assert.equal((await gone).reason, "transport close");
    });
  }
});
