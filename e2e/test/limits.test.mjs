// Sizes: up to the limit everything passes, above it only the offender suffers.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start } from "../lib/servers.mjs";
import { matrix } from "../lib/clients.mjs";
import { ask, next, quiet } from "../lib/wait.mjs";

const limit = 100_000;
let fixture, small, zipped;
before(async () => {
  [fixture, small, zipped] = await Promise.all([
    start("fixture"),
    start("fixture", { "max-payload": limit }),
    start("fixture", { deflate: true }),
  ]);
});
after(() => Promise.all([fixture, small, zipped].map((s) => s.stop())));

matrix((kit) => {
  test("messages near the default limit of 1,000,000 bytes pass", async () => {
    const socket = await kit.connect(fixture);
    const text = "ü".repeat(495_000);
    assert.equal(await ask(socket, "echo", text), text);
    const file = Buffer.alloc(700_000, 7); // base64 makes it 933,336 over polling
    assert.ok(file.equals(await ask(socket, "echo", file)));
  });

  // Older clients do not know maxPayload and put all of them in one request.
  const knowsLimit = { skip: !kit.newest && kit.transport.name !== "websocket" && `client ${kit.client.version} ignores the limit` };
  test("many messages that are more than the limit together pass", knowsLimit, async () => {
    const socket = await kit.connect(small);
    const part = "p".repeat(30_000);
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(socket, "echo", part + i)));
    assert.deepEqual(all, Array.from({ length: 20 }, (_, i) => part + i));
  });

  test("a message of exactly the limit passes", async () => {
    const socket = await kit.connect(small);
    const shell = '420["echo",""]'.length; // as a packet: type, type, ack id, JSON
    const text = "x".repeat(limit - shell);
    assert.equal(await ask(socket, "echo", text), text);
  });

  test("a message above the limit ends its own connection only", async () => {
    const [socket, other] = [await kit.connect(small), await kit.connect(small)];
    const end = next(socket, "disconnect");
    socket.emit("echo", "x".repeat(limit + 1000), () => assert.fail("was answered"));
    const [reason] = await end;
    assert.ok(["transport close", "transport error"].includes(reason), reason);
    await quiet(other);
    await next(socket, "connect"); // it comes back by itself
    await quiet(socket);
  });

  test("what the server sends is not limited by what it takes", async () => {
    const [a, b] = [await kit.connect(small), await kit.connect(small)];
    const args = Array.from({ length: 3 }, (_, i) => String(i).repeat(30_000));
    const heard = next(b, "broadcast");
    a.emit("broadcast", ...args);
    assert.deepEqual(await heard, args);
  });

  test("compression changes nothing, on large or small messages", async () => {
    const socket = await kit.connect(zipped);
    if (kit.transport.name === "websocket") {
      const { extensions } = socket.io.engine.transport.ws;
      assert.match(String(extensions?.["permessage-deflate"] ? "permessage-deflate" : extensions), /permessage-deflate/);
    }
    const noise = Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * i * 31 + (i >> 3)) & 255));
    for (const v of ["", "short", "z".repeat(1024), "long and dull ".repeat(20_000), noise, { in: [noise, "x".repeat(5000)] }]) {
      assert.deepEqual(await ask(socket, "echo", v), v);
    }
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(socket, "echo", "again ".repeat(i * 20))));
    all.forEach((v, i) => assert.equal(v, "again ".repeat(i * 20)));
  });
});
