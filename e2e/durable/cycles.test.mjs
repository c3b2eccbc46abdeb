// kill -9 again and again under load: at every client nothing is lost, nothing
// comes twice, and the order is that of the log. DURABLE_CYCLES says how often.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { browser } from "../browser/chat.mjs";
import { Durable } from "../lib/durable.mjs";
import { Kit, open, transports, versions } from "../lib/clients.mjs";
import { ask, next, within } from "../lib/wait.mjs";

const cycles = Number(process.env.DURABLE_CYCLES ?? 20);
const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";
const bundle = fileURLToPath(new URL("../node_modules/socket.io-client/dist/socket.io.min.js", import.meta.url));
const quick = { reconnectionDelay: 10, reconnectionDelayMax: 50 };

let server, kit, context;
before(async () => {
  server = await Durable.start("E2E_DURABLE");
  kit = new Kit(versions[0], transports[2]);
});
after(async () => {
  kit.close();
  await context?.close();
  await server.stop();
});

// A member is a client that notes what it gets and how it comes back.
class InNode {
  got = [];
  recovered = [];
  constructor(name, transports) {
    Object.assign(this, { name, transports });
  }
  async open(room) {
    this.socket = kit.socket(server, { ...quick, transports: this.transports });
    this.socket.on("e", (v) => this.got.push(v));
    await open(this.socket);
    assert.equal(await ask(this.socket, "join", room), true);
    this.socket.on("connect", () => this.recovered.push(this.socket.recovered));
  }
  async back(times) {
    while (this.recovered.length < times) await next(this.socket, "connect");
    await ask(this.socket, "state");
  }
  async result() {
    return { got: this.got, recovered: this.recovered };
  }
}

class InChromium {
  name = "Chromium";
  async open(room) {
    context = await browser();
    this.page = await context.newPage();
    await this.page.goto(server.url);
    await this.page.addScriptTag({ path: bundle });
    await this.page.evaluate(async ([room, quick]) => {
      Object.assign(window, { got: [], recovered: [], s: io({ ...quick }) });
      s.on("e", (v) => got.push(v));
      await new Promise((done) => s.once("connect", done));
      await s.emitWithAck("join", room);
      s.on("connect", () => recovered.push(s.recovered));
    }, [room, quick]);
  }
  async back(times) {
    await this.page.waitForFunction((n) => recovered.length >= n && s.connected, times);
    await this.page.evaluate(() => s.emitWithAck("state"));
  }
  result() {
    return this.page.evaluate(() => ({ got, recovered }));
  }
}

// A publisher emits numbers to a room as fast as eight at a time are stored.
// What is acknowledged is stored; of what is not, nobody knows.
class Publisher {
  stored = [];
  n = 0;
  flying = 0;
  constructor(k, room) {
    Object.assign(this, { k, room, socket: kit.socket(server, { nsp: "/control", ...quick, transports: ["websocket"] }) });
    this.socket.on("connect", () => this.more());
  }
  more() {
    while (!this.stopped && this.socket.connected && this.flying < 8) {
      const n = this.n++;
      this.flying++;
      this.socket.timeout(10_000).emit("emit", this.room, [this.k, n], (err, ok) => {
        this.flying--;
        if (!err && ok === true) this.stored.push(n);
        if (!this.flying) this.idle?.();
        setImmediate(() => this.more());
      });
    }
  }
  async stop() {
    this.stopped = true;
    if (this.flying) await within("end of publishing", (done) => (this.idle = done));
  }
}

test(`nothing is lost, doubled or out of order in ${cycles} cycles of kill -9`, { timeout: 1_800_000 }, async (t) => {
  const members = [new InNode("Node over WebSocket", ["websocket"]), new InNode("Node over both", ["polling", "websocket"])];
  if (existsSync(chromium)) members.push(new InChromium());
  else t.diagnostic(`NO BROWSER: there is no ${chromium}`);
  for (const m of members) await m.open("d:busy");
  const quiet = new InNode("quiet", ["websocket"]);
  await quiet.open("d:quiet");

  const publishers = [0, 1, 2].map((k) => new Publisher(k, "d:busy"));
  for (const p of publishers) p.socket.connect();
  for (let c = 1; c <= cycles; c++) {
    await sleep(20 + Math.random() * 250);
    await server.kill();
    await sleep(Math.random() * 50);
    await server.restart();
    await Promise.all([...members, quiet].map((m) => m.back(c)));
  }
  for (const p of publishers) await p.stop();
  for (const m of members) await m.back(cycles);

  const stored = publishers.reduce((n, p) => n + p.stored.length, 0);
  assert.ok(stored > cycles * 10, `only ${stored} events were stored`);
  let first;
  for (const m of members) {
    const { got, recovered } = await m.result();
    assert.deepEqual(recovered, Array(recovered.length).fill(true), `${m.name} was not recovered`);
    for (const p of publishers) {
      const mine = got.filter(([k]) => k === p.k).map(([, n]) => n);
      const wrong = mine.findIndex((n, i) => i && n <= mine[i - 1]);
      assert.equal(wrong, -1, `${m.name}: ${mine[wrong]} after ${mine[wrong - 1]} of publisher ${p.k}`);
      const has = new Set(mine);
      assert.deepEqual(p.stored.filter((n) => !has.has(n)), [], `${m.name} lost events of publisher ${p.k}`);
    }
    first ??= got;
    assert.deepEqual(got, first, `${m.name} saw another order`);
  }
  assert.deepEqual(quiet.recovered, Array(cycles).fill(true), "the quiet client was not recovered");
  assert.deepEqual(quiet.got, []);
  const last = next(quiet.socket, "e");
  assert.equal(await ask(publishers[0].socket, "emit", "d:quiet", "at last"), true);
  assert.equal((await last)[0], "at last");
  t.diagnostic(`${cycles} cycles, ${stored} events stored, ${members.map((m) => m.name).join(", ")}`);
  console.log(`    ${cycles} cycles, ${stored} events stored; ${members.map((m) => m.name).join(", ")}`);
});
