// What the server answers to plain HTTP: the browser client, CORS, headers,
// cookies, compression, refusals.
import { test, before, after, describe } from "node:test";
import assert from "node:assert/strict";
import http from "node:http";
import { createRequire } from "node:module";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync, inflateSync, brotliDecompressSync } from "node:zlib";
import { start, target } from "../lib/servers.mjs";

const require = createRequire(import.meta.url);
const origin = "http://app.example";
let plain, open;
before(async () => {
  [plain, open] = await Promise.all([start("extra"), start("extra", { cors: origin, cookie: true })]);
});
after(() => Promise.all([plain.stop(), open.stop()]));

/** One request, nothing decoded and nothing followed. */
function request(server, path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: "127.0.0.1", port: server.port, path, method, headers, agent: false }, (res) => {
      const chunks = [];
      res.on("data", (c) => chunks.push(c));
      res.on("end", () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) }));
    });
    req.on("error", reject);
    req.setTimeout(5000, () => req.destroy(new Error(`no answer to ${method} ${path}`)));
    req.on("upgrade", (res, socket) => {
      socket.destroy();
      resolve({ status: res.statusCode, headers: res.headers, body: Buffer.alloc(0) });
    });
    req.end(body);
  });
}

const handshake = "/socket.io/?EIO=4&transport=polling";
const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

describe("the browser client", () => {
  const names = ["socket.io", "socket.io.min", "socket.io.esm.min", "socket.io.msgpack.min"].flatMap((n) => [`${n}.js`, `${n}.js.map`]);
  const { version } = require("../node_modules/socket.io/package.json");
  const original = (name) => readFileSync(new URL(`../node_modules/socket.io/client-dist/${name}`, import.meta.url));
  const digest = (b) => createHash("sha256").update(b).digest("hex");
  let without = false; // the server was built without the bundles

  before(async () => {
    without = target === "go" && (await request(plain, "/socket.io/socket.io.js")).status === 404;
  });

  test("a server built without it says how to build it in", async (t) => {
    if (!without) return t.skip("the server has the client built in");
    const { body } = await request(plain, "/socket.io/socket.io.js");
    assert.match(String(body), /make client-dist/);
  });

  for (const name of names) {
    test(`${name} is the file of the npm package`, async (t) => {
      if (without) return t.skip("the server was built without the client: run make client-dist");
      const { status, headers, body } = await request(plain, `/socket.io/${name}`);
      assert.equal(status, 200);
      assert.equal(digest(body), digest(original(name)));
      assert.match(headers["content-type"], name.endsWith(".map") ? /^application\/json/ : /^application\/javascript; charset=utf-8$/);
      assert.equal(headers.etag, `"${version}"`);
      assert.equal(headers["cache-control"], "public, max-age=0");
    });
  }

  test("a known ETag is answered with 304", async (t) => {
    if (without) return t.skip("the server was built without the client: run make client-dist");
    for (const etag of [`"${version}"`, `W/"${version}"`]) {
      const { status, body } = await request(plain, "/socket.io/socket.io.js", { headers: { "if-none-match": etag } });
      assert.equal(status, 304);
      assert.equal(body.length, 0);
    }
    const { status } = await request(plain, "/socket.io/socket.io.js", { headers: { "if-none-match": '"0.0.1"' } });
    assert.equal(status, 200);
  });

  test("it is compressed for those who can read that", async (t) => {
    if (without) return t.skip("the server was built without the client: run make client-dist");
    const codings = { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync };
    for (const [coding, decompress] of Object.entries(codings)) {
      for (const name of ["socket.io.js", "socket.io.min.js.map"]) {
        const { headers, body } = await request(plain, `/socket.io/${name}`, { headers: { "accept-encoding": coding } });
        assert.equal(headers["content-encoding"], coding);
        assert.equal(digest(decompress(body)), digest(original(name)));
      }
    }
    const likes = { "br;q=0.5, gzip": "gzip", "*": "br", "gzip;q=0": undefined, identity: undefined };
    for (const [accepted, coding] of Object.entries(likes)) {
      const { headers } = await request(plain, "/socket.io/socket.io.js", { method: "HEAD", headers: { "accept-encoding": accepted } });
      assert.equal(headers["content-encoding"], coding, accepted);
    }
  });

  test("no other file is served", async () => {
    for (const name of ["socket.io.slim.js", "../package.json", "%2e%2e/package.json", "README.md", "version", "socket.io.js/", "socket.io.jsx"]) {
      const { status } = await request(plain, `/socket.io/${name}`);
      assert.ok(status >= 300, `${name}: ${status}`);
    }
  });

  test("another origin may load it when it may connect", async (t) => {
    if (without) return t.skip("the server was built without the client: run make client-dist");
    const { headers } = await request(open, "/socket.io/socket.io.esm.min.js", { headers: { origin } });
    assert.equal(headers["access-control-allow-origin"], origin);
  });
});

describe("CORS", () => {
  test("a preflight request is answered with 204", async () => {
    const { status, headers, body } = await request(open, handshake, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "x-token,content-type" },
    });
    assert.equal(status, 204);
    assert.equal(body.length, 0);
    assert.equal(headers["access-control-allow-origin"], origin);
    assert.ok(headers["access-control-allow-methods"].split(/, */).includes("POST"));
    assert.match(headers["access-control-allow-headers"], /x-token/i);
    assert.match(headers.vary, /origin/i);
  });

  test("responses name the origin", async () => {
    const { status, headers } = await request(open, handshake, { headers: { origin } });
    assert.equal(status, 200);
    assert.equal(headers["access-control-allow-origin"], origin);
  });

  test("without CORS no other origin is named", async () => {
    const { headers } = await request(plain, handshake, { headers: { origin } });
    assert.equal(headers["access-control-allow-origin"], undefined);
  });

  const ours = { skip: target === "node" && "the official server leaves it to the browser, which does not ask for WebSocket" };
  test("an origin that is not allowed is refused on every transport", ours, async () => {
    for (const server of [plain, open]) {
      const headers = { origin: "http://evil.example" };
      assert.equal((await request(server, handshake, { headers })).status, 403);
      const { status } = await request(server, "/socket.io/?EIO=4&transport=websocket", { headers: { ...headers, ...upgrade } });
      assert.ok([400, 403].includes(status), `WebSocket: ${status}`);
    }
  });
});

