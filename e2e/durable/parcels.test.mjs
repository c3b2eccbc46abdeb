// The exercise: what a vendor missed is waiting for it, also when the server was killed.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Durable } from "../lib/durable.mjs";
import { matrix } from "../lib/clients.mjs";
import { ask, record, take, within } from "../lib/wait.mjs";

let server;
before(async () => (server = await Durable.start("E2E_PARCELS")));
after(() => server.stop());

const numbers = (n) => Array.from({ length: n }, (_, i) => i);
let count = 0;

matrix((kit) => {
  test("the vendor gets all 100 once, in order, after kill -9, and received ones never again", async () => {
    const clientId = `vendor-${++count}`;
    const box = { clientId, event: "in-transit" };
    const caps = { nsp: "/caps", forceNew: true };
    let vendor = await kit.connect(server, caps);
    const driver = await kit.connect(server, caps);
    await ask(vendor, "subscribe", box);
    const live = take(vendor, "in-transit", 1);
    const { messageID } = await ask(driver, "in-transit", { clientId, n: -1 });
    assert.deepEqual(await live, [[{ messageID, payload: { clientId, n: -1 } }]]);
    assert.deepEqual(await ask(vendor, "received", { ...box, messageID }), { removed: 1 });
    vendor.disconnect();

    const ids = (await Promise.all(numbers(100).map((n) => ask(driver, "in-transit", { clientId, n })))).map((r) => r.messageID);
    assert.equal(new Set(ids).size, 100);
    const lost = within("disconnect", (done) => driver.once("disconnect", done));
    await server.kill();
    await lost;
    await server.restart();

    vendor = await kit.connect(server, caps);
    const got = record(vendor, "in-transit");
    assert.deepEqual(await ask(vendor, "subscribe", box), { waiting: 100 });
    assert.deepEqual(await ask(vendor, "getAll", box), { count: 100 });
    assert.deepEqual(got, numbers(100).map((n) => [{ messageID: ids[n], payload: { clientId, n } }]));

    // Every other one is received, in any order; the rest comes after another kill.
    for (const n of numbers(100).filter((n) => n % 2).reverse()) {
      assert.deepEqual(await ask(vendor, "received", { ...box, messageID: ids[n] }), { removed: 1 });
    }
    await server.kill();
    await server.restart();
    vendor = await kit.connect(server, caps);
    const rest = record(vendor, "in-transit");
    assert.deepEqual(await ask(vendor, "getAll", box), { count: 50 });
    assert.deepEqual(rest.map(([m]) => m.payload.n), numbers(100).filter((n) => n % 2 === 0));
    await Promise.all(rest.map(([m]) => ask(vendor, "received", { ...box, messageID: m.messageID })));
    assert.deepEqual(await ask(vendor, "getAll", box), { count: 0 });
    assert.equal(rest.length, 50);
  });

  test("who does not ask for an acknowledgement is served as well", async () => {
    const clientId = `vendor-${++count}`;
    const box = { clientId, event: "pickup" };
    const [vendor, driver] = [await kit.connect(server, { nsp: "/caps" }), await kit.connect(server, { nsp: "/caps" })];
    driver.emit("pickup", { clientId, file: Buffer.from([1, 2, 3]) });
    await ask(driver, "getAll", box);
    const first = take(vendor, "pickup", 1);
    vendor.emit("subscribe", box);
    vendor.emit("getAll", box);
    const [[m]] = await first;
    assert.deepEqual([...m.payload.file], [1, 2, 3]);
    vendor.emit("received", { ...box, messageID: m.messageID });
    assert.deepEqual(await ask(vendor, "getAll", box), { count: 0 });
    assert.match((await ask(vendor, "getAll", { event: "pickup" })).error.message, /clientId is missing/);
    assert.match((await ask(driver, "delivered", {})).error.message, /clientId is missing/);
  });
});

test("the example's own clients do their work", async () => {
  const dir = mkdtempSync(join(tmpdir(), "roomwire-parcels-"));
  const kids = new Set();
  try {
    cpSync(fileURLToPath(new URL("../../examples/parcels", import.meta.url)), dir, { recursive: true, filter: (f) => !f.includes("node_modules") });
    symlinkSync(fileURLToPath(new URL("../node_modules", import.meta.url)), join(dir, "node_modules"));
    const run = (script, ...args) => {
      const kid = spawn(process.execPath, [script, ...args], { cwd: dir, env: { ...process.env, PARCELS: server.url }, stdio: ["ignore", "pipe", "inherit"] });
      kids.add(kid);
      kid.text = "";
      kid.stdout.on("data", (d) => (kid.text += d));
      kid.prints = (what) => within(`${what} of ${script}`, (done) => {
        const look = () => what.test(kid.text) && done();
        kid.stdout.on("data", look);
        look();
      });
      return kid;
    };
    const shop = run("vendor.mjs", "shop", "2");
    await shop.prints(/-2 is ready/);
    shop.kill();
    await server.kill();
    await server.restart();
    const hub = run("dashboard.mjs", "driver", "shop");
    await hub.prints(/2 × pickup wait for driver/);
    const driver = run("driver.mjs");
    await driver.prints(/delivered shop-\S+-2/);
    await run("vendor.mjs", "shop", "0").prints(/thank you for delivering shop-\S+-2/);
    await hub.prints(/delivered .*shop-\S+-2/);
  } finally {
    for (const kid of kids) kid.kill();
    rmSync(dir, { recursive: true, force: true });
  }
});
