// The clients the suite is run with: released versions of socket.io-client,
// each over polling only, WebSocket only, and polling upgraded to WebSocket.
import { createRequire } from "node:module";
import { describe, afterEach } from "node:test";
import { within } from "./wait.mjs";

const require = createRequire(import.meta.url);

export const versions = ["socket.io-client", "sio-client-4-0", "sio-client-3-0"].map((name) => {
  const { version } = require(`../node_modules/${name}/package.json`);
  return { version, io: require(name), newest: name === "socket.io-client" };
});

export const transports = [
  { name: "polling", options: { transports: ["polling"] } },
  { name: "websocket", options: { transports: ["websocket"] } },
  { name: "upgrade", options: { transports: ["polling", "websocket"] } },
];

/** Declares the cases of fn once for each client version and transport. */
export function matrix(fn, { newestOnly = false } = {}) {
  for (const v of versions) {
    if (newestOnly && !v.newest) continue;
    for (const t of transports) {
      describe(`client ${v.version} over ${t.name}`, () => {
        const kit = new Kit(v, t);
        afterEach(() => kit.close());
        fn(kit);
      });
    }
  }
}

// A Kit makes clients of one version over one transport and closes them after each test.
export class Kit {
  managers = new Set();

  constructor(client, transport) {
    Object.assign(this, { client, transport });
  }

  get newest() {
    return this.client.newest;
  }

  /** Client 3.0.0 closes the whole connection when one of its namespaces is left. */
  get keepsOtherNamespaces() {
    return this.client.version !== "3.0.0";
  }

  /** A connection of its own, not opened yet. */
  manager(server, options = {}) {
    const url = typeof server === "string" ? server : server.url;
    const m = new this.client.io.Manager(url, {
      autoConnect: false,
      reconnectionDelay: 20,
      reconnectionDelayMax: 100,
      ...this.transport.options,
      ...options,
    });
    this.managers.add(m);
    return m;
  }

  /** A socket, not connected yet. */
  socket(server, { nsp = "/", auth, retries, ackTimeout, ...options } = {}) {
    return this.manager(server, options).socket(nsp, auth === undefined ? { retries, ackTimeout } : { auth, retries, ackTimeout });
  }

  /** A connected socket; over "upgrade" the upgrade is done unless settle is false. */
  async connect(server, { settle = true, ...options } = {}) {
    const socket = this.socket(server, options);
    await open(socket);
    if (settle) await this.settled(socket);
    return socket;
  }

  /** Waits until the transport is the one the kit is about. */
  async settled(socket) {
    if (this.transport.name !== "upgrade") return;
    const { engine } = socket.io;
    if (engine.transport.name === "websocket" && !engine.upgrading) return;
    await within("upgrade to websocket", (resolve) => engine.once("upgrade", resolve));
  }

  close() {
    for (const m of this.managers) {
      m.reconnection(false);
      m._close();
    }
    this.managers.clear();
  }
}

/** Connects a socket; rejects with what connect_error, or the connection's own error, says. */
export function open(socket) {
  return within("connect", (resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
    socket.io.once("error", reject); // client 3.0 has no connect_error when the connection itself fails
    socket.connect();
  });
}