describe("headers and cookies", () => {
  test("the first response of a session has the session as a cookie", async () => {
    const { headers, body } = await request(open, handshake);
    const { sid } = JSON.parse(String(body).slice(1));
    const [cookie, ...more] = headers["set-cookie"];
    assert.deepEqual(more, []);
    assert.match(cookie, new RegExp(`^io=${sid};`));
    for (const part of [/; Path=\//i, /; HttpOnly/i, /; SameSite=Lax/i]) assert.match(cookie, part);
    const post = await request(open, `${handshake}&sid=${sid}`, { method: "POST", body: "40" });
    assert.equal(String(post.body), "ok");
    assert.equal(post.headers["set-cookie"], undefined);
  });

  test("a session that starts on WebSocket gets its cookie too", { skip: target === "node" && "the official server forgets it" }, async () => {
    const { status, headers } = await request(open, "/socket.io/?EIO=4&transport=websocket", { headers: upgrade });
    assert.equal(status, 101);
    assert.match(headers["set-cookie"][0], /^io=[\w-]{20};/);
  });

  test("no cookie unless it is asked for", async () => {
    assert.equal((await request(plain, handshake)).headers["set-cookie"], undefined);
  });

  test("hooks set headers on the first response and on every response", async () => {
    const first = await request(plain, handshake);
    assert.equal(first.headers["x-first"], "yes");
    assert.equal(first.headers["x-every"], "yes");
    const { sid } = JSON.parse(String(first.body).slice(1));
    const second = await request(plain, `${handshake}&sid=${sid}`, { method: "POST", body: "40" });
    assert.equal(second.headers["x-first"], undefined);
    assert.equal(second.headers["x-every"], "yes");
    const ws = await request(plain, "/socket.io/?EIO=4&transport=websocket", { headers: upgrade });
    assert.equal(ws.headers["x-first"], "yes");
    assert.equal(ws.headers["x-every"], "yes");
  });
});

describe("polling", () => {
  // Has the server send a text of 20,000 letters, and returns the response that holds it.
  async function big(compress, encoding) {
    const { sid } = JSON.parse(String((await request(plain, handshake)).body).slice(1));
    const path = `${handshake}&sid=${sid}`;
    await request(plain, path, { method: "POST", body: "40" });
    await request(plain, path);
    await request(plain, path, { method: "POST", body: `42["compressed",${compress},20000]` });
    return request(plain, path, { headers: encoding ? { "accept-encoding": encoding } : {} });
  }
  const want = `42["blob","${"z".repeat(20_000)}"]`;
  const decode = { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync, identity: (b) => b };

  test("a large response is compressed as the client can take it", async () => {
    for (const encoding of ["gzip", "deflate", "gzip, deflate, br"]) {
      const { headers, body } = await big(true, encoding);
      const used = headers["content-encoding"];
      assert.ok(encoding.includes(used), `${used} for ${encoding}`);
      assert.ok(body.length < 2000);
      assert.equal(String(decode[used](body)), want);
    }
  });

  test("it is not compressed when the client cannot, or the event says no", async () => {
    for (const [flag, encoding] of [[true, undefined], [false, "gzip"]]) {
      const { headers, body } = await big(flag, encoding);
      assert.equal(headers["content-encoding"], undefined);
      assert.equal(String(body), want);
    }
  });

  test("responses must not be cached and are text", async () => {
    const { headers } = await request(plain, handshake);
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["content-type"], "text/plain; charset=UTF-8");
  });
});

describe("refusals", () => {
  const cases = [
    ["an unknown transport", "/socket.io/?EIO=4&transport=smoke", {}, 400, { code: 0, message: "Transport unknown" }],
    ["an unknown session", `${handshake}&sid=nobody`, {}, 400, { code: 1, message: "Session ID unknown" }],
    ["a handshake by POST", handshake, { method: "POST", body: "40" }, 400, { code: 2, message: "Bad handshake method" }],
    ["WebSocket without upgrade", "/socket.io/?EIO=4&transport=websocket", {}, 400, { code: 3, message: "Bad request" }],
    ["the hook's refusal", `${handshake}&refuse=1`, {}, 403, { code: 4, message: "refused by hook" }],
    ["an old protocol", "/socket.io/?EIO=3&transport=polling", {}, 400, { code: 5, message: "Unsupported protocol version" }],
  ];
  for (const [name, path, options, status, json] of cases) {
    test(`${name} is ${status} with code ${json.code}`, async () => {
      const res = await request(plain, path, options);
      assert.equal(res.status, status);
      assert.match(res.headers["content-type"], /^application\/json/);
      assert.deepEqual(JSON.parse(String(res.body)), json);
    });
  }

  test("an upgrade that is refused by the hook", async () => {
    const { status } = await request(plain, "/socket.io/?EIO=4&transport=websocket&refuse=1", { headers: upgrade });
    assert.ok([400, 403].includes(status), String(status));
  });
});
